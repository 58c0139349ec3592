//! Indexes that stay in their files, mapped: they answer as others do, while they are written to and compacted, and are read
//! from the file in truth.

use std::fs;
use std::path::Path;

use vinedb::{Collection, Database, Metric, Options};

use crate::sample::{agrees, config, documents, index_file};

const NAME: &str = "c";
const COUNT: u64 = 600;

fn open(dir: &Path) -> Database {
    Options::default().mapped(true).open(dir).unwrap()
}

/// What version of a document there is once the first hundred are deleted and the second were written again.
fn version(key: u64) -> Option<u64> {
    match key {
        0..100 => None,
        100..200 => Some(1),
        _ => Some(0),
    }
}

#[cfg(target_os = "linux")]
fn assert_mapped(dir: &Path) {
    let file = index_file(&dir.join(NAME)).canonicalize().unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.contains(file.to_str().unwrap()), "{}", file.display());
}

#[cfg(not(target_os = "linux"))]
fn assert_mapped(dir: &Path) {
    assert!(index_file(&dir.join(NAME)).exists());
}

fn change(collection: &Collection) {
    let gone: Vec<vinedb::Key> = documents(0..100, 0)
        .into_iter()
        .map(|one| one.key)
        .collect();
    collection.delete(&gone).unwrap();
    collection.upsert(documents(100..200, 1)).unwrap();
}

#[test]
fn a_mapped_index_answers_grows_and_is_compacted() {
    for index in ["Flat", "HNSW16", "IVF4,Flat", "SQ8"] {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path());
        let collection = db
            .create_collection(NAME, config(index, Metric::L2))
            .unwrap();
        collection.upsert(documents(0..COUNT, 0)).unwrap();
        collection.compact().unwrap();
        assert_mapped(dir.path());
        agrees(&collection, COUNT, |_| Some(0));
        change(&collection);
        agrees(&collection, COUNT, version);
        collection.compact().unwrap();
        agrees(&collection, COUNT, version);
        let stats = collection.stats().unwrap();
        assert_eq!(
            (
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
            (0, 0),
            "{index}"
        );
        drop((collection, db));
        let db = open(dir.path());
        agrees(&db.collection(NAME).unwrap(), COUNT, version);
        assert_mapped(dir.path());
    }
}
