//! How long the storage's common operations take, printed as one line each.
//!
//! Invariant: the data is generated from a fixed seed: documents of 14 fields, with 384-d vectors. `cargo bench -p vinedb-storage`;
//! the number of documents comes first on the command line, 100,000 without. It judges nothing.

use std::error::Error;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;
use vinedb_storage::{Filter, Key, Metadata, NewDocument, Store};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const DIMENSION: usize = 384;
const BATCH: usize = 1_000;

/// A small generator with a fixed seed (a 64-bit linear congruence, Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn word(&mut self) -> &'static str {
        const WORDS: [&str; 16] = [
            "cherry", "oak", "tannin", "smoke", "citrus", "leather", "plum", "spice", "violet",
            "mineral", "cedar", "honey", "pepper", "apple", "tobacco", "vanilla",
        ];
        WORDS[usize::try_from(self.below(16)).unwrap_or(0)]
    }

    fn words(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| self.word())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn metadata(at: usize, random: &mut Random) -> Metadata {
    let countries = [
        "Italy", "France", "Spain", "Portugal", "Chile", "Austria", "Germany", "Greece",
    ];
    let value = json!({
        "name": format!("{} {} {at}", random.word(), random.word()),
        "country": countries[at % 8],
        "province": random.words(2),
        "region": random.words(2),
        "winery": random.words(3),
        "varietal": random.word(),
        "designation": random.words(2),
        "taster": format!("{} {}", random.word(), random.word()),
        "notes": random.words(40),
        "points": 80 + random.below(20),
        "price": 5 + random.below(1_000),
        "alcohol": 10.5 + random.below(50) as f64 / 10.0,
        "location": {"lat": random.below(90), "lon": random.below(180)},
        "url": format!("https://example.org/wines/{at}"),
    });
    value.as_object().cloned().unwrap_or_default()
}

struct Batch {
    keys: Vec<Key>,
    metadata: Vec<Metadata>,
    text: String,
    vectors: Vec<f32>,
}

impl Batch {
    fn new(from: usize, random: &mut Random) -> Self {
        Self {
            keys: (from..from + BATCH)
                .map(|at| Key::from(format!("wine-{at}")))
                .collect(),
            metadata: (from..from + BATCH)
                .map(|at| metadata(at, random))
                .collect(),
            text: random.words(60),
            vectors: (0..BATCH * DIMENSION)
                .map(|_| random.below(1_000) as f32 / 1_000.0)
                .collect(),
        }
    }

    fn documents(&self) -> Vec<NewDocument<'_>> {
        (0..BATCH)
            .map(|at| NewDocument {
                key: &self.keys[at],
                text: Some(&self.text),
                metadata: &self.metadata[at],
                passages: &[],
                vector: &self.vectors[at * DIMENSION..][..DIMENSION],
            })
            .collect()
    }
}

#[expect(clippy::print_stdout, reason = "a bench reports on standard output")]
fn report(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    println!(
        "{what:<58} median {:>10.1?}   best {:>10.1?}",
        times[times.len() / 2],
        times[0]
    );
}

fn measure<T, E: Into<Box<dyn Error>>>(
    what: &str,
    rounds: usize,
    mut work: impl FnMut(usize) -> Result<T, E>,
) -> Outcome {
    let mut times = Vec::new();
    for round in 0..rounds {
        let begin = Instant::now();
        black_box(work(round).map_err(Into::into)?);
        times.push(begin.elapsed());
    }
    report(what, &mut times);
    Ok(())
}

fn fill(store: &Store, documents: usize) -> Outcome {
    let mut random = Random(1);
    let mut times = Vec::new();
    for from in (0..documents).step_by(BATCH) {
        let batch = Batch::new(from, &mut random);
        let documents = batch.documents();
        let begin = Instant::now();
        store.upsert(&documents)?;
        times.push(begin.elapsed());
    }
    report("upsert of 1,000 new documents, 384-d", &mut times);
    let again = Batch::new(documents / 2, &mut random);
    measure("upsert of 1,000 documents over old ones", 5, |_| {
        store.upsert(&again.documents())
    })?;
    let one = again.documents();
    measure("upsert of one document", 50, |round| {
        store.upsert(&one[round..=round])
    })
}

fn read(store: &Store, documents: usize) -> Outcome {
    let top = i64::try_from(documents)? / 4;
    let ids = |round: usize| -> Vec<i64> {
        (0..10)
            .map(|n| (round as i64 * 7_919 + n * 1_237) % top + 1)
            .collect()
    };
    measure("begin and end a reader", 2_000, |_| store.read())?;
    let reader = store.read()?;
    let hot = ids(1);
    measure("records of the same 10 ids", 2_000, |_| {
        reader.records(&hot, false)
    })?;
    measure("records of 10 ids all over", 2_000, |round| {
        reader.records(&ids(round), false)
    })?;
    measure("records of 10 ids all over, with vectors", 2_000, |round| {
        reader.records(&ids(round), true)
    })?;
    measure("reader and records of 10 ids", 2_000, |round| {
        store.read()?.records(&ids(round), false)
    })?;
    measure("vectors of 1,000 ids", 50, |_| {
        reader.vectors(&(1..1_001).collect::<Vec<_>>())
    })?;
    measure("every vector", 3, |_| {
        let mut sum = 0.0;
        reader.for_each_vector(0, &mut |_, vector| {
            sum += vector[0];
            ControlFlow::Continue(())
        })?;
        Ok::<_, vinedb_storage::Error>(sum)
    })
}

fn filter(store: &Store) -> Outcome {
    let reader = store.read()?;
    let filters = [
        Filter::eq("country", "Italy"),
        Filter::lt("price", 10),
        Filter::lt("location.lat", 3).and(Filter::eq("country", "Spain")),
        Filter::contains("notes", "oak plum oak plum"),
        Filter::eq("absent", 1),
        Filter::is_in(
            "url",
            (0..5_000).map(|n| format!("https://example.org/wines/{n}")),
        ),
    ];
    for filter in &filters {
        let name: String = filter.to_string().chars().take(46).collect();
        let found = reader.matching(filter)?.len();
        measure(&format!("{found:>6} {name}"), 5, |_| {
            reader.matching(filter)
        })?;
    }
    Ok(())
}

/// The same questions put to SQLite's own JSON functions, on text and on JSONB.
fn compare(store: &Store) -> Outcome {
    let connection = Connection::open_in_memory()?;
    connection.execute("ATTACH ?1 AS store", [store.path().to_str()])?;
    connection.execute_batch(
        "CREATE TABLE plain AS SELECT id, json(metadata) AS metadata, text FROM store.documents;
         CREATE TABLE binary AS SELECT id, metadata, text FROM store.documents",
    )?;
    for table in ["plain", "binary"] {
        for (path, test) in [
            ("$.country", "= 'Italy'"),
            ("$.price", "< 10"),
            ("$.absent", "= 1"),
            ("$.url", "= 1"),
        ] {
            let sql = format!("SELECT id FROM {table} WHERE json_extract(metadata, ?1) {test}");
            let mut statement = connection.prepare(&sql)?;
            measure(
                &format!("       SQLite's JSON functions, {table}: {path} {test}"),
                5,
                |_| {
                    let ids = statement.query_map([path], |row| row.get(0))?;
                    ids.collect::<rusqlite::Result<Vec<i64>>>()
                },
            )?;
        }
    }
    Ok(())
}

fn main() -> Outcome {
    let documents = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(100_000);
    let folder = tempfile::tempdir()?;
    let store = Store::create(folder.path().join("documents.sqlite"), "{}", DIMENSION)?;
    fill(&store, documents)?;
    read(&store, documents)?;
    filter(&store)?;
    compare(&store)?;
    measure("copy_to", 1, |_| {
        store.copy_to(folder.path().join("copy.sqlite"))
    })?;
    measure("check", 1, |_| store.check())?;
    measure("size_bytes", 1, |_| store.size_bytes())
}
