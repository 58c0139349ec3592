//! The same is found by a reader beside the writer, in what a killed process leaves, and in a restored snapshot.

use std::path::Path;

use vinedb::{Collection, Document, Options, Query};

use super::collection;
use crate::sample::reader;

#[test]
fn a_reader_and_a_copy_of_the_folder_find_the_same() {
    let (folder, db, collection) = collection();
    let query = Query::text("what to drink with oysters").top_k(6);
    let keys = |collection: &Collection| {
        let found = collection.search(&query).unwrap().matches;
        let both = found
            .into_iter()
            .map(|found| (found.key.to_string(), found.passage.unwrap()));
        both.collect::<Vec<_>>()
    };
    let before = keys(&collection);
    assert_eq!(
        keys(&reader(&folder.path().join("db")).collection("c").unwrap()),
        before
    );
    collection.compact().unwrap();
    collection.delete(["tractor"]).unwrap();
    collection
        .upsert(vec![Document::new("violin", "The minutes of a meeting.")])
        .unwrap();
    let after = keys(&collection);
    assert_eq!(after.len(), 5);
    // As a process that was killed leaves it: nothing closed, nothing merged.
    let copy = folder.path().join("copy");
    copy_folder(&folder.path().join("db"), &copy);
    let reopened = Options::from_env().open(&copy).unwrap();
    assert_eq!(keys(&reopened.collection("c").unwrap()), after);
    let snapshot = folder.path().join("snapshot");
    collection.snapshot(&snapshot).unwrap();
    let restored = reopened.restore("again", &snapshot).unwrap();
    assert_eq!(keys(&restored), after);
    assert_eq!(
        restored.stats().unwrap().passages,
        collection.stats().unwrap().passages
    );
    drop(db);
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_folder(&path, &target),
            false => drop(std::fs::copy(&path, &target).unwrap()),
        }
    }
}
