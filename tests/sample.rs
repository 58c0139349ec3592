//! Seeded data and brute force for the tests of durability: documents of given vectors, answers to compare with, a deadline
//! for what happens in the background, warnings counted. Nothing here is random from run to run.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tracing::{Event, Level, Metadata, Subscriber, span};
use vinedb::{
    Answer, Collection, CollectionConfig, Database, Document, IndexSpec, Match, Metric, Options,
    Query,
};
use vinedb_tests::{cosine, squared_l2};

/// Components of the vectors.
pub(crate) const DIMENSION: usize = 8;

/// SplitMix64 (Steele, Lea, Flood 2014): numbers that are the same in every run.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn place(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }
}

/// The vector of a seed: components from -1 to 1. No two seeds of a test have the same.
pub(crate) fn vector(seed: u64) -> Vec<f32> {
    let mut rng = Rng(seed);
    (0..DIMENSION)
        .map(|_| {
            f32::from(i16::try_from(rng.below(65_536).cast_signed() - 32_768).unwrap()) / 32_768.0
        })
        .collect()
}

/// Document `key` in its version `version`, which its text, its metadata and its vector all tell.
pub(crate) fn document(key: u64, version: u64) -> Document {
    Document::from_vector(format!("d{key}"), vector(seed_of(key, version)))
        .metadata(serde_json::json!({"key": key, "version": version, "group": key % 5}))
        .text(format!("document {key}, version {version}"))
}

pub(crate) fn seed_of(key: u64, version: u64) -> u64 {
    key << 32 | version
}

pub(crate) fn documents(keys: std::ops::Range<u64>, version: u64) -> Vec<Document> {
    keys.map(|key| document(key, version)).collect()
}

pub(crate) fn config(index: &str, metric: Metric) -> CollectionConfig {
    CollectionConfig::given(DIMENSION)
        .metric(metric)
        .index(IndexSpec::parse(index).unwrap())
}

pub(crate) fn reader(dir: &Path) -> Database {
    Options::default()
        .home(vinedb_tests::home())
        .read_only(true)
        .open(dir)
        .unwrap()
}

/// Opens for writing. Another test may be starting a process at this moment, which holds the open files of this one, and the
/// lock with them, until it has become another program.
pub(crate) fn writer(dir: &Path) -> Database {
    let mut opened = None;
    eventually("the lock is free", || {
        opened = Database::open(dir).ok();
        opened.is_some()
    });
    opened.unwrap()
}

/// Looks again and again, until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(
            Instant::now() < deadline,
            "two minutes passed and not: {what}"
        );
        // Leaves the processor to what is waited for.
        std::thread::park_timeout(Duration::from_micros(500));
    }
}

/// Comes back at that moment, to the microsecond.
pub(crate) fn at(moment: Instant) {
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
}

/// The metric's own distance, in f64.
pub(crate) fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    match metric {
        Metric::L2 => squared_l2(a, b),
        Metric::Cosine => cosine(a, b),
        Metric::InnerProduct => a
            .iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum(),
        other => componentwise(other, a, b),
    }
}

fn componentwise(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    let divided = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
    let term = |x: f64, mean: f64| if x == 0.0 { 0.0 } else { x * (x / mean).ln() };
    match metric {
        Metric::L1 => pairs().map(|(x, y)| (x - y).abs()).sum(),
        Metric::Linf => pairs().map(|(x, y)| (x - y).abs()).fold(0.0, f64::max),
        Metric::Lp(p) => pairs()
            .map(|(x, y)| (x - y).abs().powf(p.get().into()))
            .sum(),
        Metric::Canberra => pairs()
            .map(|(x, y)| divided((x - y).abs(), x.abs() + y.abs()))
            .sum(),
        Metric::BrayCurtis => divided(
            pairs().map(|(x, y)| (x - y).abs()).sum(),
            pairs().map(|(x, y)| (x + y).abs()).sum(),
        ),
        Metric::JensenShannon => pairs()
            .map(|(x, y)| 0.5 * (term(x, (x + y) / 2.0) + term(y, (x + y) / 2.0)))
            .sum(),
        Metric::L2 | Metric::Cosine | Metric::InnerProduct => {
            unreachable!("told apart by the caller")
        }
    }
}

/// The distances of the `k` closest, closest first.
pub(crate) fn closest<'a>(
    metric: Metric,
    query: &[f32],
    k: usize,
    vectors: impl Iterator<Item = &'a [f32]>,
) -> Vec<f64> {
    let mut distances: Vec<f64> = vectors
        .map(|vector| distance(metric, query, vector))
        .collect();
    distances.sort_by(f64::total_cmp);
    if metric.is_similarity() {
        distances.reverse();
    }
    distances.truncate(k);
    distances
}

/// Keys and distances of an answer.
pub(crate) fn found(answer: &Answer) -> Vec<(String, f32)> {
    let pair = |found: &vinedb::Match| (found.key.to_string(), found.distance);
    answer.matches.iter().map(pair).collect()
}

/// What a collection answers to questions of all kinds, to compare with what it answers later.
pub(crate) fn answers(collection: &Collection) -> Vec<Vec<(String, f32)>> {
    let filter = || vinedb::Filter::eq("group", 3);
    (0..8)
        .flat_map(|seed| {
            let query = Query::vector(vector(1_000_000 + seed)).top_k(12);
            [query.clone().filter(filter()), query]
        })
        .map(|query| found(&collection.search(&query).unwrap()))
        .collect()
}

/// Compares a collection's answers with brute force over documents `0..count`, each in its latest version.
pub(crate) fn agrees(collection: &Collection, count: u64, version: impl Fn(u64) -> Option<u64>) {
    let alive: Vec<Vec<f32>> = (0..count)
        .filter_map(|key| Some(vector(seed_of(key, version(key)?))))
        .collect();
    assert_eq!(collection.count(None).unwrap(), alive.len() as u64);
    for seed in 0..3 {
        let query = vector(2_000_000 + seed);
        let expected = closest(Metric::L2, &query, 10, alive.iter().map(Vec::as_slice));
        let answer = collection.search(&Query::vector(query).top_k(10)).unwrap();
        check_distances(&answer.matches, &expected);
    }
}

/// The matches are as far away as those that brute force found, one by one.
pub(crate) fn check_distances(matches: &[Match], expected: &[f64]) {
    let distances: Vec<f64> = matches
        .iter()
        .map(|found| f64::from(found.distance))
        .collect();
    let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-4;
    assert!(
        distances.len() == expected.len() && distances.iter().zip(expected).all(near),
        "{distances:?} is not {expected:?}"
    );
}

/// The keys of an answer, none of them twice.
pub(crate) fn keys(answer: &Answer) -> HashSet<String> {
    let keys: HashSet<String> = found(answer).into_iter().map(|(key, _)| key).collect();
    assert_eq!(
        keys.len(),
        answer.matches.len(),
        "a key twice: {:?}",
        found(answer)
    );
    keys
}

/// A number in a match's metadata.
pub(crate) fn number(found: &vinedb::Match, field: &str) -> u64 {
    found.document.metadata[field].as_u64().unwrap()
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<String> = entries
        .map(name)
        .map(|name| name.into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The one index file of a collection's folder.
pub(crate) fn index_file(folder: &Path) -> PathBuf {
    let mut names = names(folder);
    names.retain(|name| name.starts_with("index-"));
    assert_eq!(names.len(), 1, "{names:?}");
    folder.join(names.remove(0))
}

/// Counts the warnings of this thread while `work` runs.
pub(crate) fn warnings<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let count = Arc::new(AtomicUsize::new(0));
    let done = tracing::subscriber::with_default(Warnings(Arc::clone(&count)), work);
    (done, count.load(Ordering::Relaxed))
}

struct Warnings(Arc<AtomicUsize>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
