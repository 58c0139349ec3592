//! Searches within a radius, and by the key of a document, on every kind of index: sealed and fresh, filtered, with documents
//! deleted and replaced, alone and in batches, compared with brute force.

use vinedb::{Collection, Database, Filter, IndexSpec, Key, Metric, Query, SearchParams};
use vinedb_tests::{cosine, squared_l2};

use crate::sample::{config, document, documents, seed_of, vector};

/// Kinds that keep whole vectors, so that they can tell what "all" is.
const LOSSLESS: &[&str] = if cfg!(feature = "faiss") {
    &["Flat", "HNSW16", "IVF8,Flat", "hnsw_rs"]
} else {
    &["Flat", "hnsw_rs"]
};
/// Sealed documents; then some more are written, replaced and deleted.
const SEALED: u64 = 1_500;
const FRESH: u64 = 60;

/// A collection in every state at once: most of it sealed, some fresh, every seventh replaced, every fifth deleted.
struct Mixed {
    collection: Collection,
    live: Vec<(u64, Vec<f32>)>,
    metric: Metric,
    _folder: tempfile::TempDir,
}

impl Mixed {
    fn new(index: &str, metric: Metric) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Database::open(folder.path().join("db")).unwrap();
        let collection = db.create_collection("c", config(index, metric)).unwrap();
        collection.upsert(documents(0..SEALED, 0)).unwrap();
        collection.compact().unwrap();
        let sealed = collection
            .stats()
            .unwrap()
            .local
            .expect("the index is in this process")
            .index;
        let wanted = IndexSpec::parse(index).unwrap().to_string();
        assert_eq!(sealed.as_deref(), Some(wanted.as_str()));
        collection
            .upsert(documents(SEALED..SEALED + FRESH, 0))
            .unwrap();
        let total = SEALED + FRESH;
        let replaced = (0..total).step_by(7).map(|key| document(key, 1));
        collection.upsert(replaced.collect()).unwrap();
        let gone: Vec<Key> = (0..total)
            .step_by(5)
            .map(|key| Key::from(format!("d{key}")))
            .collect();
        collection.delete(&gone).unwrap();
        let live = (0..total).filter(|key| key % 5 != 0);
        let live = live.map(|key| (key, vector(seed_of(key, u64::from(key % 7 == 0)))));
        Self {
            collection,
            live: live.collect(),
            metric,
            _folder: folder,
        }
    }

    /// The distance of every live document that passes, closest first, with its key.
    fn by_distance(&self, query: &[f32], passes: impl Fn(u64) -> bool) -> Vec<(f64, String)> {
        let mut all: Vec<(f64, String)> = self
            .live
            .iter()
            .filter(|(key, _)| passes(*key))
            .map(|(key, vector)| (self.distance(query, vector), format!("d{key}")))
            .collect();
        let sign = if self.metric.is_similarity() {
            -1.0
        } else {
            1.0
        };
        all.sort_by(|one, two| (sign * one.0).total_cmp(&(sign * two.0)));
        all
    }

    fn distance(&self, one: &[f32], two: &[f32]) -> f64 {
        match self.metric {
            Metric::L2 => squared_l2(one, two),
            Metric::Cosine => cosine(one, two),
            _ => one.iter().zip(two).map(|(x, y)| f64::from(x * y)).sum(),
        }
    }

    fn keys(&self, query: &Query) -> Vec<String> {
        let found = self.collection.search(query).unwrap().matches;
        found.iter().map(|found| found.key.to_string()).collect()
    }
}

/// A radius halfway between the n-th and the next, so that rounding decides nothing.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the radius of a query is a single"
)]
fn between(sorted: &[(f64, String)], n: usize) -> f32 {
    ((sorted[n - 1].0 + sorted[n].0) / 2.0) as f32
}

fn names(sorted: &[(f64, String)]) -> Vec<String> {
    sorted.iter().map(|(_, key)| key.clone()).collect()
}

#[test]
fn all_within_a_radius_are_found_and_none_beyond() {
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        for index in LOSSLESS {
            let mixed = Mixed::new(index, metric);
            for (seed, n) in [(9_000_001, 1), (9_000_002, 17), (9_000_003, 700)] {
                let query = vector(seed);
                let expected = mixed.by_distance(&query, |_| true);
                let asked = Query::vector(query).radius(between(&expected, n));
                assert_eq!(
                    mixed.keys(&asked),
                    names(&expected[..n]),
                    "{index} {metric} {n}"
                );
                let few = asked.clone().top_k(5);
                assert_eq!(
                    mixed.keys(&few),
                    names(&expected[..n.min(5)]),
                    "{index} {metric}"
                );
            }
        }
    }
}

#[test]
fn a_filter_and_a_radius_hold_together() {
    for index in LOSSLESS {
        let mixed = Mixed::new(index, Metric::L2);
        let query = vector(9_000_004);
        let expected = mixed.by_distance(&query, |key| key % 5 == 3);
        let filter = Filter::eq("group", 3);
        let asked = Query::vector(query)
            .radius(between(&expected, 40))
            .filter(filter);
        assert_eq!(mixed.keys(&asked), names(&expected[..40]), "{index}");
    }
}

#[test]
fn nothing_may_be_within_and_everything_may() {
    let mixed = Mixed::new("hnsw_rs", Metric::L2);
    let query = vector(9_000_005);
    let expected = mixed.by_distance(&query, |_| true);
    let nothing = Query::vector(query.clone()).radius(-1.0);
    assert_eq!(mixed.keys(&nothing), Vec::<String>::new());
    let everything = Query::vector(query).radius(f32::MAX);
    assert_eq!(mixed.keys(&everything).len(), expected.len());
    assert!(expected.len() < Query::MAX_TOP_K);
}

#[cfg(feature = "faiss")]
#[test]
fn parameters_may_ask_for_less_than_all() {
    let mixed = Mixed::new("IVF8,Flat", Metric::L2);
    let query = vector(9_000_006);
    let expected = mixed.by_distance(&query, |_| true);
    let radius = between(&expected, 30);
    let params = SearchParams {
        nprobe: Some(8),
        ..SearchParams::default()
    };
    let asked = Query::vector(query).radius(radius).params(params);
    assert_eq!(
        mixed.keys(&asked),
        names(&expected[..30]),
        "all lists are read"
    );
}

#[test]
fn like_finds_the_neighbours_of_a_document_alone_and_in_batches() {
    for index in LOSSLESS {
        let mixed = Mixed::new(index, Metric::L2);
        let keys = [1_u64, 7, 8, SEALED + 1];
        let exact = SearchParams {
            exact: true,
            ..SearchParams::default()
        };
        let queries: Vec<Query> = keys
            .iter()
            .map(|key| Query::like(format!("d{key}")).top_k(6).params(exact))
            .collect();
        let batch = mixed.collection.search_batch(&queries).unwrap();
        for ((key, query), answer) in keys.iter().zip(&queries).zip(batch) {
            let own = vector(seed_of(*key, u64::from(key % 7 == 0)));
            let expected = names(&mixed.by_distance(&own, |other| other != *key)[..6]);
            assert_eq!(mixed.keys(query), expected, "{index} {key}");
            let found: Vec<String> = answer
                .matches
                .iter()
                .map(|found| found.key.to_string())
                .collect();
            assert_eq!(found, expected, "{index} {key}, in a batch");
        }
        let radius = between(
            &mixed.by_distance(&vector(seed_of(1, 0)), |key| key != 1),
            9,
        );
        let near = mixed.keys(&Query::like("d1").radius(radius));
        assert_eq!(
            near.len(),
            9,
            "{index}: not itself, which is within any radius"
        );
    }
}
