//! Readers beside a live writer: they see what is committed, through compactions and drops, and warn of nothing.

use std::{
    collections::HashSet,
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use vinedb::{Database, Error, Key, Metric, Query};
use vinedb_tests::{GRAPH, command, vinedb};

use super::NAME;
use crate::sample::{
    agrees, config, documents, keys, number, reader, seed_of, vector, warnings, writer,
};

#[test]
fn a_reader_follows_a_live_writer_through_its_compactions() {
    let dir = tempfile::tempdir().unwrap();
    let db = writer(dir.path());
    let written = db
        .create_collection(NAME, config(GRAPH, Metric::L2))
        .unwrap();
    written.upsert(documents(0..200, 0)).unwrap();
    let other = reader(dir.path());
    let read = other.collection(NAME).unwrap();
    let ((), warned) = warnings(|| {
        for round in 1..=5 {
            agrees(&read, 200, |key| {
                (key % 10 != 9 || round == 1).then_some(if key < 40 { round - 1 } else { 0 })
            });
            written.upsert(documents(0..40, round)).unwrap();
            let gone: Vec<Key> = (9..200)
                .step_by(10)
                .map(|key| format!("d{key}").into())
                .collect();
            written.delete(&gone).unwrap();
            let version = |key| (key % 10 != 9).then_some(if key < 40 { round } else { 0 });
            agrees(&read, 200, version);
            written.compact().unwrap();
            agrees(&read, 200, version);
            assert_eq!(
                read.stats()
                    .unwrap()
                    .local
                    .expect("the index is in this process")
                    .generation,
                round
            );
        }
    });
    assert_eq!(warned, 0);
    assert!(matches!(
        read.upsert(documents(0..1, 0)),
        Err(Error::ReadOnly { .. })
    ));
    assert!(matches!(read.compact(), Err(Error::ReadOnly { .. })));
    let run = vinedb([
        "count".as_ref(),
        dir.path().as_os_str(),
        NAME.as_ref(),
        "--json".as_ref(),
    ])
    .ok();
    assert_eq!(run.json()["count"], 180);
}

#[test]
fn a_reader_finds_k_while_the_writer_replaces_and_compacts() {
    let dir = tempfile::tempdir().unwrap();
    let db = writer(dir.path());
    let written = db
        .create_collection(NAME, config(GRAPH, Metric::L2))
        .unwrap();
    written.upsert(documents(0..60, 0)).unwrap();
    let done = AtomicBool::new(false);
    let other = reader(dir.path());
    thread::scope(|scope| {
        scope.spawn(|| {
            for version in 1..=60 {
                written.upsert(documents(0..60, version)).unwrap();
                if version % 3 == 0 {
                    written.compact().unwrap();
                }
            }
            done.store(true, Ordering::Release);
        });
        let readers: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| warnings(|| search_until(&other, &done))))
            .collect();
        for reader in readers {
            let (searches, warned) = reader.join().unwrap();
            assert!(
                searches > 0 && warned == 0,
                "{searches} searches, {warned} warnings"
            );
        }
    });
}

fn search_until(db: &Database, done: &AtomicBool) -> usize {
    let mut searches = 0;
    while !done.load(Ordering::Acquire) {
        let read = db.collection(NAME).unwrap();
        let answer = read.search(&Query::vector(vector(5)).top_k(60)).unwrap();
        assert_eq!(keys(&answer).len(), 60, "{:?}", answer.plan);
        let versions: HashSet<u64> = answer
            .matches
            .iter()
            .map(|found| number(found, "version"))
            .collect();
        assert_eq!(versions.len(), 1, "one upsert wrote them all");
        searches += 1;
    }
    searches
}

#[test]
fn a_reader_notices_that_a_collection_was_dropped_and_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let db = writer(dir.path());
    db.create_collection(NAME, config("Flat", Metric::L2))
        .unwrap()
        .upsert(documents(0..20, 0))
        .unwrap();
    let other = reader(dir.path());
    let old = other.collection(NAME).unwrap();
    agrees(&old, 20, |_| Some(0));
    db.drop_collection(NAME).unwrap();
    assert!(matches!(
        old.search(&Query::vector(vector(1))),
        Err(Error::Dropped { .. })
    ));
    assert!(matches!(
        other.collection(NAME),
        Err(Error::UnknownCollection { .. })
    ));
    db.create_collection(NAME, config("Flat", Metric::L2))
        .unwrap()
        .upsert(documents(0..30, 1))
        .unwrap();
    assert!(matches!(old.count(None), Err(Error::Dropped { .. })));
    agrees(&other.collection(NAME).unwrap(), 30, |_| Some(1));
}

#[test]
fn a_reader_of_another_process_answers_beside_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let collection = writer(dir.path())
        .create_collection(NAME, config(GRAPH, Metric::L2))
        .unwrap();
    for round in 0..3 {
        collection.upsert(documents(0..100, round)).unwrap();
        if round == 1 {
            collection.compact().unwrap();
        }
        let query = dir.path().join("query.json");
        fs::write(
            &query,
            serde_json::to_string(&[vector(seed_of(17, round))]).unwrap(),
        )
        .unwrap();
        let run = command(["search".as_ref(), dir.path().as_os_str(), NAME.as_ref()])
            .args(["--json", "-k", "1", "--vector-file"])
            .arg(&query)
            .output()
            .unwrap();
        let run = vinedb_tests::Run::from(run).ok();
        let found = &run.json()[0]["matches"][0];
        assert_eq!(
            (&found["key"], &found["document"]["metadata"]["version"]),
            (&"d17".into(), &round.into())
        );
        assert_eq!(run.stderr, "");
    }
}
