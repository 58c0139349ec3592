//! Random writes, compactions, reopenings and lost index files in a collection that cuts texts, against a map and brute force:
//! after each step every match is alive, once, at its best passage's distance, and k come back whenever k match.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
    path::Path,
    sync::Arc,
};

use vinedb::{
    Collection, CollectionConfig, Database, Document, Filter, IndexSpec, Key, Match, Options,
    Query, SearchParams,
    embed::{Border, Chunk, Embed, HashEmbedder, Purpose},
};
use vinedb_tests::{GRAPH, cosine};

use crate::{
    history::{self, Sizes, Step, close, least},
    sample::{Rng, eventually},
};

const NAME: &str = "c";
const DIMENSION: usize = 16;
const KEYS: u16 = 60;
const GROUPS: u64 = 3;
const PLAN: Chunk = Chunk {
    tokens: 8,
    overlap: 3,
    at: Border::Sentence,
};

fn model() -> HashEmbedder {
    HashEmbedder::new(DIMENSION)
}

/// Opens for writing with a model that compares words, once nobody else holds the lock.
pub(super) fn open(dir: &Path) -> Database {
    let mut opened = None;
    eventually("the lock is free", || {
        opened = Options::default()
            .embedder(Arc::new(model()))
            .open(dir)
            .ok();
        opened.is_some()
    });
    opened.unwrap()
}

const SIZES: Sizes = Sizes {
    keys: KEYS,
    groups: GROUPS,
    upserted: 1..12,
    deleted: 1..12,
};

/// One to sixty words in sentences.
fn text(seed: u64) -> String {
    let mut rng = Rng(seed);
    let count = 1 + rng.below(60);
    let word = |_| {
        let end = if rng.below(6) == 0 { ". " } else { " " };
        format!(
            "{}{}{end}",
            ["Red", "dry", "old", "Sea"][rng.place(4)],
            rng.below(40)
        )
    };
    (0..count).map(word).collect()
}

#[derive(Clone)]
struct Row {
    text: String,
    group: u64,
    passages: Vec<(Range<usize>, Vec<f32>)>,
}

impl Row {
    fn new(seed: u64) -> Self {
        let text = text(seed);
        let ranges = embedder::passages(&model(), &text, &PLAN).unwrap();
        let words: Vec<&str> = ranges.iter().map(|range| &text[range.clone()]).collect();
        let rows = model().embed(&words, Purpose::Document).unwrap();
        let vectors = rows.rows().map(<[f32]>::to_vec);
        Self {
            passages: ranges.into_iter().zip(vectors).collect(),
            group: seed % GROUPS,
            text,
        }
    }

    fn document(&self, key: u16) -> Document {
        Document::new(name(key), &self.text).metadata(serde_json::json!({"group": self.group}))
    }

    /// The best cosine of any passage with any of the vectors.
    fn best(&self, origins: &[Vec<f32>]) -> f64 {
        let passages = self.passages.iter();
        let scores = passages
            .flat_map(|(_, vector)| origins.iter().map(move |origin| cosine(origin, vector)));
        scores.fold(f64::MIN, f64::max)
    }
}

fn name(key: u16) -> Key {
    Key::from(format!("k{key}"))
}

struct Pair<'a> {
    dir: &'a Path,
    db: Option<Database>,
    effort: SearchParams,
    rows: BTreeMap<u16, Row>,
}

impl Pair<'_> {
    fn collection(&self) -> Collection {
        self.db.as_ref().unwrap().collection(NAME).unwrap()
    }

    fn passages(&self) -> usize {
        self.rows.values().map(|row| row.passages.len()).sum()
    }

    fn take(&mut self, step: Step) {
        let collection = self.collection();
        match step {
            Step::Upsert(seeds) => {
                let rows = seeds.into_iter().map(|(key, seed)| (key, Row::new(seed)));
                self.upsert(&collection, rows.collect());
            }
            Step::Regroup(key, group) => {
                let row = self.rows.get(&key).cloned();
                let rows = row.map(|row| (key, Row { group, ..row }));
                let embedded = self.upsert(&collection, rows.into_iter().collect());
                assert_eq!(embedded, 0, "its text is known");
            }
            Step::Delete(keys) => {
                let there: HashSet<u16> = keys.iter().copied().collect();
                let before = self.rows.len();
                self.rows.retain(|key, _| !there.contains(key));
                let keys: Vec<Key> = keys.into_iter().map(name).collect();
                assert_eq!(collection.delete(&keys).unwrap(), before - self.rows.len());
            }
            Step::DeleteGroup(group) => {
                let before = self.rows.len();
                self.rows.retain(|_, row| row.group != group);
                let filter = Filter::eq("group", group);
                let deleted = collection.delete_matching(&filter).unwrap();
                assert_eq!(deleted, before - self.rows.len());
            }
            Step::Compact => {
                collection.compact().unwrap();
                let stats = collection.stats().unwrap();
                let alive = stats
                    .local
                    .as_ref()
                    .expect("the index is in this process")
                    .sealed
                    - stats
                        .local
                        .as_ref()
                        .expect("the index is in this process")
                        .deleted;
                assert_eq!(
                    (
                        stats
                            .local
                            .as_ref()
                            .expect("the index is in this process")
                            .fresh,
                        alive
                    ),
                    (0, self.passages())
                );
            }
            Step::Reopen => self.reopen(collection, false),
            Step::LoseIndex => self.reopen(collection, true),
        }
    }

    fn upsert(&mut self, collection: &Collection, rows: BTreeMap<u16, Row>) -> usize {
        let documents = rows.iter().map(|(key, row)| row.document(*key)).collect();
        let done = collection.upsert(documents).unwrap();
        let there = rows
            .keys()
            .filter(|key| self.rows.contains_key(key))
            .count();
        assert_eq!((done.added, done.truncated), (rows.len() - there, 0));
        assert_eq!(done.updated + done.unchanged, there);
        self.rows.extend(rows);
        done.embedded
    }

    fn reopen(&mut self, collection: Collection, lose: bool) {
        close(self.dir, NAME, collection, self.db.take(), lose);
        self.db = Some(open(self.dir));
    }

    /// Looks through the whole file, as a restored snapshot is.
    fn restore(&self) {
        let snapshot = self.dir.join("snapshot");
        self.collection().snapshot(&snapshot).unwrap();
        let restored = self.db.as_ref().unwrap().restore("copy", &snapshot);
        let stats = restored.unwrap().stats().unwrap();
        assert_eq!(stats.passages, Some(self.passages() as u64));
    }

    fn check(&self, seed: u64) {
        let collection = self.collection();
        let stats = collection.stats().unwrap();
        let counts = (self.rows.len() as u64, Some(self.passages() as u64));
        assert_eq!((stats.documents, stats.passages), counts);
        let all: Vec<Key> = (0..KEYS).map(name).collect();
        let expected = self.rows.iter().map(|(key, row)| row.document(*key));
        assert_eq!(collection.get(&all).unwrap(), expected.collect::<Vec<_>>());
        let page = collection.scroll(None, 1_000, None).unwrap();
        assert_eq!(page.documents.len(), self.rows.len());
        let words = text(seed);
        let origin = vec![
            model()
                .embed(&[&words], Purpose::Query)
                .unwrap()
                .row(0)
                .to_vec(),
        ];
        let some = self
            .rows
            .keys()
            .nth(usize::try_from(seed).unwrap() % self.rows.len().max(1));
        for k in [1, 5, self.rows.len() + 3] {
            let query = Query::text(&words).top_k(k);
            self.check_search(&collection, &query, &origin, |_, _| true);
            let group = seed % GROUPS;
            let filtered = query.filter(Filter::eq("group", group));
            self.check_search(&collection, &filtered, &origin, |_, row| row.group == group);
            if let Some(&key) = some {
                let of_it = &self.rows[&key].passages;
                let origins: Vec<Vec<f32>> =
                    of_it.iter().map(|(_, vector)| vector.clone()).collect();
                let like = Query::like(name(key)).top_k(k);
                self.check_search(&collection, &like, &origins, |other, _| other != key);
            }
        }
    }

    /// The query as it stands, exactly, and with so little effort that a graph errs.
    fn check_search(
        &self,
        collection: &Collection,
        query: &Query,
        origins: &[Vec<f32>],
        passes: impl Fn(u16, &Row) -> bool,
    ) {
        let passing: BTreeMap<String, &Row> = self
            .rows
            .iter()
            .filter(|(key, row)| passes(**key, row))
            .map(|(key, row)| (name(*key).to_string(), row))
            .collect();
        let mut expected: Vec<f64> = passing.values().map(|row| row.best(origins)).collect();
        expected.sort_by(|a, b| b.total_cmp(a));
        expected.truncate(query.limit());
        let exact = SearchParams {
            exact: true,
            ..SearchParams::default()
        };
        let found = collection
            .search(&query.clone().params(exact))
            .unwrap()
            .matches;
        check_matches(&found, &passing, origins, true);
        for (found, expected) in found.iter().zip(&expected) {
            assert!((f64::from(found.distance) - expected).abs() < 1e-4);
        }
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
            check_matches(&answer.matches, &passing, origins, false);
        }
    }
}

/// Each is alive, comes once, and is at the distance of the passage that it names.
fn check_matches(
    matches: &[Match],
    passing: &BTreeMap<String, &Row>,
    origins: &[Vec<f32>],
    exact: bool,
) {
    let mut seen = HashSet::new();
    for found in matches {
        let row = passing
            .get(&found.key.to_string())
            .unwrap_or_else(|| panic!("{} must not be found", found.key));
        assert!(seen.insert(found.key.to_string()), "{} twice", found.key);
        assert_eq!(found.document.text.as_ref(), Some(&row.text));
        let passage = found.passage.as_ref().unwrap();
        assert_eq!(row.text[passage.start..passage.end], passage.text);
        let range = passage.start..passage.end;
        let (_, vector) = row.passages.iter().find(|place| place.0 == range).unwrap();
        let own = origins
            .iter()
            .map(|origin| cosine(origin, vector))
            .fold(f64::MIN, f64::max);
        let distance = f64::from(found.distance);
        assert!(distance < own + 1e-4, "{distance} is more than {own}");
        assert!(!exact || (row.best(origins) - distance).abs() < 1e-4);
    }
    assert!(matches.is_sorted_by(|a, b| a.score >= b.score));
}

fn run(index: &str, seed: u8) {
    history::run(seed, &SIZES, KEYS / 2, |steps| {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path());
        let config = CollectionConfig::embedded()
            .chunk(PLAN)
            .index(IndexSpec::parse(index).unwrap());
        db.create_collection(NAME, config).unwrap();
        let mut pair = Pair {
            dir: dir.path(),
            db: Some(db),
            effort: least(index),
            rows: BTreeMap::new(),
        };
        for (step, number) in steps {
            pair.take(step);
            number.into_iter().for_each(|number| pair.check(number));
        }
        pair.restore();
    });
}

#[test]
fn flat() {
    run("Flat", 1);
}

#[test]
fn a_graph() {
    run(GRAPH, 2);
}

#[cfg(feature = "faiss")]
#[test]
fn lists_of_codes() {
    run("IVF2,PQ4x3", 3);
}

#[cfg(feature = "faiss")]
#[test]
fn a_graph_of_bytes() {
    run("HNSW8,SQ8", 4);
}
