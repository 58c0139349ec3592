//! Random writes, deletions, seals and reopenings against a plain map, of documents with passages and without.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range, RangeInclusive};

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use vinedb_storage::{Access, Filter, Key, NewDocument, Passage, Seal, Store};

use crate::fixtures::fields;

#[derive(Debug, Clone)]
enum Step {
    Upsert(Vec<(u8, i32)>),
    Delete(Vec<u8>),
    DeleteBelow(i32),
    Seal { keeps: bool },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => vec((0..12_u8, -5..5_i32), 0..6).prop_map(Step::Upsert),
        2 => vec(0..12_u8, 0..4).prop_map(Step::Delete),
        1 => (-5..5_i32).prop_map(Step::DeleteBelow),
        1 => any::<bool>().prop_map(|keeps| Step::Seal { keeps }),
        1 => Just(Step::Reopen),
    ]
}

const TEXT: &str = "one two three four";

/// The passages of a document whose number is `n`: none to three.
fn passages(n: i32) -> Vec<Range<usize>> {
    let count = usize::try_from(n.unsigned_abs() % 4).unwrap();
    (0..count).map(|at| at..at + 3).collect()
}

/// The ids of a document's vectors, the last of which is its own.
fn ids(id: i64, n: i32) -> RangeInclusive<i64> {
    id + 1 - i64::try_from(passages(n).len().max(1)).unwrap()..=id
}

/// The vectors of a document, each of one number.
fn vectors(n: i32) -> Vec<f32> {
    (0..passages(n).len().max(1))
        .map(|at| n as f32 + at as f32 / 4.0)
        .collect()
}

/// What must be true, kept in maps.
#[derive(Default)]
struct Model {
    rows: BTreeMap<u8, (i64, i32)>,
    last_id: i64,
    sequence: u64,
    /// the last id of the sealed index
    sealed: Option<i64>,
    /// ids that went, since the last seal that dropped them
    gone: BTreeSet<i64>,
}

impl Model {
    fn upsert(&mut self, store: &Store, pairs: &BTreeMap<u8, i32>) {
        let keys: Vec<Key> = pairs.keys().map(|key| Key::from(i64::from(*key))).collect();
        let metadata: Vec<_> = pairs.values().map(|n| fields(json!({ "n": n }))).collect();
        let vectors: Vec<Vec<f32>> = pairs.values().map(|n| vectors(*n)).collect();
        let passages: Vec<_> = pairs.values().map(|n| passages(*n)).collect();
        let documents: Vec<_> = (0..keys.len())
            .map(|at| NewDocument {
                key: &keys[at],
                text: Some(TEXT),
                metadata: &metadata[at],
                passages: &passages[at],
                vector: &vectors[at],
            })
            .collect();
        let written = store.upsert(&documents).unwrap();
        self.sequence += u64::from(!pairs.is_empty());
        let (mut replaced, mut updated) = (Vec::new(), 0);
        for ((key, n), id) in pairs.iter().zip(&written.ids) {
            assert!(*ids(*id, *n).start() > self.last_id);
            self.last_id = *id;
            let old = self.rows.insert(*key, (*id, *n));
            updated += usize::from(old.is_some());
            replaced.extend(old.into_iter().flat_map(|(old, n)| ids(old, n)));
        }
        self.gone.extend(&replaced);
        assert_eq!(
            (written.replaced, written.updated, written.sequence),
            (replaced, updated, self.sequence)
        );
    }

    fn delete(&mut self, keys: impl IntoIterator<Item = u8>, removed: vinedb_storage::Removed) {
        let rows: Vec<(i64, i32)> = keys
            .into_iter()
            .filter_map(|key| self.rows.remove(&key))
            .collect();
        let ids: BTreeSet<i64> = rows.iter().flat_map(|(id, n)| ids(*id, *n)).collect();
        self.sequence += u64::from(!ids.is_empty());
        self.gone.extend(&ids);
        assert_eq!(
            (removed.ids.len(), removed.documents),
            (ids.len(), rows.len())
        );
        assert_eq!(
            (
                removed.ids.into_iter().collect::<BTreeSet<_>>(),
                removed.sequence
            ),
            (ids, self.sequence)
        );
    }

    fn seal(&mut self, store: &Store, keeps_removed: bool) {
        let seal = Seal {
            generation: 1,
            file: "f".into(),
            kind: "k".into(),
            last_id: self.last_id,
            sequence: self.sequence,
            keeps_removed,
        };
        store.seal(&seal).unwrap();
        self.sealed = Some(self.last_id);
        if !keeps_removed {
            self.gone.clear();
        }
    }

    fn compare(&self, store: &Store) {
        let reader = store.read().unwrap();
        let expected: BTreeMap<i64, (u8, i32)> = self
            .rows
            .iter()
            .map(|(key, (id, n))| (*id, (*key, *n)))
            .collect();
        let records = reader.scroll(0, usize::MAX, None, true).unwrap();
        let found: BTreeMap<i64, (u8, i32)> = (records.iter())
            .map(|record| {
                (
                    record.id,
                    (
                        record.key.to_string().parse().unwrap(),
                        i32::try_from(record.metadata["n"].as_i64().unwrap()).unwrap(),
                    ),
                )
            })
            .collect();
        assert_eq!(found, expected);
        let mut stored = BTreeMap::new();
        reader
            .for_each_vector(0, &mut |id, vector| {
                stored.insert(id, vector.to_vec());
                ControlFlow::Continue(())
            })
            .unwrap();
        let all = expected
            .iter()
            .flat_map(|(id, (_, n))| ids(*id, *n).zip(vectors(*n)))
            .map(|(id, number)| (id, vec![number]));
        assert_eq!(stored, all.collect());
        let places: Vec<Passage> = expected
            .iter()
            .flat_map(|(id, (_, n))| {
                ids(*id, *n)
                    .zip(passages(*n))
                    .map(|(passage, range)| Passage {
                        id: passage,
                        document: *id,
                        start: range.start,
                        end: range.end,
                    })
            })
            .collect();
        let documents: Vec<i64> = expected.keys().copied().collect();
        assert_eq!(reader.passages_of(&documents).unwrap(), places);
        assert_eq!(reader.passage_count().unwrap(), places.len() as u64);
        let by_id = reader.passages(&(0..=self.last_id + 1).collect::<Vec<_>>());
        assert_eq!(
            by_id.unwrap().into_iter().flatten().collect::<Vec<_>>(),
            places
        );
        let gone: Vec<i64> = self
            .sealed
            .into_iter()
            .flat_map(|last| self.gone.range(..=last).copied())
            .collect();
        assert_eq!(reader.removed().unwrap(), gone);
        assert_eq!(
            (
                reader.sequence(),
                reader.last_id(),
                reader.count(None).unwrap()
            ),
            (self.sequence, self.last_id, self.rows.len() as u64)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_a_map_that_survives(steps in vec(step(), 1..30)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("documents.sqlite");
        let mut store = Store::create(&path, "", 1).unwrap();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Upsert(pairs) => model.upsert(&store, &pairs.into_iter().collect()),
                Step::Delete(keys) => {
                    let named: Vec<Key> = keys.iter().map(|key| Key::from(key.to_string())).collect();
                    let removed = store.delete(&named).unwrap();
                    model.delete(keys, removed);
                }
                Step::DeleteBelow(limit) => {
                    let keys: Vec<u8> = model.rows.iter().filter(|(_, (_, n))| *n < limit).map(|(key, _)| *key).collect();
                    model.delete(keys, store.delete_matching(&Filter::lt("n", limit)).unwrap());
                }
                Step::Seal { keeps } => model.seal(&store, keeps),
                Step::Reopen => {
                    drop(store);
                    store = Store::open(&path, Access::ReadWrite).unwrap();
                }
            }
            model.compare(&store);
        }
        store.check().unwrap();
    }
}
