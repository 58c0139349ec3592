//! What needs a hand on the writer's connection: a full disk, a lock that is not waited for, threads.

use std::time::Duration;

use super::*;
use crate::Metadata;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("documents.sqlite"), "", 256).unwrap();
    (folder, store)
}

fn put(store: &Store, keys: std::ops::Range<i64>) -> Result<Written> {
    let (keys, metadata): (Vec<Key>, Metadata) = (keys.map(Key::from).collect(), Metadata::new());
    let documents: Vec<_> = (keys.iter())
        .map(|key| NewDocument {
            key,
            text: None,
            metadata: &metadata,
            passages: &[],
            vector: &[0.5; 256],
        })
        .collect();
    store.upsert(&documents)
}

#[test]
fn a_full_disk_is_an_error_with_the_path_and_changes_nothing() {
    let (_folder, store) = store();
    put(&store, 0..10).unwrap();
    let pages: i64 = {
        let writer = store.writer().unwrap();
        let pages: i64 = writer
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        writer
            .query_row(
                &format!("PRAGMA max_page_count = {}", pages + 5),
                [],
                |row| row.get(0),
            )
            .unwrap()
    };
    let error = put(&store, 10..1_000).unwrap_err();
    assert!(
        matches!(&error, Error::DiskFull { path, .. } if path == store.path()),
        "{pages}: {error:?}"
    );
    assert_eq!(store.read().unwrap().count(None).unwrap(), 10);
    store.check().unwrap();
    assert_eq!(
        put(&store, 10..11).unwrap().sequence,
        2,
        "what fits is still written"
    );
}

#[test]
fn a_lock_held_by_another_is_an_error_with_the_path() {
    let (_folder, store) = store();
    store
        .writer()
        .unwrap()
        .busy_timeout(Duration::ZERO)
        .unwrap();
    let other = Connection::open(store.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = put(&store, 0..1).unwrap_err();
    assert!(
        matches!(&error, Error::Busy { path, .. } if path == store.path()),
        "{error:?}"
    );
    assert_eq!(
        store.read().unwrap().count(None).unwrap(),
        0,
        "readers don't wait"
    );
    other.execute_batch("ROLLBACK").unwrap();
    put(&store, 0..1).unwrap();
}

#[test]
fn readers_on_many_threads_each_see_whole_batches() {
    let (_folder, store) = store();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = 0;
                    while seen < 200 {
                        let reader = store.read().unwrap();
                        let found = reader.scroll(0, usize::MAX, None, false).unwrap().len() as u64;
                        assert_eq!((found, found % 10), (reader.count(None).unwrap(), 0));
                        assert!(found >= seen, "a later reader sees no less");
                        seen = found;
                    }
                })
            })
            .collect();
        for batch in 0..20 {
            put(&store, batch * 10..batch * 10 + 10).unwrap();
        }
        readers
            .into_iter()
            .for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn a_store_and_its_readers_cross_threads() {
    fn sent<T: Send>() {}
    fn shared<T: Sync>() {}
    sent::<Store>();
    shared::<Store>();
    sent::<crate::Reader<'_>>();
}
