//! Handles: one writer and its lock, collections that are dropped under them, and what a write must refuse.

use std::{fs, process::Child, thread};

use vinedb::{Database, Error, Metric, Query};
use vinedb_tests::{GRAPH, vinedb};

use super::NAME;
use crate::{
    crash::{ready, serve},
    sample::{agrees, config, copy, documents, eventually, names, reader, seed_of, vector, writer},
};

#[test]
fn a_second_writer_is_told_who_writes() {
    let dir = tempfile::tempdir().unwrap();
    let first = writer(dir.path());
    let collection = first
        .create_collection(NAME, config("Flat", Metric::L2))
        .unwrap();
    let refused = Database::open(dir.path()).unwrap_err();
    let me = format!("process {}", std::process::id());
    assert!(
        matches!(&refused, Error::Locked { .. }) && refused.to_string().contains(&me),
        "{refused}"
    );
    let other = vinedb([
        "delete".as_ref(),
        dir.path().as_os_str(),
        NAME.as_ref(),
        "d1".as_ref(),
    ]);
    assert!(other.error().contains(&me), "{other:?}");
    drop(first);
    let refused = Database::open(dir.path()).unwrap_err();
    assert!(
        matches!(refused, Error::Locked { .. }),
        "the collection's handle may still write: {refused}"
    );
    collection.upsert(documents(0..3, 0)).unwrap();
    drop(collection);
    assert_eq!(
        writer(dir.path())
            .collection(NAME)
            .unwrap()
            .count(None)
            .unwrap(),
        3
    );
}

#[test]
fn the_lock_ends_with_its_process() {
    let dir = tempfile::tempdir().unwrap();
    drop(
        writer(dir.path())
            .create_collection(NAME, config("Flat", Metric::L2))
            .unwrap(),
    );
    let mut server: Child = serve(dir.path());
    ready(&mut server);
    let refused = Database::open(dir.path()).unwrap_err().to_string();
    assert!(
        refused.contains(&format!("process {} (vinedb)", server.id())),
        "{refused}"
    );
    server.kill().unwrap();
    server.wait().unwrap();
    Database::open(dir.path()).unwrap();
}

#[test]
fn dropping_a_collection_ends_what_runs_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = writer(dir.path());
    for round in 0..4 {
        let old = db
            .create_collection(NAME, config(GRAPH, Metric::L2))
            .unwrap();
        old.upsert(documents(0..3_000, round)).unwrap();
        thread::scope(|scope| {
            let compacting = scope.spawn(|| old.compact());
            let writing = scope.spawn(|| {
                (0..50)
                    .map(|key| old.upsert(documents(key..key + 1, 77)))
                    .find_map(Result::err)
            });
            eventually("a write", || {
                old.stats().map_or(true, |stats| {
                    stats.local.expect("the index is in this process").sequence > 1
                })
            });
            db.drop_collection(NAME).unwrap();
            let new = db
                .create_collection(NAME, config(GRAPH, Metric::L2))
                .unwrap();
            new.upsert(documents(0..20, 5)).unwrap();
            for refused in [compacting.join().unwrap().err(), writing.join().unwrap()]
                .into_iter()
                .flatten()
            {
                assert!(matches!(refused, Error::Dropped { .. }), "{refused}");
            }
            assert!(matches!(
                old.search(&Query::vector(vector(1))),
                Err(Error::Dropped { .. })
            ));
            agrees(&new, 20, |_| Some(5));
        });
        let left = names(&dir.path().join(NAME));
        assert!(
            !left.iter().any(|name| name.contains("index-")),
            "the old collection's index: {left:?}"
        );
        db.drop_collection(NAME).unwrap();
        assert_eq!(names(dir.path()), ["LOCK"]);
    }
}

/// A connection that writes deletes the log beside its file when it is closed, by its name: it must not be the new collection's.
#[test]
fn an_old_handle_does_no_harm_to_a_new_collection_of_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let db = writer(dir.path());
    let old = db
        .create_collection(NAME, config("Flat", Metric::L2))
        .unwrap();
    old.upsert(documents(0..20, 0)).unwrap();
    agrees(&old, 20, |_| Some(0));
    db.drop_collection(NAME).unwrap();
    let new = db
        .create_collection(NAME, config("Flat", Metric::L2))
        .unwrap();
    new.upsert(documents(0..30, 1)).unwrap();
    drop(old);
    agrees(&reader(dir.path()).collection(NAME).unwrap(), 30, |_| {
        Some(1)
    });
    new.upsert(documents(30..40, 1)).unwrap();
    let crashed = tempfile::tempdir().unwrap();
    copy(dir.path(), crashed.path());
    agrees(
        &writer(crashed.path()).collection(NAME).unwrap(),
        40,
        |_| Some(1),
    );
}

#[test]
fn a_damaged_collection_can_be_dropped() {
    let dir = tempfile::tempdir().unwrap();
    drop(
        writer(dir.path())
            .create_collection(NAME, config("Flat", Metric::L2))
            .unwrap(),
    );
    fs::write(dir.path().join(NAME).join("documents.sqlite"), "no SQLite").unwrap();
    let db = writer(dir.path());
    db.collection(NAME).unwrap_err();
    db.drop_collection(NAME).unwrap();
    assert!(db.collections().unwrap().is_empty());
}

/// What the index cannot compare must not be committed: nothing could open the collection again.
#[test]
fn a_vector_too_long_to_compare_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let collection = writer(dir.path())
        .create_collection(NAME, config("Flat", Metric::L2))
        .unwrap();
    collection.upsert(documents(0..5, 0)).unwrap();
    let mut batch = documents(5..8, 0);
    batch[1].vector = Some(vec![1e30; 8]);
    let refused = collection.upsert(batch).unwrap_err();
    assert!(
        refused.to_string().contains("d6") && refused.is_about_a_document(),
        "{refused}"
    );
    drop(collection);
    let collection = writer(dir.path()).collection(NAME).unwrap();
    collection.compact().unwrap();
    agrees(&collection, 5, |_| Some(0));
}

/// A handle that outlives its database, and goes while the compaction that it started still runs.
#[test]
fn a_handle_may_go_while_a_compaction_runs() {
    let work = tempfile::tempdir().unwrap();
    let dir = work.path().join("a/b/c");
    let collection = writer(&dir)
        .create_collection(NAME, config(GRAPH, Metric::L2))
        .unwrap();
    collection.upsert(documents(0..5_000, 0)).unwrap();
    drop(collection);
    let collection = writer(&dir).collection(NAME).unwrap();
    assert_eq!(collection.count(None).unwrap(), 5_000);
    let answer = collection
        .search(&Query::vector(vector(seed_of(4_321, 0))).top_k(1))
        .unwrap();
    assert_eq!(answer.matches[0].key, "d4321".into());
}
