//! Compaction is played by the flag that says that one runs, so that the tests decide when it ends.

use std::thread;

use super::*;
use crate::{
    Collection, CollectionConfig, Database, Document, Options, Query, Result, embed::Caller,
    space::Space,
};

/// More than makes a compaction due where nothing is sealed, and than writes may run ahead of it.
const MANY: i64 = 5_000;

fn space(collection: &Collection) -> &Space {
    &collection.core.local().space
}

/// A database whose collection `c`, of a kind that does not compare everything, has many fresh rows; a compaction
/// seems to run.
fn crowded(options: Options) -> (tempfile::TempDir, Database, Collection) {
    let folder = tempfile::tempdir().unwrap();
    let database = options.open(folder.path()).unwrap();
    let config = CollectionConfig::given(2);
    let index: engine::IndexSpec = "hnsw_rs(m=4,ef_construction=8)".parse().unwrap();
    let collection = database
        .create_collection("c", config.index(index))
        .unwrap();
    space(&collection).background.store(true, Ordering::SeqCst);
    write(&collection, 0..MANY).unwrap();
    (folder, database, collection)
}

fn write(collection: &Collection, keys: std::ops::Range<i64>) -> Result<()> {
    let document = |key: i64| {
        let angle = f32::from(i16::try_from(key % 30_000).unwrap());
        Document::from_vector(key, vec![angle.cos(), angle.sin()])
    };
    collection.upsert(keys.map(document).collect()).map(drop)
}

fn search(collection: &Collection) {
    collection
        .search(&Query::vector(vec![1.0, 0.0]).top_k(1))
        .unwrap();
}

fn waits(collection: &Collection) -> u64 {
    *space(collection).pace.lock()
}

/// Waits until a write does, or has ended, which it should not have.
fn await_wait(collection: &Collection, writer: &thread::ScopedJoinHandle<'_, Result<()>>) {
    while waits(collection) == 0 {
        assert!(!writer.is_finished(), "the write did not wait");
        thread::yield_now();
    }
}

/// As if somebody searched for as long as the test lasts.
fn be_searched(collection: &Collection) {
    search(collection);
    let pace = &space(collection).pace;
    pace.searched(Instant::now() + Duration::from_secs(86_400));
}

fn end_compaction(collection: &Collection) {
    space(collection).background.store(false, Ordering::SeqCst);
    space(collection).pace.look_again();
}

fn patient() -> Options {
    Options::default().pace_writes(Duration::from_secs(86_400))
}

#[test]
fn nothing_waits_where_nobody_searches() {
    let (_folder, _database, collection) = crowded(patient());
    write(&collection, MANY..MANY + 10).unwrap();
    assert_eq!(waits(&collection), 0);
    end_compaction(&collection);
}

#[test]
fn a_write_that_outruns_compaction_waits_for_its_end_while_somebody_searches() {
    let (_folder, _database, collection) = crowded(patient());
    thread::scope(|scope| {
        be_searched(&collection);
        let writer = scope.spawn(|| write(&collection, MANY..MANY + 10));
        await_wait(&collection, &writer);
        assert_eq!(collection.get([MANY]).unwrap().len(), 0);
        collection.delete([0]).unwrap();
        end_compaction(&collection);
        writer.join().unwrap().unwrap();
    });
    assert_eq!(collection.get([MANY]).unwrap().len(), 1);
}

#[test]
fn no_patience_no_waiting() {
    let (_folder, _database, collection) = crowded(Options::default().pace_writes(Duration::ZERO));
    be_searched(&collection);
    write(&collection, MANY..MANY + 10).unwrap();
    assert_eq!(waits(&collection), 0);
    end_compaction(&collection);
}

#[test]
fn few_fresh_rows_no_compaction_and_an_index_that_compares_everything_hold_nobody_up() {
    let (_folder, database, collection) = crowded(patient());
    be_searched(&collection);
    assert!(space(&collection).is_crowded());
    end_compaction(&collection);
    assert!(!space(&collection).is_crowded(), "no compaction runs");

    let exact = database
        .create_collection("e", CollectionConfig::given(2))
        .unwrap();
    space(&exact).background.store(true, Ordering::SeqCst);
    write(&exact, 0..MANY).unwrap();
    be_searched(&exact);
    assert!(
        !space(&exact).is_crowded(),
        "sealed rows are compared one by one, too"
    );
    end_compaction(&exact);

    let index: engine::IndexSpec = "hnsw_rs(m=4,ef_construction=8)".parse().unwrap();
    let config = CollectionConfig::given(2).index(index);
    let few = database.create_collection("f", config).unwrap();
    space(&few).background.store(true, Ordering::SeqCst);
    write(&few, 0..4_500).unwrap();
    be_searched(&few);
    assert!(!space(&few).is_crowded(), "few are fresh");
    end_compaction(&few);
}

#[test]
fn a_write_that_waits_is_told_when_its_collection_is_dropped() {
    let (_folder, database, collection) = crowded(patient());
    thread::scope(|scope| {
        be_searched(&collection);
        let writer = scope.spawn(|| write(&collection, MANY..MANY + 10));
        await_wait(&collection, &writer);
        database.drop_collection("c").unwrap();
        let told = writer.join().unwrap().unwrap_err().to_string();
        assert!(told.contains("\"c\"") || told.contains("c "), "{told}");
    });
    end_compaction(&collection);
}

#[test]
fn a_write_whose_caller_leaves_waits_no_longer() {
    let (_folder, _database, collection) = crowded(patient());
    let caller = Caller::default();
    thread::scope(|scope| {
        be_searched(&collection);
        let writer = scope.spawn(|| caller.attend(|| write(&collection, MANY..MANY + 10)));
        await_wait(&collection, &writer);
        caller.leave();
        writer.join().unwrap().unwrap();
    });
    end_compaction(&collection);
}
