//! Searching 60,000 vectors of 784 components (Fashion-MNIST, squared L2): through the library, with whole records in the
//! answers, against bare FAISS in the same process, at equal `ef_search`.
//!
//! FAISS is measured twice: on the very same index, read out of the collection's index file, so that the answers can be
//! compared id by id; and on one that it built itself from the factory string. Queries go one after another on one thread;
//! batches of 256 use as many threads as either side takes by default (`OMP_NUM_THREADS` sets both). Every figure is the
//! median of passes that take turns, the ratio is the median of the turns' ratios, recall is against an exact scan.
//!
//! ```text
//! apt-get install dataset-fashion-mnist
//! cargo bench -p vinedb-tests --bench search -- [--queries 2000] [--passes 7] [--images 60000] [--fresh]
//! ```
//!
//! The first run builds both indexes, some minutes, and keeps them in the target folder; `--fresh` builds them again.
#![expect(clippy::print_stdout, reason = "a bench prints its results")]

mod kept;
mod raw;

use kept::{FACTORY, Kept};
use raw::{Found, RawIndex};
use vinedb::{Answer, Collection, Key, Query, SearchParams};
use vinedb_tests::{
    fashion::{self, DIMENSION, Images},
    measure::{self, Cost, Failure, cost, median},
};

const K: usize = 10;
const EF_SEARCH: [usize; 3] = [16, 64, 128];
const BATCH: usize = 256;
const HEAD: [&str; 9] = [
    "ef_search",
    "vinedb, queries/s",
    "FAISS, same index",
    "ratio (lowest to highest)",
    "ratio by processor time",
    "same ids",
    "recall@10, both",
    "FAISS, index of its own",
    "recall@10",
];

/// The queries in both sides' forms, and what they should find.
struct Workload {
    vectors: Vec<f32>,
    queries: Vec<Query>,
    truth: Vec<Vec<usize>>,
}

fn main() -> Result<(), Failure> {
    let images = Images::train(measure::number("--images", 60_000)?)?;
    let test = Images::test(measure::number("--queries", 2_000)?)?;
    let passes = measure::number("--passes", 7)?;
    println!("{}", measure::machine());
    let kept = Kept::open(&images)?;
    println!(
        "vinedb {}, FAISS {}; {FACTORY}, {} × {DIMENSION}, {} queries, k = {K}, {passes} passes\n",
        env!("CARGO_PKG_VERSION"),
        raw::version(),
        images.len(),
        test.len()
    );
    let [single, batched] = measured(kept, &images, &test, passes)?;
    println!("One query after another:\n\n{single}");
    println!("In batches of {BATCH}:\n\n{batched}");
    Ok(())
}

/// The table of single queries and that of batches.
fn measured(
    mut kept: Kept,
    images: &Images,
    test: &Images,
    passes: usize,
) -> Result<[String; 2], Failure> {
    let truth = fashion::nearest(images, test, K);
    let mut rows = [Vec::new(), Vec::new()];
    for ef in EF_SEARCH {
        let workload = Workload::new(test, ef, truth.clone());
        kept.same.set_ef_search(ef)?;
        kept.own.set_ef_search(ef)?;
        let answers = Answers::collect(&workload, &kept)?;
        for (rows, batch) in rows.iter_mut().zip([1, BATCH]) {
            let turns = turns(&workload, &kept, passes, batch)?;
            rows.push(row(ef, test.len(), &answers, &turns));
        }
    }
    Ok(rows.map(|rows| measure::table(&HEAD, &rows)))
}

impl Workload {
    fn new(test: &Images, ef: usize, truth: Vec<Vec<usize>>) -> Self {
        let params = SearchParams {
            ef_search: Some(ef),
            ..SearchParams::default()
        };
        let query = |row| Query::vector(test.vector(row)).top_k(K).params(params);
        Self {
            vectors: test.vectors(),
            queries: (0..test.len()).map(query).collect(),
            truth,
        }
    }

    /// The mean share of the true nearest that were found.
    fn recall(&self, found: &[Vec<usize>]) -> f64 {
        let pairs = self.truth.iter().zip(found);
        let hits: usize = pairs
            .map(|(truth, found)| truth.iter().filter(|row| found.contains(row)).count())
            .sum();
        hits as f64 / (self.truth.len() * K) as f64
    }
}

/// What each side found: row numbers per query, closest first.
struct Answers {
    library_recall: f64,
    own_recall: f64,
    /// The share of queries with the same rows in the same order on the very same index.
    same: f64,
}

impl Answers {
    fn collect(workload: &Workload, kept: &Kept) -> Result<Self, Failure> {
        let library = library_rows(&kept.collection, &workload.queries)?;
        let same = raw_rows(&kept.same, &workload.vectors)?;
        let equal = library
            .iter()
            .zip(&same)
            .filter(|(one, other)| one == other)
            .count();
        Ok(Self {
            library_recall: workload.recall(&library),
            own_recall: workload.recall(&raw_rows(&kept.own, &workload.vectors)?),
            same: equal as f64 / library.len() as f64,
        })
    }
}

fn library_rows(collection: &Collection, queries: &[Query]) -> Result<Vec<Vec<usize>>, Failure> {
    let row = |key: &Key| match key {
        Key::Integer(row) => usize::try_from(*row).unwrap_or(usize::MAX),
        Key::Text(_) => usize::MAX,
    };
    let rows = |answer: Answer| answer.matches.iter().map(|found| row(&found.key)).collect();
    queries
        .iter()
        .map(|query| Ok(rows(collection.search(query)?)))
        .collect()
}

fn raw_rows(index: &RawIndex, vectors: &[f32]) -> Result<Vec<Vec<usize>>, Failure> {
    let mut found = Found::default();
    let search = |query: &[f32]| {
        index.search(query, 1, K, &mut found)?;
        Ok(found
            .rows
            .iter()
            .map(|&row| usize::try_from(row).unwrap_or(usize::MAX))
            .collect())
    };
    vectors.chunks(DIMENSION).map(search).collect()
}

/// What all queries once took each side.
struct Turn {
    library: Cost,
    same: Cost,
    own: Cost,
}

/// Turns of all three, `batch` queries at a time; the first warms up and does not count.
fn turns(
    workload: &Workload,
    kept: &Kept,
    passes: usize,
    batch: usize,
) -> Result<Vec<Turn>, Failure> {
    let turn = |_| {
        Ok(Turn {
            same: cost(|| raw_pass(&kept.same, &workload.vectors, batch))?,
            library: cost(|| library_pass(&kept.collection, &workload.queries, batch))?,
            own: cost(|| raw_pass(&kept.own, &workload.vectors, batch))?,
        })
    };
    let mut turns = (0..=passes)
        .map(turn)
        .collect::<Result<Vec<_>, Failure>>()?;
    turns.remove(0);
    Ok(turns)
}

fn raw_pass(index: &RawIndex, vectors: &[f32], batch: usize) -> Result<f32, Failure> {
    let mut found = Found::default();
    let mut sum = 0.0;
    for queries in vectors.chunks(batch * DIMENSION) {
        index.search(queries, queries.len() / DIMENSION, K, &mut found)?;
        sum += found.distances[0];
    }
    Ok(sum)
}

fn library_pass(
    collection: &Collection,
    queries: &[Query],
    batch: usize,
) -> Result<usize, Failure> {
    let mut matches = 0;
    if batch == 1 {
        for query in queries {
            matches += collection.search(query)?.matches.len();
        }
    } else {
        for queries in queries.chunks(batch) {
            matches += collection
                .search_batch(queries)?
                .iter()
                .map(|answer| answer.matches.len())
                .sum::<usize>();
        }
    }
    if matches == queries.len() * K {
        Ok(matches)
    } else {
        Err("a search found fewer than k".into())
    }
}

fn row(ef: usize, queries: usize, answers: &Answers, turns: &[Turn]) -> Vec<String> {
    let rate = |of: fn(&Turn) -> Cost| {
        let rates = turns.iter().map(|turn| queries as f64 / of(turn).clock);
        format!("{:.0}", median(rates))
    };
    let by_processor = turns
        .iter()
        .map(|turn| turn.same.processor / turn.library.processor);
    vec![
        ef.to_string(),
        rate(|turn| turn.library),
        rate(|turn| turn.same),
        measure::spread(
            turns
                .iter()
                .map(|turn| turn.same.clock / turn.library.clock),
        ),
        format!("{:.3}", median(by_processor)),
        format!("{:.1} %", 100.0 * answers.same),
        format!("{:.4}", answers.library_recall),
        rate(|turn| turn.own),
        format!("{:.4}", answers.own_recall),
    ]
}
