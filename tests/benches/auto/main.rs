//! What the thresholds of `auto` stand on: for growing parts of Fashion-MNIST (784 components, L2) and GloVe (50, cosine) the
//! time of a query, its recall, the memory of the index and the time to build it, for each kind that `auto` chooses among.
//!
//! Queries ask for nothing, so that an approximate index is searched as its own curve says for the default recall. Whole
//! records are answered, as the library does.
//!
//! ```text
//! make bench BENCH=auto
//! cargo bench -p vinedb-tests --bench auto -- [--set glove] [--vectors 400000] [--queries 500]
//! ```
#![expect(clippy::print_stdout, reason = "a bench prints its results")]

use std::{collections::HashSet, time::Instant};

use vinedb::{
    Answer, Collection, CollectionConfig, Database, Document, IndexSpec, Query, SearchParams,
};
use vinedb_tests::{
    measure::{self, Failure, cost, median},
    sets::{K, Set},
};

const HEAD: [&str; 9] = [
    "vectors",
    "numbers",
    "auto takes",
    "index",
    "build, processor s",
    "memory, MiB",
    "query, ms",
    "recall@10",
    "by its curve",
];
const KINDS: [&str; 3] = ["Flat", "HNSW32", "HNSW32,SQ8"];
const SIZES: [usize; 8] = [
    2_000, 5_000, 10_000, 20_000, 40_000, 60_000, 160_000, 400_000,
];
/// Documents per transaction.
const BATCH: usize = 5_000;

fn main() -> Result<(), Failure> {
    let vectors = measure::number("--vectors", 400_000)?;
    let queries = measure::number("--queries", 500)?;
    let wanted = measure::text("--set");
    println!("{}\n", measure::machine());
    for name in ["fashion", "glove"] {
        if wanted.as_ref().is_none_or(|wanted| wanted == name) {
            let set = Set::named(name, vectors, queries)?;
            let mut rows = Vec::new();
            for size in sizes(set.len()) {
                rows.extend(measured(&set, size)?);
            }
            println!("### {name}\n\n{}", measure::table(&HEAD, &rows));
        }
    }
    Ok(())
}

/// Those of the sizes that the set has, and all of it.
fn sizes(len: usize) -> Vec<usize> {
    let below = SIZES.into_iter().filter(|size| *size < len);
    below.chain([len]).collect()
}

/// A row for each kind.
fn measured(set: &Set, size: usize) -> Result<Vec<Vec<String>>, Failure> {
    let auto = IndexSpec::Auto.kind_for(size, set.dimension);
    let mut rows = Vec::new();
    for kind in KINDS {
        let folder = tempfile::tempdir_in(measure::kept_folder()?)?;
        let config = CollectionConfig::given(set.dimension)
            .metric(set.metric)
            .index(IndexSpec::parse(kind)?);
        let collection = Database::open(folder.path())?.create_collection("c", config)?;
        let build = filled(&collection, set, size)?;
        let (milliseconds, recall) = asked(&collection, set)?;
        let stats = collection.stats()?;
        rows.push(vec![
            size.to_string(),
            format!("{:.1} M", (size * set.dimension) as f64 / 1e6),
            auto.to_string(),
            kind.to_owned(),
            format!("{build:.1}"),
            format!(
                "{:.1}",
                stats
                    .local
                    .as_ref()
                    .expect("the index is in this process")
                    .memory_bytes as f64
                    / f64::from(1 << 20)
            ),
            format!("{milliseconds:.3}"),
            format!("{recall:.3}"),
            stats.explanation,
        ]);
    }
    Ok(rows)
}

/// Writes the first vectors of the set and seals them; what building and measuring the index takes.
fn filled(collection: &Collection, set: &Set, size: usize) -> Result<f64, Failure> {
    let rows: Vec<&[f32]> = set.base.chunks_exact(set.dimension).take(size).collect();
    for (number, batch) in rows.chunks(BATCH).enumerate() {
        let documents = batch.iter().zip(number * BATCH..).map(|(vector, row)| {
            let key = i64::try_from(row).unwrap_or(i64::MAX);
            Document::from_vector(key, vector.to_vec())
        });
        collection.upsert(documents.collect())?;
    }
    collection.compact()?;
    Ok(cost(|| Ok(collection.train()?))?.processor)
}

/// The median time of the set's queries, each alone, and the share of the true nearest that they find.
fn asked(collection: &Collection, set: &Set) -> Result<(f64, f64), Failure> {
    let exact = SearchParams {
        exact: true,
        ..SearchParams::default()
    };
    let (mut times, mut right) = (Vec::new(), 0);
    for vector in set.queries.chunks_exact(set.dimension) {
        let query = Query::vector(vector.to_vec()).top_k(K);
        let started = Instant::now();
        let found = keys(&collection.search(&query)?);
        times.push(started.elapsed().as_secs_f64() * 1e3);
        let truth = keys(&collection.search(&query.params(exact))?);
        right += found.intersection(&truth).count();
    }
    let wanted = (times.len() * K).max(1);
    Ok((median(times), right as f64 / wanted as f64))
}

fn keys(answer: &Answer) -> HashSet<String> {
    let keys = answer.matches.iter().map(|found| found.key.to_string());
    keys.collect()
}
