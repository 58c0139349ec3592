//! Embedding against what others make of the same texts and weights, in one run, pass by pass in turn: sentence-transformers
//! and fastembed as they come, and ONNX Runtime in Python with nothing around it at its quickest setting. Then a short
//! query, many clients with a text each, searches during an import, and the memory over many texts.
//!
//! ```text
//! make bench BENCH=embedding
//! cargo bench -p vinedb-tests --bench embedding -- [--texts 2000] [--passes 3] [--only query] [--long 100000]
//! ```
//!
//! `VINEDB_DATA` names a folder with wine reviews, as for the bench `import`. The peers lie in the cache folder.
#![expect(clippy::print_stdout, reason = "a bench prints its results")]

mod clients;
mod during;
mod peers;
#[path = "../reviews.rs"]
#[expect(dead_code, reason = "the texts alone are wanted here")]
mod reviews;

use std::{path::Path, time::Instant};

use embedder::{
    Embed, OnnxEmbedder, Options, Purpose,
    convert::{Precision, folder},
};
use peers::Peers;
use reviews::Reviews;
use vinedb_tests::measure::{self, Cost, Failure, cost, median, spread};

const QUERY: &str = "a light red for a summer picnic";
const QUERIES: usize = 300;
/// Multiply-adds of the model's matrices count twice: six layers of 4 × 384 × 384 and 2 × 384 × 1,536.
const OPERATIONS_PER_TOKEN: f64 = 6.0 * 2.0 * (4.0 * 384.0 * 384.0 + 2.0 * 384.0 * 1536.0);

fn main() -> Result<(), Failure> {
    println!("{}", measure::machine());
    let passes = measure::number("--passes", 3)?;
    let work = tempfile::tempdir()?;
    let texts = Reviews::write(work.path(), measure::number("--texts", 2_000)?)?.texts;
    let model = vinedb::models::default_home()
        .join("models")
        .join(vinedb::models::DEFAULT_MODEL);
    let floats_folder = work.path().join("floats");
    folder(&model, &floats_folder, Precision::Fp32)?;
    let (int8, floats) = (open(&model)?, open(&floats_folder)?);
    let mut peers = Peers::start(&model, &floats_folder, &texts)?;
    println!(
        "vinedb {}, ONNX Runtime {}; {}; {} reviews, {:.0} tokens each; {}\n",
        env!("CARGO_PKG_VERSION"),
        measure::runtime_version(),
        peers.versions,
        texts.len(),
        peers.tokens / texts.len() as f64,
        vinedb::models::DEFAULT_MODEL,
    );
    let only = measure::text("--only");
    let wanted = |part| only.as_ref().is_none_or(|only| only == part);
    if wanted("throughput") {
        throughput(&mut peers, &int8, &floats, &texts, passes)?;
    }
    if wanted("query") {
        query(&mut peers, &model)?;
    }
    if wanted("clients") {
        clients::report(&int8, &texts, passes)?;
    }
    if wanted("during") {
        during::report(&texts, passes)?;
    }
    match measure::number("--long", 0)? {
        0 => Ok(()),
        count => memory(&int8, &texts, count),
    }
}

fn open(folder: &Path) -> Result<OnnxEmbedder, Failure> {
    let options = Options::default();
    Ok(OnnxEmbedder::open(
        "model",
        folder,
        &measure::runtime(),
        &options,
    )?)
}

/// From texts to vectors, all at once.
fn embed_all(embedder: &OnnxEmbedder, texts: &[String]) -> Result<Cost, Failure> {
    let texts = texts.to_vec();
    cost(|| Ok(embedder.submit(texts, Purpose::Document)?.wait()?))
}

/// Every side in every pass; the first pass warms up and is not counted.
fn throughput(
    peers: &mut Peers,
    int8: &OnnxEmbedder,
    floats: &OnnxEmbedder,
    texts: &[String],
    passes: usize,
) -> Result<(), Failure> {
    let settings = [peers.tune("int8")?, peers.tune("floats")?];
    let mut turn = || -> Result<Vec<f64>, Failure> {
        let mut seconds = vec![
            embed_all(int8, texts)?.clock,
            embed_all(floats, texts)?.clock,
        ];
        for side in peers::SIDES {
            seconds.push(peers.all(side)?.clock);
        }
        Ok(seconds)
    };
    turn()?;
    let turns = (0..passes).map(|_| turn()).collect::<Result<Vec<_>, _>>()?;
    let names = [
        "vinedb, 8 bits (the default)".to_owned(),
        "vinedb, 32-bit floats".to_owned(),
        "sentence-transformers".to_owned(),
        "fastembed".to_owned(),
        format!("ONNX Runtime in Python, 8 bits ({})", settings[0]),
        format!("ONNX Runtime in Python, 32-bit floats ({})", settings[1]),
    ];
    let rows: Vec<Vec<String>> = names
        .into_iter()
        .enumerate()
        .map(|(side, name)| {
            let ratio = |ours: usize| spread(turns.iter().map(|turn| turn[side] / turn[ours]));
            let rate = texts.len() as f64 / median(turns.iter().map(|turn| turn[side]));
            vec![name, format!("{rate:.1}"), ratio(0), ratio(1)]
        })
        .collect();
    let head = ["", "texts/s", "our 8 bits to it", "our 32-bit floats to it"];
    println!("{}", measure::table(&head, &rows));
    let seconds = median(turns.iter().map(|turn| turn[0]));
    let reached = peers.tokens * OPERATIONS_PER_TOKEN / seconds;
    let peak = peers.peak()?;
    println!(
        "The model's 8-bit products: {:.0} GOP/s, {:.0} % of the {:.0} GOP/s of a large MatMulInteger by itself\n",
        reached / 1e9,
        100.0 * reached / peak,
        peak / 1e9
    );
    Ok(())
}

/// One short query after the other, ours with all that belongs to it, bare ones as tokens already; on one thread, as is our
/// default, and on all of them, which wait for each other busily, as is ONNX Runtime's.
fn query(peers: &mut Peers, model: &Path) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism()?.get();
    let mut rows = Vec::new();
    for threads in [1, cores] {
        let options = Options {
            threads,
            spin: threads > 1,
            ..Options::default()
        };
        let embedder = OnnxEmbedder::open("model", model, &measure::runtime(), &options)?;
        let mut turns = Vec::new();
        for _ in 0..5 {
            turns.push((answered(&embedder)?, peers.query(QUERY, QUERIES, threads)?));
        }
        rows.push(vec![
            threads.to_string(),
            format!("{:.2}", median(turns.iter().map(|turn| turn.0))),
            format!("{:.2}", median(turns.iter().map(|turn| turn.1))),
            spread(turns.iter().map(|(ours, bare)| ours / bare)),
        ]);
    }
    let head = [
        "a short query, threads",
        "vinedb, p50, ms",
        "bare ONNX Runtime, p50, ms",
        "ratio",
    ];
    println!("{}", measure::table(&head, &rows));
    Ok(())
}

/// Milliseconds, the median.
fn answered(embedder: &OnnxEmbedder) -> Result<f64, Failure> {
    let mut times = Vec::with_capacity(QUERIES);
    for _ in 0..QUERIES {
        let start = Instant::now();
        embedder.embed(&[QUERY], Purpose::Query)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times.split_off(QUERIES / 10)))
}

/// Texts of mixed length, over and over, each a little different; what the process holds every so often.
fn memory(embedder: &OnnxEmbedder, texts: &[String], count: usize) -> Result<(), Failure> {
    const AT_A_TIME: usize = 500;
    let of = |number: usize| match number % 10 {
        0 => format!("{number}"),
        9 => format!(
            "{number} {} {}",
            texts[number % texts.len()],
            texts[number / 2 % texts.len()]
        ),
        _ => format!("{number} {}", texts[number % texts.len()]),
    };
    println!("Memory over {count} texts of 1 to 256 tokens:");
    let every = (count / 10).max(AT_A_TIME);
    for start in (0..count).step_by(AT_A_TIME) {
        let end = (start + AT_A_TIME).min(count);
        embed_all(embedder, &(start..end).map(of).collect::<Vec<_>>())?;
        if end.is_multiple_of(every) {
            println!(
                "    after {end:>7}: {:.1} MiB",
                resident()? / f64::from(1 << 20)
            );
        }
    }
    Ok(())
}

/// Bytes of memory that this process holds (`proc_pid_statm(5)`), in pages of 4 KiB as x86-64 has them.
fn resident() -> Result<f64, Failure> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm
        .split(' ')
        .nth(1)
        .ok_or("/proc/self/statm has one field")?;
    Ok(pages.parse::<f64>()? * 4096.0)
}
