//! Searching while another thread writes: the 99th percentile of single searches in a collection of 100,000 vectors
//! (GloVe, cosine, HNSW32), idle and while a thread adds documents as fast as it can. Idle and busy times take turns.
//!
//! ```text
//! make bench BENCH=concurrency
//! cargo bench -p vinedb-tests --bench concurrency -- [--vectors 100000] [--turns 5] [--seconds 3] [--batch 256]
//! ```
#![expect(clippy::print_stdout, reason = "a bench prints its results")]

use std::{
    ops::Range,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use vinedb::{Collection, CollectionConfig, Database, Document, IndexSpec, Metric, Query};
use vinedb_tests::{
    measure::{self, Failure, median, spread},
    sets::{K, Words},
};

const HEAD: [&str; 6] = [
    "turn",
    "idle: p50, p99, highest, ms",
    "while adding",
    "ratio of p99",
    "added, documents/s",
    "sealed, fresh afterwards",
];

fn main() -> Result<(), Failure> {
    let vectors = measure::number("--vectors", 100_000)?;
    let turns = measure::number("--turns", 5)?;
    let batch = measure::number("--batch", 256)?;
    let time = Duration::from_secs(u64::try_from(measure::number("--seconds", 3)?)?);
    println!("{}\n", measure::machine());
    let words = Words::read()?;
    let folder = tempfile::tempdir_in(measure::kept_folder()?)?;
    let config = CollectionConfig::given(words.dimension)
        .metric(Metric::Cosine)
        .index(IndexSpec::parse("HNSW32")?);
    let collection = Database::open(folder.path())?.create_collection("words", config)?;
    collection.upsert(documents(&words, 0..vectors)?)?;
    collection.compact()?;
    let bench = Bench {
        words,
        collection,
        batch,
        time,
        next: AtomicUsize::new(vectors),
    };
    let mut ratios = Vec::new();
    let mut rows = Vec::new();
    for turn in 1..=turns {
        let (ratio, row) = bench.turn(turn)?;
        ratios.push(ratio);
        rows.push(row);
    }
    println!(
        "{}\nRatio of p99: {}",
        measure::table(&HEAD, &rows),
        spread(ratios)
    );
    Ok(())
}

/// Words under these numbers as keys; behind the last word comes the first again.
fn documents(words: &Words, numbers: Range<usize>) -> Result<Vec<Document>, Failure> {
    let document = |number: usize| {
        let row = number % (words.base.len() / words.dimension);
        let vector = &words.base[row * words.dimension..][..words.dimension];
        Ok(Document::from_vector(
            i64::try_from(number)?,
            vector.to_vec(),
        ))
    };
    numbers.map(document).collect()
}

struct Bench {
    words: Words,
    collection: Collection,
    batch: usize,
    time: Duration,
    /// The first number that was not added yet.
    next: AtomicUsize,
}

/// Milliseconds of the searches of one time.
struct Latencies(Vec<f64>);

impl Latencies {
    fn at(&self, percent: usize) -> f64 {
        self.0
            .get((self.0.len() * percent / 100).min(self.0.len().saturating_sub(1)))
            .copied()
            .unwrap_or(f64::NAN)
    }

    fn cell(&self) -> String {
        format!(
            "{:.3}, {:.3}, {:.1}",
            median(self.0.iter().copied()),
            self.at(99),
            self.at(100)
        )
    }
}

impl Bench {
    fn turn(&self, turn: usize) -> Result<(f64, Vec<String>), Failure> {
        let idle = self.searches()?;
        let (busy, rate) = self.while_adding()?;
        let ratio = busy.at(99) / idle.at(99);
        let stats = self.collection.stats()?;
        self.collection.compact()?;
        Ok((
            ratio,
            vec![
                turn.to_string(),
                idle.cell(),
                busy.cell(),
                format!("{ratio:.2}"),
                format!("{rate:.0}"),
                format!(
                    "{}, {}",
                    stats
                        .local
                        .as_ref()
                        .expect("the index is in this process")
                        .sealed,
                    stats
                        .local
                        .as_ref()
                        .expect("the index is in this process")
                        .fresh
                ),
            ],
        ))
    }

    /// Single searches, one after another, for the time that is set.
    fn searches(&self) -> Result<Latencies, Failure> {
        let mut all = Vec::new();
        let began = Instant::now();
        let rows = self.words.queries.chunks_exact(self.words.dimension);
        for row in rows.cycle().take_while(|_| began.elapsed() < self.time) {
            let query = Query::vector(row.to_vec()).top_k(K);
            let started = Instant::now();
            self.collection.search(&query)?;
            all.push(started.elapsed().as_secs_f64() * 1e3);
        }
        all.sort_by(f64::total_cmp);
        Ok(Latencies(all))
    }

    /// The searches, and how many documents a second were added meanwhile.
    fn while_adding(&self) -> Result<(Latencies, f64), Failure> {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let writer = scope.spawn(|| self.add_until(&done));
            let searches = self.searches();
            done.store(true, Ordering::Relaxed);
            let rate = writer
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok((searches?, rate))
        })
    }

    fn add_until(&self, done: &AtomicBool) -> Result<f64, Failure> {
        let (began, mut added) = (Instant::now(), 0);
        while !done.load(Ordering::Relaxed) {
            let first = self.next.fetch_add(self.batch, Ordering::Relaxed);
            let documents = documents(&self.words, first..first + self.batch)?;
            added += documents.len();
            self.collection.upsert(documents)?;
        }
        Ok(added as f64 / began.elapsed().as_secs_f64())
    }
}
