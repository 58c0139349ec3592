//! Random writes, compactions, reopenings and lost index files against a map and brute force, for every kind of index.
//!
//! What must hold after each step: count, get and scroll are the map's; every match is alive, once, at its true distance; k
//! come back whenever k match; an exact search is brute force; a document is the one nearest to its own vector.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use vinedb::{Collection, Database, Document, Filter, Key, Match, Metric, Query, SearchParams};

use crate::{
    history::{self, Sizes, Step, close, least},
    sample::{check_distances, closest, config, distance, vector, writer},
};

const NAME: &str = "c";
const GROUPS: u64 = 4;
/// Keys there are: enough that half of them suffice to train on.
const KEYS: u16 = 600;

const SIZES: Sizes = Sizes {
    keys: KEYS,
    groups: GROUPS,
    upserted: 1..30,
    deleted: 1..40,
};

#[derive(Clone)]
struct Row {
    seed: u64,
    group: u64,
    vector: Vec<f32>,
}

impl Row {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            group: seed % GROUPS,
            vector: vector(seed),
        }
    }

    fn document(&self, key: u16) -> Document {
        let metadata = serde_json::json!({"group": self.group, "seed": self.seed});
        Document::from_vector(name(key), self.vector.clone())
            .metadata(metadata)
            .text(format!("text {}", self.seed))
    }
}

/// Every third key is an integer.
fn name(key: u16) -> Key {
    if key.is_multiple_of(3) {
        Key::from(i64::from(key))
    } else {
        Key::from(format!("k{key}"))
    }
}

struct Pair<'a> {
    dir: &'a Path,
    db: Option<Database>,
    metric: Metric,
    /// As little as the kind of index can be asked for.
    effort: SearchParams,
    rows: BTreeMap<u16, Row>,
}

impl Pair<'_> {
    fn collection(&self) -> Collection {
        self.db.as_ref().unwrap().collection(NAME).unwrap()
    }

    fn take(&mut self, step: Step) {
        let collection = self.collection();
        match step {
            Step::Upsert(seeds) => {
                self.upsert(
                    &collection,
                    seeds
                        .into_iter()
                        .map(|(key, seed)| (key, Row::new(seed)))
                        .collect(),
                );
            }
            Step::Regroup(key, group) => {
                let row = self.rows.get(&key).map(|row| Row {
                    group,
                    ..row.clone()
                });
                self.upsert(&collection, row.map(|row| (key, row)).into_iter().collect());
            }
            Step::Delete(keys) => {
                let there: HashSet<u16> = keys
                    .iter()
                    .copied()
                    .filter(|key| self.rows.contains_key(key))
                    .collect();
                let keys: Vec<Key> = keys.into_iter().map(name).collect();
                assert_eq!(collection.delete(&keys).unwrap(), there.len());
                self.rows.retain(|key, _| !there.contains(key));
            }
            Step::DeleteGroup(group) => {
                let deleted = collection
                    .delete_matching(&Filter::eq("group", group))
                    .unwrap();
                let before = self.rows.len();
                self.rows.retain(|_, row| row.group != group);
                assert_eq!(deleted, before - self.rows.len());
            }
            Step::Compact => {
                collection.compact().unwrap();
                let stats = collection.stats().unwrap();
                assert_eq!(
                    (
                        stats
                            .local
                            .as_ref()
                            .expect("the index is in this process")
                            .fresh,
                        stats.documents
                    ),
                    (0, self.rows.len() as u64)
                );
                let kind = collection
                    .config()
                    .index
                    .kind_for(self.rows.len(), collection.dimension());
                assert_eq!(
                    stats
                        .local
                        .as_ref()
                        .expect("the index is in this process")
                        .index,
                    Some(kind.to_string())
                );
            }
            Step::Reopen => self.reopen(collection, false),
            Step::LoseIndex => self.reopen(collection, true),
        }
    }

    fn upsert(&mut self, collection: &Collection, rows: BTreeMap<u16, Row>) {
        let documents = rows.iter().map(|(key, row)| row.document(*key)).collect();
        let done = collection.upsert(documents).unwrap();
        let there = rows
            .keys()
            .filter(|key| self.rows.contains_key(key))
            .count();
        assert_eq!(done.added, rows.len() - there);
        assert_eq!(done.updated + done.unchanged, there);
        self.rows.extend(rows);
    }

    fn reopen(&mut self, collection: Collection, lose: bool) {
        close(self.dir, NAME, collection, self.db.take(), lose);
        self.db = Some(writer(self.dir));
    }

    fn check(&self, seed: u64) {
        let collection = self.collection();
        self.check_documents(&collection);
        let some = self
            .rows
            .keys()
            .nth(usize::try_from(seed).unwrap() % self.rows.len().max(1));
        for k in [1, 5, self.rows.len() + 3] {
            let query = Query::vector(vector(seed)).top_k(k);
            self.check_search(&collection, &query, |_, _| true);
            let group = seed % GROUPS;
            let filtered = query.filter(Filter::eq("group", group));
            self.check_search(&collection, &filtered, |_, row| row.group == group);
            if let Some(&key) = some {
                let like = Query {
                    vector: None,
                    like: Some(name(key)),
                    ..Query::default().top_k(k)
                };
                self.check_search(&collection, &like, |other, _| other != key);
            }
        }
        if let Some(key) = some {
            let itself = Query::vector(self.rows[key].vector.clone()).top_k(1);
            let found = collection.search(&itself).unwrap().matches;
            assert_eq!(found[0].key, name(*key));
        }
    }

    fn check_documents(&self, collection: &Collection) {
        assert_eq!(collection.count(None).unwrap(), self.rows.len() as u64);
        let all: Vec<Key> = (0..KEYS).map(name).collect();
        let expected: Vec<Document> = self
            .rows
            .iter()
            .map(|(key, row)| row.document(*key))
            .collect();
        assert_eq!(collection.get_with_vectors(&all).unwrap(), expected);
        let mut scrolled: Vec<String> = Vec::new();
        let mut cursor = None;
        loop {
            let page = collection.scroll(cursor.as_ref(), 50, None).unwrap();
            scrolled.extend(
                page.documents
                    .iter()
                    .map(|document| document.key.to_string()),
            );
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let mut expected: Vec<String> =
            self.rows.keys().map(|key| name(*key).to_string()).collect();
        scrolled.sort();
        expected.sort();
        assert_eq!(scrolled, expected);
    }

    /// The query as it stands, exactly, and with so little effort that graphs and lists err.
    fn check_search(
        &self,
        collection: &Collection,
        query: &Query,
        passes: impl Fn(u16, &Row) -> bool,
    ) {
        let origin = match &query.like {
            Some(like) => self
                .rows
                .iter()
                .find(|(key, _)| name(**key) == *like)
                .unwrap()
                .1
                .vector
                .clone(),
            None => query.vector.clone().unwrap(),
        };
        let passing: BTreeMap<String, &Row> = self
            .rows
            .iter()
            .filter(|(key, row)| passes(**key, row))
            .map(|(key, row)| (name(*key).to_string(), row))
            .collect();
        let vectors = passing.values().map(|row| row.vector.as_slice());
        let expected = closest(self.metric, &origin, query.limit(), vectors);
        let exact = SearchParams {
            exact: true,
            ..SearchParams::default()
        };
        let matches = collection
            .search(&query.clone().params(exact))
            .unwrap()
            .matches;
        self.check_matches(&origin, &matches, &passing);
        check_distances(&matches, &expected);
        let lazy = query.clone().params(self.effort);
        let batch = collection
            .search_batch(&[query.clone(), lazy.clone(), lazy])
            .unwrap();
        assert_eq!(batch[1].matches, batch[2].matches);
        for answer in [&batch[0], &batch[1], &collection.search(query).unwrap()] {
            assert_eq!(
                answer.matches.len(),
                expected.len(),
                "{query:?}: {:?}",
                answer.plan
            );
            self.check_matches(&origin, &answer.matches, &passing);
        }
    }

    fn check_matches(&self, origin: &[f32], matches: &[Match], passing: &BTreeMap<String, &Row>) {
        let mut seen = HashSet::new();
        for found in matches {
            let row = passing
                .get(&found.key.to_string())
                .unwrap_or_else(|| panic!("{} must not be found", found.key));
            assert!(seen.insert(found.key.to_string()), "{} twice", found.key);
            assert_eq!(found.document.metadata["seed"], row.seed);
            let truth = distance(self.metric, origin, &row.vector);
            assert!(
                (truth - f64::from(found.distance)).abs() < 1e-4,
                "{truth} is not {}",
                found.distance
            );
        }
        assert!(matches.is_sorted_by(|a, b| a.score >= b.score));
    }
}

/// Runs random histories; each begins with `fill` documents, which are sealed.
fn run(index: &str, metric: Metric, fill: u16) {
    history::run(fill.to_le_bytes()[0], &SIZES, fill, |steps| {
        let dir = tempfile::tempdir().unwrap();
        let db = writer(dir.path());
        db.create_collection(NAME, config(index, metric)).unwrap();
        let mut pair = Pair {
            dir: dir.path(),
            db: Some(db),
            metric,
            effort: least(index),
            rows: BTreeMap::new(),
        };
        for (step, number) in steps {
            pair.take(step);
            number.into_iter().for_each(|number| pair.check(number));
        }
    });
}

#[test]
fn flat_cosine() {
    run("Flat", Metric::Cosine, 3);
}

#[test]
fn flat_l2() {
    run("Flat", Metric::L2, 20);
}

#[test]
fn hnsw_rs_cosine() {
    run("hnsw_rs(m=8,ef_construction=40)", Metric::Cosine, 200);
}

#[test]
fn hnsw_rs_l2() {
    run("hnsw_rs(m=8,ef_construction=40)", Metric::L2, 201);
}

#[cfg(feature = "faiss")]
#[test]
fn hnsw_cosine() {
    run("HNSW8", Metric::Cosine, 200);
}

#[cfg(feature = "faiss")]
#[test]
fn hnsw_l2() {
    run("HNSW8", Metric::L2, 201);
}

#[cfg(feature = "faiss")]
#[test]
fn hnsw_sq8_cosine() {
    run("HNSW16,SQ8", Metric::Cosine, 350);
}

#[cfg(feature = "faiss")]
#[test]
fn hnsw_sq8_l2() {
    run("HNSW16,SQ8", Metric::L2, 351);
}

/// Trained on 256 vectors or more; with fewer it is flat.
#[cfg(feature = "faiss")]
#[test]
fn ivf_cosine() {
    run("IVF4,Flat", Metric::Cosine, 380);
}

#[cfg(feature = "faiss")]
#[test]
fn ivf_l2() {
    run("IVF4,Flat", Metric::L2, 381);
}

/// Three bits for each two components, so that codes tell little and whole vectors must.
#[cfg(feature = "faiss")]
#[test]
fn ivf_pq_l2() {
    run("IVF2,PQ4x3", Metric::L2, 390);
}

#[cfg(feature = "faiss")]
#[test]
fn pq_cosine() {
    run("PQ4x3", Metric::Cosine, 391);
}
