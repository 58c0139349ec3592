//! What batching and queueing cost: `OnnxEmbedder` against bare ONNX Runtime, in one run, pass by pass in turn.
//!
//! Bare (`bare.rs`) has the texts tokenized and sorted beforehand and throws the outputs away; `OnnxEmbedder` starts
//! from the texts and ends with vectors. The median of the passes' ratios is what counts: it is least troubled by whatever
//! else the machine does. Also measured: what a query waits, alone and behind the bulk work.
//!
//! ```text
//! cargo bench -p vinedb-embedder -- [FILE.csv] [--texts 2000] [--passes 5] [--budget 1024]...
//! ```
//!
//! FILE.csv has a `description` column; without it the wine reviews under `$VINEDB_DATA` are taken, and without those,
//! generated texts. Model and runtime are those of `$VINEDB_HOME`, `$XDG_CACHE_HOME/vinedb` or `~/.cache/vinedb`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

mod bare;
#[path = "../../tests/home.rs"]
mod home;
mod plan;

use bare::BareProcess;
use plan::{Failure, Plan};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use vinedb_embedder::{Embed, OnnxEmbedder, Options, Purpose};

fn main() -> Result<(), Failure> {
    let plan = Plan::from_arguments()?;
    let texts = plan.texts()?;
    if plan.is_bare_process {
        return bare::serve(&texts);
    }
    println!(
        "{}; {} texts, {} passes",
        plan::machine(),
        texts.len(),
        plan.passes
    );
    let mut bare = BareProcess::start()?;
    for &budget in &plan.budgets {
        let options = Options {
            token_budget: budget,
            ..Options::default()
        };
        let embedder = home::open(&options);
        compare(&mut bare, &embedder, &texts, budget, plan.passes)?;
        latencies(&embedder, &texts)?;
    }
    Ok(())
}

/// Both ways in turn; the first pass of each warms up and is not counted.
fn compare(
    bare: &mut BareProcess,
    embedder: &OnnxEmbedder,
    texts: &[String],
    budget: usize,
    passes: usize,
) -> Result<(), Failure> {
    let (mut bares, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pass in 0..=passes {
        let bare = texts.len() as f64 / bare.pass(budget)?;
        let own = texts.len() as f64 / embed_all(embedder, texts)?;
        if pass > 0 {
            bares.push(bare);
            ours.push(own);
            ratios.push(own / bare);
        }
    }
    println!(
        "budget {budget:>5}: bare {:6.1} texts/s, embedder {:6.1} texts/s, ratio {:.3} ({:.3} to {:.3})",
        quantile(&mut bares, 0.5),
        quantile(&mut ours, 0.5),
        quantile(&mut ratios, 0.5),
        quantile(&mut ratios, 0.0),
        quantile(&mut ratios, 1.0),
    );
    Ok(())
}

/// What a query waits.
fn latencies(embedder: &OnnxEmbedder, texts: &[String]) -> Result<(), Failure> {
    let mut alone = (0..50)
        .map(|_| query(embedder))
        .collect::<Result<Vec<_>, _>>()?;
    let mut behind = queries_behind_bulk(embedder, texts)?;
    println!(
        "              a query alone {:.1} ms, behind bulk work {:.1} ms (p99 {:.1} ms)",
        quantile(&mut alone, 0.5),
        quantile(&mut behind, 0.5),
        quantile(&mut behind, 0.99),
    );
    Ok(())
}

/// Seconds from texts to vectors.
fn embed_all(embedder: &OnnxEmbedder, texts: &[String]) -> Result<f64, Failure> {
    let texts = texts.to_vec();
    let start = Instant::now();
    std::hint::black_box(embedder.submit(texts, Purpose::Document)?.wait()?);
    Ok(start.elapsed().as_secs_f64())
}

/// Milliseconds of one short query.
fn query(embedder: &OnnxEmbedder) -> Result<f64, Failure> {
    let start = Instant::now();
    embedder.embed(&["a light red for a summer picnic"], Purpose::Query)?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

/// Queries one after the other while the texts are embedded beside them.
fn queries_behind_bulk(embedder: &OnnxEmbedder, texts: &[String]) -> Result<Vec<f64>, Failure> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let bulk = scope.spawn(|| {
            let result = embed_all(embedder, texts);
            done.store(true, Ordering::Release);
            result
        });
        let mut waits = Vec::new();
        while !done.load(Ordering::Acquire) {
            waits.push(query(embedder)?);
        }
        bulk.join().map_err(|_| "the bulk thread panicked")??;
        Ok(waits)
    })
}

/// The value below which the share `q` of `values` lies.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index below the length"
)]
fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (q * values.len().saturating_sub(1) as f64).round() as usize;
    values.get(index).copied().unwrap_or(f64::NAN)
}
