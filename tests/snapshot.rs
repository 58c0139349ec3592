//! Snapshots: one consistent state, whatever is written meanwhile; and a restore that is all or nothing.

mod damaged;

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use vinedb::{Collection, Database, Error, Filter, Key, Metric, Query, snapshot::Manifest};
use vinedb_tests::{GRAPH, vinedb};

use crate::sample::{
    Rng, answers, closest, config, copy, document, documents, eventually, index_file, names,
    reader, vector, warnings, writer,
};

const NAME: &str = "c";

fn filled(dir: &Path) -> (Database, Collection) {
    let db = writer(dir);
    let collection = db
        .create_collection(NAME, config(GRAPH, Metric::L2))
        .unwrap();
    collection.upsert(documents(0..250, 0)).unwrap();
    collection.compact().unwrap();
    collection.upsert(documents(200..300, 1)).unwrap();
    collection.delete_matching(&Filter::eq("group", 4)).unwrap();
    (db, collection)
}

#[test]
fn a_restored_collection_answers_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.snapshot");
    let (db, collection) = filled(&dir.path().join("db"));
    let manifest = collection.snapshot(&file).unwrap();
    let stats = collection.stats().unwrap();
    assert_eq!(
        (manifest.collection.as_str(), manifest.documents),
        (NAME, 240)
    );
    assert_eq!(
        (manifest.sequence, manifest.version.as_str()),
        (
            stats
                .local
                .as_ref()
                .expect("the index is in this process")
                .sequence,
            env!("CARGO_PKG_VERSION")
        )
    );
    let entries: Vec<&str> = manifest
        .entries
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    let index = index_file(&dir.path().join("db").join(NAME));
    assert_eq!(
        entries,
        [
            "documents.sqlite",
            index.file_name().unwrap().to_str().unwrap()
        ]
    );
    let expected = answers(&collection);
    collection.upsert(documents(500..600, 2)).unwrap();
    for target in [&db, &writer(&dir.path().join("elsewhere"))] {
        let (restored, warned) = warnings(|| target.restore("copy", &file).unwrap());
        assert_eq!((answers(&restored), warned), (expected.clone(), 0));
        let now = restored.stats().unwrap();
        assert_eq!(
            (
                now.documents,
                now.local
                    .as_ref()
                    .expect("the index is in this process")
                    .sealed,
                now.local
                    .as_ref()
                    .expect("the index is in this process")
                    .generation
            ),
            (
                240,
                stats
                    .local
                    .as_ref()
                    .expect("the index is in this process")
                    .sealed,
                stats
                    .local
                    .as_ref()
                    .expect("the index is in this process")
                    .generation
            )
        );
        restored.upsert(documents(0..10, 7)).unwrap();
        restored.compact().unwrap();
        assert_eq!(restored.get(["d7"]).unwrap()[0].metadata["version"], 7);
    }
    assert_eq!(
        collection.count(None).unwrap(),
        340,
        "the original went on by itself"
    );
}

#[test]
fn a_reader_can_take_a_snapshot_and_cannot_restore_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.snapshot");
    let (_db, collection) = filled(&dir.path().join("db"));
    let other = reader(&dir.path().join("db"));
    let manifest = other.collection(NAME).unwrap().snapshot(&file).unwrap();
    assert_eq!(
        manifest.sequence,
        collection
            .stats()
            .unwrap()
            .local
            .expect("the index is in this process")
            .sequence
    );
    assert!(matches!(
        other.restore("copy", &file),
        Err(Error::ReadOnly { .. })
    ));
    let run = vinedb([
        "restore".as_ref(),
        dir.path().join("new").as_os_str(),
        "x".as_ref(),
        file.as_os_str(),
    ]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(
        answers(&reader(&dir.path().join("new")).collection("x").unwrap()),
        answers(&collection)
    );
}

/// Pairs of documents are written and deleted together, so a state in which half a pair is there never was.
#[test]
fn a_snapshot_beside_writes_is_of_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let db = writer(&dir.path().join("db"));
    let collection = db
        .create_collection(NAME, config(GRAPH, Metric::L2))
        .unwrap();
    collection.upsert(documents(0..400, 0)).unwrap();
    let busy = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| write_pairs(&collection, &busy));
        scope.spawn(|| {
            while busy.load(Ordering::Acquire) {
                collection.compact().unwrap();
            }
        });
        let mut sequence = 0;
        for round in 0..4 {
            let before = collection
                .stats()
                .unwrap()
                .local
                .expect("the index is in this process")
                .sequence;
            eventually("a write", || {
                collection
                    .stats()
                    .unwrap()
                    .local
                    .expect("the index is in this process")
                    .sequence
                    > before
            });
            let file = dir.path().join(format!("{round}.snapshot"));
            let manifest = collection.snapshot(&file).unwrap();
            assert!(manifest.sequence > sequence);
            sequence = manifest.sequence;
            let restored = db.restore(&format!("copy{round}"), &file).unwrap();
            check_pairs(&restored, &manifest);
        }
        busy.store(false, Ordering::Release);
    });
    assert_eq!(
        names(dir.path()),
        ["0.snapshot", "1.snapshot", "2.snapshot", "3.snapshot", "db"]
    );
}

fn write_pairs(collection: &Collection, busy: &AtomicBool) {
    let mut rng = Rng(5);
    for version in 1.. {
        if !busy.load(Ordering::Acquire) {
            return;
        }
        let pair = rng.below(200) * 2;
        if version % 4 == 0 {
            let keys: Vec<Key> = vec![format!("d{pair}").into(), format!("d{}", pair + 1).into()];
            collection.delete(&keys).unwrap();
        } else {
            collection
                .upsert(vec![document(pair, version), document(pair + 1, version)])
                .unwrap();
        }
    }
}

fn check_pairs(restored: &Collection, manifest: &Manifest) {
    let all: Vec<Key> = (0..400).map(|key| format!("d{key}").into()).collect();
    let there = restored.get_with_vectors(&all).unwrap();
    assert_eq!(there.len() as u64, manifest.documents);
    for pair in there.chunks(2) {
        assert_eq!(pair.len(), 2);
        assert_eq!(pair[0].metadata["version"], pair[1].metadata["version"]);
        let key = pair[0].metadata["key"].as_u64().unwrap();
        assert_eq!(
            (key % 2, pair[1].metadata["key"].as_u64().unwrap()),
            (0, key + 1)
        );
    }
    let query = vector(77);
    let vectors = there
        .iter()
        .map(|document| document.vector.as_deref().unwrap());
    let expected = closest(Metric::L2, &query, 20, vectors);
    let answer = restored.search(&Query::vector(query).top_k(20)).unwrap();
    let distances = answer.matches.iter().map(|found| f64::from(found.distance));
    assert!(
        distances
            .zip(&expected)
            .all(|(found, expected)| (found - expected).abs() < 1e-4)
    );
    assert_eq!(answer.matches.len(), 20);
}

#[test]
fn names_and_files_that_are_taken_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let (db, collection) = filled(&dir.path().join("db"));
    let file = dir.path().join("c.snapshot");
    collection.snapshot(&file).unwrap();
    let before = fs::read(&file).unwrap();
    assert!(
        collection
            .snapshot(&file)
            .unwrap_err()
            .to_string()
            .contains(file.to_str().unwrap())
    );
    assert_eq!(fs::read(&file).unwrap(), before);
    assert!(matches!(
        db.restore(NAME, &file),
        Err(Error::CollectionExists { .. })
    ));
    for name in ["", "..", "a/b", ".hidden", "LOCK.", "ü"] {
        assert!(
            matches!(db.restore(name, &file), Err(Error::BadName { .. })),
            "{name:?}"
        );
    }
    assert_eq!(names(&dir.path().join("db")), ["LOCK", NAME]);
    assert_eq!(names(dir.path()), ["c.snapshot", "db"]);
    assert_eq!(collection.count(None).unwrap(), 240);
}

#[test]
fn a_target_that_cannot_be_written_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (_db, collection) = filled(&dir.path().join("db"));
    let plain = dir.path().join("plain");
    fs::write(&plain, "a file").unwrap();
    for target in [
        dir.path().join("missing/c.snapshot"),
        plain.join("c.snapshot"),
        "/proc/c.snapshot".into(),
    ] {
        let error = collection.snapshot(&target).unwrap_err().to_string();
        assert!(
            error.contains(target.parent().unwrap().to_str().unwrap()),
            "{error}"
        );
    }
    let long = dir.path().join("x".repeat(300));
    collection.snapshot(&long).unwrap_err();
    assert_eq!(names(dir.path()), ["db", "plain"]);
}

/// The lock's own folder is as good a place for a snapshot as any, and the snapshot is no collection.
#[test]
fn a_snapshot_may_lie_in_the_database_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (db, collection) = filled(dir.path());
    collection.snapshot(dir.path().join("backup")).unwrap();
    assert_eq!(db.collections().unwrap(), [NAME]);
    assert_eq!(names(dir.path()), ["LOCK", "backup", NAME]);
    let moved = tempfile::tempdir().unwrap();
    copy(dir.path(), moved.path());
    assert_eq!(
        answers(&reader(moved.path()).collection(NAME).unwrap()),
        answers(&collection)
    );
}
