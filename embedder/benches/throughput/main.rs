//! What batching and queueing cost: `OnnxEmbedder` against bare ONNX Runtime, in one run, pass by pass in turn.
//!
//! Bare (`bare.rs`) has the texts tokenized and sorted beforehand and throws the outputs away; `OnnxEmbedder` starts
//! from the texts and ends with vectors. The median of the passes' ratios is what counts: it is least troubled by whatever
//! else the machine does. Also measured: what a query waits, alone and behind the bulk work; and what 8 bits gain over
//! 32-bit floats.
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
use plan::{Cost, Failure, Plan};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use vinedb_embedder::convert::{Precision, folder};
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
    precisions(&texts, plan.passes)
}

/// The default model against the same weights in 32-bit floats, pass by pass in turn.
fn precisions(texts: &[String], passes: usize) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let floats = dir.path().join("floats");
    folder(&home::model(), &floats, Precision::Fp32)?;
    let options = Options::default();
    let floats = OnnxEmbedder::open("floats", &floats, &home::runtime(), &options)?;
    let int8 = home::open(&options);
    let pass = || Ok::<_, Failure>((embed_all(&floats, texts)?, embed_all(&int8, texts)?));
    pass()?;
    let costs = (0..passes).map(|_| pass()).collect::<Result<Vec<_>, _>>()?;
    for (by, seconds) in [
        ("the clock", (|cost| cost.seconds) as fn(&Cost) -> f64),
        ("the processor", |cost| cost.processor_seconds),
    ] {
        let of = |rate: &dyn Fn(&(Cost, Cost)) -> f64| {
            quantile(&mut costs.iter().map(rate).collect::<Vec<_>>(), 0.5)
        };
        let (slow, fast) = (
            of(&|(slow, _)| texts.len() as f64 / seconds(slow)),
            of(&|(_, fast)| texts.len() as f64 / seconds(fast)),
        );
        let ratio = of(&|(slow, fast)| seconds(slow) / seconds(fast));
        println!("32-bit floats {slow:.1} texts/s, 8 bits {fast:.1}, ratio {ratio:.2} by {by}");
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
    let mut pass = || Ok::<_, Failure>((bare.pass(budget)?, embed_all(embedder, texts)?));
    pass()?;
    let costs = (0..passes).map(|_| pass()).collect::<Result<Vec<_>, _>>()?;
    report(budget, "the clock", &costs, texts.len(), |cost| {
        cost.seconds
    });
    report(budget, "the processor", &costs, texts.len(), |cost| {
        cost.processor_seconds
    });
    Ok(())
}

/// Medians of the rates and of the passes' ratios.
fn report(
    budget: usize,
    by: &str,
    costs: &[(Cost, Cost)],
    texts: usize,
    seconds: fn(&Cost) -> f64,
) {
    let of = |rate: &dyn Fn(&(Cost, Cost)) -> f64, q| {
        quantile(&mut costs.iter().map(rate).collect::<Vec<_>>(), q)
    };
    let bare = of(&|(bare, _)| texts as f64 / seconds(bare), 0.5);
    let own = of(&|(_, own)| texts as f64 / seconds(own), 0.5);
    let [low, ratio, high] =
        [0.0, 0.5, 1.0].map(|q| of(&|(bare, own)| seconds(bare) / seconds(own), q));
    println!(
        "budget {budget:>5} by {by:13}: bare {bare:6.1} texts/s, embedder {own:6.1}, ratio {ratio:.3} ({low:.3} to {high:.3})"
    );
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

/// From texts to vectors.
fn embed_all(embedder: &OnnxEmbedder, texts: &[String]) -> Result<Cost, Failure> {
    let texts = texts.to_vec();
    plan::cost(|| Ok(embedder.submit(texts, Purpose::Document)?.wait()?))
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
