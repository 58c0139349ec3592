//! Many threads on one collection: they replace, delete, compact and search at once.
//!
//! A search sees at least what was acknowledged before it began, finds k whenever k match, no key twice, and no document that is
//! put together from two versions.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};
use vinedb_tests::GRAPH;

use vinedb::{Collection, Filter, Key, Metric, Query};

use super::NAME;
use crate::sample::{Rng, agrees, config, document, documents, keys, number, vector, writer};

/// Documents `0..KEPT` are always there, in ever newer versions; the next `GOING` are deleted one by one.
const KEPT: u64 = 120;
const GOING: u64 = 100;
const ROUNDS: u64 = 60;

struct Bustle {
    collection: Collection,
    /// The version of each kept document that was acknowledged last.
    versions: Vec<AtomicU64>,
    /// Whether each document that goes is acknowledged to be gone.
    gone: Vec<AtomicBool>,
    writers: AtomicU64,
}

impl Bustle {
    fn new(collection: Collection) -> Self {
        collection.upsert(documents(0..KEPT + GOING, 0)).unwrap();
        Self {
            collection,
            versions: (0..KEPT).map(|_| AtomicU64::new(0)).collect(),
            gone: (0..GOING).map(|_| AtomicBool::new(false)).collect(),
            writers: AtomicU64::new(3),
        }
    }

    fn is_busy(&self) -> bool {
        self.writers.load(Ordering::Acquire) > 0
    }

    /// Replaces every second document, those that `half` picks, again and again.
    fn replace(&self, half: u64) {
        for version in 1..=ROUNDS {
            let batch: Vec<_> = (0..KEPT)
                .filter(|key| key % 2 == half)
                .map(|key| document(key, version))
                .collect();
            let done = self.collection.upsert(batch).unwrap();
            assert_eq!((done.added, done.updated), (0, 60));
            let mine = self
                .versions
                .iter()
                .skip(usize::try_from(half).unwrap())
                .step_by(2);
            mine.for_each(|acknowledged| acknowledged.store(version, Ordering::Release));
        }
        self.writers.fetch_sub(1, Ordering::Release);
    }

    fn delete(&self) {
        for (gone, key) in self.gone.iter().zip(KEPT..) {
            assert_eq!(self.collection.delete([format!("d{key}")]).unwrap(), 1);
            gone.store(true, Ordering::Release);
        }
        self.writers.fetch_sub(1, Ordering::Release);
    }

    fn compact(&self) {
        while self.is_busy() {
            self.collection.compact().unwrap();
        }
    }

    fn search(&self, seed: u64) {
        let mut rng = Rng(seed);
        let mut searches = 0;
        while self.is_busy() || searches < 5 {
            let versions: Vec<u64> = self
                .versions
                .iter()
                .map(|version| version.load(Ordering::Acquire))
                .collect();
            let gone: Vec<bool> = self
                .gone
                .iter()
                .map(|gone| gone.load(Ordering::Acquire))
                .collect();
            let near = vector(rng.next());
            let query = Query::vector(near).top_k(24);
            let group = rng.below(5);
            for query in [
                query.clone().filter(Filter::eq("group", group)),
                query,
                Query::like("d7").top_k(24),
            ] {
                let answer = self.collection.search(&query.with_vectors(true)).unwrap();
                assert_eq!(keys(&answer).len(), 24, "{:?}", answer.plan);
                answer
                    .matches
                    .iter()
                    .for_each(|found| check_match(found, &versions, &gone));
            }
            searches += 1;
        }
    }
}

/// What was acknowledged before the search began is seen by it; and a match is all of one version.
fn check_match(found: &vinedb::Match, versions: &[u64], gone: &[bool]) {
    let (key, version) = (number(found, "key"), number(found, "version"));
    assert_eq!(found.document, document(key, version));
    match versions.get(usize::try_from(key).unwrap()) {
        Some(&acknowledged) => assert!(
            version >= acknowledged,
            "{key}: {version} after {acknowledged}"
        ),
        None => assert!(
            !gone[usize::try_from(key - KEPT).unwrap()],
            "{key} was deleted"
        ),
    }
}

fn bustle(index: &str) {
    let dir = tempfile::tempdir().unwrap();
    let collection = writer(dir.path())
        .create_collection(NAME, config(index, Metric::L2))
        .unwrap();
    let bustle = Bustle::new(collection);
    thread::scope(|scope| {
        scope.spawn(|| bustle.replace(0));
        scope.spawn(|| bustle.replace(1));
        scope.spawn(|| bustle.delete());
        scope.spawn(|| bustle.compact());
        (0..2).for_each(|seed| {
            drop(scope.spawn({
                let bustle = &bustle;
                move || bustle.search(seed)
            }))
        });
    });
    agrees_after(&bustle.collection);
    drop(bustle.collection);
    agrees_after(&writer(dir.path()).collection(NAME).unwrap());
}

fn agrees_after(collection: &Collection) {
    agrees(collection, KEPT, |_| Some(ROUNDS));
}

#[test]
fn threads_write_search_and_compact_a_flat_index() {
    bustle("Flat");
}

#[test]
fn threads_write_search_and_compact_a_graph() {
    bustle(GRAPH);
}

/// A batch whose first document is there already and whose second is not, beside deletions of both.
#[test]
fn a_batch_is_there_wholly_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let collection = writer(dir.path())
        .create_collection(NAME, config("Flat", Metric::L2))
        .unwrap();
    let pair: [Key; 2] = ["d1".into(), "d2".into()];
    let busy = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            for version in 0..150 {
                collection
                    .upsert(vec![document(1, 0), document(2, version)])
                    .unwrap();
            }
            busy.store(false, Ordering::Release);
        });
        scope.spawn(|| {
            while busy.load(Ordering::Acquire) {
                collection.delete(&pair).unwrap();
            }
        });
        while busy.load(Ordering::Acquire) {
            let there = collection.get(&pair).unwrap();
            assert_ne!(there.len(), 1, "{there:?}");
        }
    });
}
