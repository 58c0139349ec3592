//! What deleting and replacing do to a collection: of 100,000 vectors (GloVe, cosine) 30 % are deleted and 30 % get other
//! vectors under their keys. Recall and time of searches before and after, whether every live vector finds itself, and
//! whether a deleted or replaced one still shows, right after the writes, after compaction, and after reopening.
//!
//! An equal collection that is left alone is searched in turn with the churned one, so that both times come from the same
//! minutes. Whole records are answered, as the library does. The last row is a new collection of the documents that are left:
//! what of a change stands there too comes from the documents, not from the deleting and replacing.
//!
//! ```text
//! make bench BENCH=churn
//! cargo bench -p vinedb-tests --bench churn -- [--vectors 100000] [--queries 1000] [--turns 7] [--kind HNSW32]
//! ```
#![expect(clippy::print_stdout, reason = "a bench prints its results")]

mod churned;

use std::path::Path;

use churned::{Churned, Live};
use vinedb::{Collection, CollectionConfig, Database, Document, Key, Metric, Query, SearchParams};
use vinedb_tests::{
    measure::{self, Failure, cost, spread},
    sets::{K, Words},
};

const HEAD: [&str; 9] = [
    "when",
    "live",
    "sealed, fresh, deleted inside",
    "recall@10",
    "change",
    "do not find themselves",
    "deleted ones found",
    "time of a query to that before (lowest to highest)",
    "by processor time",
];
/// Documents per transaction.
const BATCH: usize = 5_000;

fn main() -> Result<(), Failure> {
    let vectors = measure::number("--vectors", 100_000)?;
    let queries = measure::number("--queries", 1_000)?;
    let turns = measure::number("--turns", 7)?;
    println!("{}\n", measure::machine());
    let mut words = Words::read()?;
    words.queries.truncate(queries * words.dimension);
    let wanted = measure::text("--kind");
    for (index, params) in kinds() {
        if wanted.as_ref().is_none_or(|wanted| *wanted == index) {
            let folder = tempfile::tempdir_in(measure::kept_folder()?)?;
            let rows = rows(&words, vectors, index, params, turns, folder.path())?;
            println!(
                "### {index}, {vectors} vectors\n\n{}",
                measure::table(&HEAD, &rows)
            );
        }
    }
    Ok(())
}

/// Settings that find most, but not all: there a loss would show.
fn kinds() -> [(&'static str, SearchParams); 2] {
    let graph = SearchParams {
        ef_search: Some(64),
        ..SearchParams::default()
    };
    let lists = SearchParams {
        nprobe: Some(64),
        ..SearchParams::default()
    };
    [("HNSW32", graph), ("IVF1024,Flat", lists)]
}

fn rows(
    words: &Words,
    vectors: usize,
    index: &str,
    params: SearchParams,
    turns: usize,
    folder: &Path,
) -> Result<Vec<Vec<String>>, Failure> {
    let mut live = Live::new(words, vectors);
    let untouched = filled(&live, index, &folder.join("untouched"))?;
    let path = folder.join("churned");
    let churned = filled(&live, index, &path)?;
    let bench = Bench {
        words,
        params,
        turns,
        untouched,
    };
    let mut rows = Vec::new();
    let before = bench.stage("before", &churned, &live, None, &mut rows)?;
    live.churn(&churned)?;
    bench.stage("after the writes", &churned, &live, Some(before), &mut rows)?;
    churned.compact()?;
    bench.stage("compacted", &churned, &live, Some(before), &mut rows)?;
    drop(churned);
    let database = Database::open(&path)?;
    let reopened = database.collection("words")?;
    bench.stage("reopened", &reopened, &live, Some(before), &mut rows)?;
    let anew = filled(&live, index, &folder.join("anew"))?;
    bench.stage("a new collection", &anew, &live, Some(before), &mut rows)?;
    Ok(rows)
}

/// A collection of what is alive, sealed.
fn filled(live: &Live, index: &str, path: &Path) -> Result<Collection, Failure> {
    let config = CollectionConfig::given(live.dimension())
        .metric(Metric::Cosine)
        .index(index.parse::<vinedb::IndexSpec>()?);
    let collection = Database::open(path)?.create_collection("words", config)?;
    let documents: Vec<Document> = live.documents().collect();
    for batch in documents.chunks(BATCH) {
        collection.upsert(batch.to_vec())?;
    }
    collection.compact()?;
    Ok(collection)
}

fn document(key: i64, vector: &[f32]) -> Document {
    Document::from_vector(key, vector.to_vec())
}

/// What stays the same at every stage.
struct Bench<'a> {
    words: &'a Words,
    params: SearchParams,
    turns: usize,
    untouched: Collection,
}

impl Bench<'_> {
    /// Adds a row of the table, and returns the recall.
    fn stage(
        &self,
        name: &str,
        collection: &Collection,
        live: &Live,
        before: Option<f64>,
        rows: &mut Vec<Vec<String>>,
    ) -> Result<f64, Failure> {
        let stats = collection.stats()?;
        let queries: Vec<Query> = self
            .words
            .queries
            .chunks_exact(self.words.dimension)
            .map(|row| self.query(row))
            .collect();
        let Churned {
            recall,
            lost,
            ghosts,
        } = live.examine(collection, &queries, self.words, |row| self.query(row))?;
        let (clock, processor) = self.times(collection, &queries)?;
        rows.push(vec![
            name.to_owned(),
            live.len().to_string(),
            format!(
                "{}, {}, {}",
                stats
                    .local
                    .as_ref()
                    .expect("the index is in this process")
                    .sealed,
                stats
                    .local
                    .as_ref()
                    .expect("the index is in this process")
                    .fresh,
                stats
                    .local
                    .as_ref()
                    .expect("the index is in this process")
                    .deleted
            ),
            format!("{recall:.4}"),
            before.map_or_else(String::new, |before| format!("{:+.4}", recall - before)),
            lost.to_string(),
            ghosts.to_string(),
            clock,
            processor,
        ]);
        Ok(recall)
    }

    fn query(&self, vector: &[f32]) -> Query {
        Query::vector(vector.to_vec()).top_k(K).params(self.params)
    }

    /// How long the collection's searches take, as a share of the untouched one's, by the clock and by the processor.
    fn times(
        &self,
        collection: &Collection,
        queries: &[Query],
    ) -> Result<(String, String), Failure> {
        let (mut ratios, mut spent) = (Vec::new(), [0.0; 2]);
        for turn in 0..=self.turns {
            let ours = cost(|| pass(collection, queries))?;
            let theirs = cost(|| pass(&self.untouched, queries))?;
            if turn > 0 {
                ratios.push(ours.clock / theirs.clock);
                spent = [spent[0] + ours.processor, spent[1] + theirs.processor];
            }
        }
        Ok((spread(ratios), format!("{:.3}", spent[0] / spent[1])))
    }
}

fn pass(collection: &Collection, queries: &[Query]) -> Result<(), Failure> {
    for query in queries {
        collection.search(query)?;
    }
    Ok(())
}

/// The key as it was given.
fn number(key: &Key) -> i64 {
    match key {
        Key::Integer(number) => *number,
        Key::Text(_) => -1,
    }
}
