//! Files from before there were clusterings.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::json;
use vinedb_storage::{Access, Error, Store};

use super::{clusters, matching, put_labelled, save};
use crate::fixtures::put;

/// A file as format 2 was written, with one document.
fn format_2(folder: &Path) -> PathBuf {
    let path = folder.join("documents.sqlite");
    let connection = Connection::open(&path).unwrap();
    for sql in [
        "PRAGMA page_size = 8192; PRAGMA application_id = 0x76696e65; PRAGMA user_version = 2;",
        include_str!("../../schema/0001.sql"),
        include_str!("../../schema/0002.sql"),
        r#"INSERT INTO collection VALUES (1, '{"metric":"l2"}', 2, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL);
           INSERT INTO documents VALUES (1, 'b', 0, x'4c1a6e1332', 'two');
           INSERT INTO vectors VALUES (1, x'0000803f00000040');"#,
    ] {
        connection.execute_batch(sql).unwrap();
    }
    path
}

#[test]
fn a_file_of_format_2_is_read_as_it_is_and_upgraded_when_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = format_2(folder.path());
    let format = || -> u32 {
        let connection = Connection::open(&path).unwrap();
        connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap()
    };
    let reading = Store::open(&path, Access::ReadOnly).unwrap();
    let has_none = |store: &Store| {
        store.check().unwrap();
        let reader = store.read().unwrap();
        assert!(reader.clusterings().unwrap().is_empty());
        assert!(reader.clustering_ids().unwrap().is_empty());
        assert!(reader.labelled(1, 0, 9, None).unwrap().is_empty());
        assert_eq!(reader.centroids(1).unwrap(), None);
        let error = reader.clustering("a").unwrap_err().to_string();
        assert!(error.contains("none"), "{error}");
        assert_eq!(matching(store, json!({"n": 2})).unwrap(), [1]);
        let error = matching(store, json!({"cluster": 0})).unwrap_err();
        assert!(matches!(error, Error::NoClustering), "{error:?}");
    };
    has_none(&reading);
    assert_eq!(format(), 2);
    let store = Store::open(&path, Access::ReadWrite).unwrap();
    assert_eq!(format(), 3);
    has_none(&store);
    has_none(&reading);
    save(&store, "a", &clusters(&[Some("all")]), |_| 0).unwrap();
    // The reader of before sees it, beside the writer.
    assert_eq!(matching(&reading, json!({"cluster": "all"})).unwrap(), [1]);
    let error = reading.drop_clustering("a").unwrap_err();
    assert!(matches!(error, Error::ReadOnly { .. }));
    put_labelled(&store, "c", json!({}), &[(1, 0)]);
    drop(store);
    let store = Store::open(&path, Access::ReadWrite).unwrap();
    assert_eq!(matching(&store, json!({"cluster": 0})).unwrap(), [1, 2]);
    store.copy_to(folder.path().join("copy.sqlite")).unwrap();
    let copy = Store::open(folder.path().join("copy.sqlite"), Access::ReadWrite).unwrap();
    copy.check().unwrap();
    assert_eq!(
        matching(&copy, json!({"cluster.a": "all"})).unwrap(),
        [1, 2]
    );
    store.drop_clustering("a").unwrap();
    put(&store, "d", json!({}));
    store.check().unwrap();
}
