//! Documents with a vector for each passage, and files from before there were any.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::json;
use vinedb_storage::{Access, Error, Filter, Key, NewDocument, Passage, Seal, Store, Written};

use crate::fixtures::{Fixture, fields, put};

const TEXT: &str = "Tar and roses. Long finish. Drink late.";
const PASSAGES: [std::ops::Range<usize>; 3] = [0..14, 15..27, 28..39];

/// A document with three passages, whose vectors are `[n, 0]`, `[n, 1]` and `[n, 2]`.
fn put_passages(store: &Store, key: &str, n: u8) -> Written {
    let (key, metadata) = (Key::from(key), fields(json!({ "n": n })));
    let n = f32::from(n);
    let document = NewDocument {
        key: &key,
        text: Some(TEXT),
        metadata: &metadata,
        passages: &PASSAGES,
        vector: &[n, 0.0, n, 1.0, n, 2.0],
    };
    store.upsert(&[document]).unwrap()
}

fn ids(passages: &[Passage]) -> Vec<i64> {
    passages.iter().map(|passage| passage.id).collect()
}

#[test]
fn a_document_has_the_last_of_its_passages_ids() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let first = put_passages(store, "a", 1);
    let second = put_passages(store, "b", 2);
    assert_eq!((first.ids, second.ids.clone()), (vec![3], vec![6]));
    let reader = store.read().unwrap();
    assert_eq!((reader.last_id(), reader.count(None).unwrap()), (6, 2));
    assert_eq!(reader.matching(&Filter::eq("n", 2)).unwrap(), [6]);
    let of_b = reader.passages_of(&[6]).unwrap();
    assert_eq!(ids(&of_b), [4, 5, 6]);
    let words: Vec<&str> = of_b.iter().map(|at| &TEXT[at.start..at.end]).collect();
    assert_eq!(words, ["Tar and roses.", "Long finish.", "Drink late."]);
    let vectors = reader.vectors(&[4, 5, 6, 7]).unwrap();
    let expected = [[2.0, 0.0], [2.0, 1.0], [2.0, 2.0]].map(|vector| Some(vector.to_vec()));
    assert_eq!(vectors[..3], expected);
    assert_eq!(vectors[3], None);
    store.check().unwrap();
}

#[test]
fn all_ids_of_a_document_go_with_it_and_a_seal_remembers_them() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    put_passages(store, "a", 1);
    put_passages(store, "b", 2);
    let seal = Seal {
        generation: 1,
        file: "index-1".into(),
        kind: "Flat".into(),
        last_id: 6,
        sequence: 2,
        keeps_removed: false,
    };
    store.seal(&seal).unwrap();
    let again = put_passages(store, "a", 3);
    assert_eq!(
        (again.ids, again.replaced, again.updated),
        (vec![9], vec![1, 2, 3], 1)
    );
    let gone = store.delete(&[Key::from("b")]).unwrap();
    assert_eq!((gone.ids, gone.documents), (vec![4, 5, 6], 1));
    let reader = store.read().unwrap();
    assert_eq!(reader.removed().unwrap(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(reader.passage_count().unwrap(), 3);
    assert_eq!(reader.passages(&[1, 6]).unwrap(), [None, None]);
    store.check().unwrap();
}

#[test]
fn vectors_must_be_as_many_as_passages() {
    let fixture = Fixture::new();
    let (key, metadata) = (Key::from("a"), fields(json!({})));
    let document = NewDocument {
        key: &key,
        text: Some(TEXT),
        metadata: &metadata,
        passages: &PASSAGES,
        vector: &[0.0; 4],
    };
    let error = fixture.store.upsert(&[document]).unwrap_err();
    assert!(
        matches!(
            error,
            Error::DimensionMismatch {
                expected: 6,
                actual: 4,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn check_finds_passages_that_contradict() {
    let fixture = Fixture::new();
    put_passages(&fixture.store, "a", 1);
    put_passages(&fixture.store, "b", 2);
    let path = fixture.path();
    let Fixture { store, folder } = fixture;
    drop(store);
    let whole = fs::read(&path).unwrap();
    for (damage, complaint) in [
        (
            "DELETE FROM vectors WHERE id = 2",
            "1 passages have no vector",
        ),
        (
            "DELETE FROM passages WHERE id = 2",
            "1 vectors have no document",
        ),
        (
            "DELETE FROM passages WHERE id = 3",
            "1 passages do not stand",
        ),
        (
            "UPDATE passages SET document = 6 WHERE id = 3",
            "1 passages do not stand",
        ),
        (
            "UPDATE passages SET document = 5 WHERE id = 5",
            "1 passages have no document",
        ),
        (
            "UPDATE passages SET end_byte = 40 WHERE id = 6",
            "1 passages are not within",
        ),
        (
            "UPDATE passages SET start_byte = 39 WHERE id = 6",
            "1 passages are not within",
        ),
        (
            "UPDATE documents SET text = NULL WHERE id = 6",
            "3 passages are not within",
        ),
    ] {
        fs::write(&path, &whole).unwrap();
        Connection::open(&path)
            .unwrap()
            .execute_batch(damage)
            .unwrap();
        let error = Store::open(&path, Access::ReadOnly).unwrap().check();
        let error = error.unwrap_err().to_string();
        assert!(error.contains(complaint), "{damage}: {error}");
    }
    drop(folder);
}

/// A file as format 1 was written: two documents, one that is gone, a sealed index.
fn format_1(folder: &Path) -> PathBuf {
    let path = folder.join("documents.sqlite");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "PRAGMA page_size = 8192; PRAGMA application_id = 0x76696e65; PRAGMA user_version = 1;",
        )
        .unwrap();
    connection
        .execute_batch(include_str!("../schema/0001.sql"))
        .unwrap();
    connection
        .execute_batch(
            r#"INSERT INTO collection VALUES (1, '{"metric":"l2"}', 2, 4, 2, 1, 'index-1', 'Flat', 3, 3, 0);
            INSERT INTO documents VALUES (2, 'b', 0, x'4c1a6e1332', 'two'), (3, '17', 1, x'0c', NULL);
            INSERT INTO vectors VALUES (2, x'0000803f00000040'), (3, x'0000000000000000');
            INSERT INTO removed VALUES (1, 4);"#,
        )
        .unwrap();
    path
}

fn version(path: &Path) -> u32 {
    let connection = Connection::open(path).unwrap();
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

/// What [`format_1`] holds.
fn holds_the_old(store: &Store) {
    store.check().unwrap();
    assert_eq!(store.config(), r#"{"metric":"l2"}"#);
    let reader = store.read().unwrap();
    assert_eq!((reader.sequence(), reader.last_id()), (4, 3));
    assert_eq!(reader.removed().unwrap(), [1]);
    let records = reader.scroll(0, 9, None, true).unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].key, Key::from("b"));
    assert_eq!(records[0].text.as_deref(), Some("two"));
    assert_eq!(records[0].metadata, fields(json!({"n": 2})));
    assert_eq!(records[0].vector, Some(vec![1.0, 2.0]));
    assert_eq!(records[1].key, Key::from(17));
}

#[test]
fn a_file_of_format_1_is_read_as_it_is_and_upgraded_when_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = format_1(folder.path());
    let reading = Store::open(&path, Access::ReadOnly).unwrap();
    holds_the_old(&reading);
    reading.copy_to(folder.path().join("copy.sqlite")).unwrap();
    assert_eq!(version(&path), 1);

    let store = Store::open(&path, Access::ReadWrite).unwrap();
    assert_eq!(version(&path), 3);
    holds_the_old(&store);
    holds_the_old(&reading);
    assert_eq!(put_passages(&store, "b", 5).replaced, [2]);
    assert_eq!(put(&store, "c", json!({})).ids, [7]);
    store.check().unwrap();
    let reader = reading.read().unwrap();
    assert_eq!(ids(&reader.passages_of(&[6]).unwrap()), [4, 5, 6]);
    drop(reader);
    drop(store);
    holds_the_old(&Store::open(folder.path().join("copy.sqlite"), Access::ReadWrite).unwrap());
    let store = Store::open(&path, Access::ReadWrite).unwrap();
    assert_eq!(
        store
            .delete(&[Key::from("b"), Key::from("c")])
            .unwrap()
            .documents,
        2
    );
    store.check().unwrap();
}
