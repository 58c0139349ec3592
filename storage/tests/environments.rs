//! Files that are something else, cut off, damaged, old or new; folders and disks that refuse; names that are awkward.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::json;
use vinedb_storage::{Access, Error, Filter, Key, NewDocument, Store};

use crate::fixtures::{Fixture, fields, put};

fn both(path: &Path, expected: impl Fn(&Error) -> bool) {
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let error = Store::open(path, access).unwrap_err();
        assert!(expected(&error), "{access:?}: {error:?}");
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
}

/// A file with 200 documents, closed.
fn closed() -> (tempfile::TempDir, std::path::PathBuf) {
    let fixture = Fixture::new();
    for key in 0..200 {
        fixture.put(key, json!({"notes": "x".repeat(500)}));
    }
    let path = fixture.path();
    let Fixture { store, folder } = fixture;
    drop(store);
    (folder, path)
}

fn alter(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn create_and_open_say_what_is_there_and_what_is_not() {
    let fixture = Fixture::new();
    assert!(matches!(
        Store::create(fixture.path(), "", 2),
        Err(Error::Exists { .. })
    ));
    both(&fixture.folder.path().join("absent.sqlite"), |error| {
        matches!(error, Error::Missing { .. })
    });
    both(&fixture.folder.path().join("no/folder.sqlite"), |error| {
        matches!(error, Error::Missing { .. })
    });
    for dimension in [0, 65_537] {
        let path = fixture.folder.path().join("bad.sqlite");
        assert!(matches!(
            Store::create(&path, "", dimension),
            Err(Error::BadDimension { .. })
        ));
        assert!(!path.exists());
    }
    assert!(Store::create(fixture.folder.path().join("no/folder.sqlite"), "", 2).is_err());
}

#[test]
fn configuration_and_dimension_survive() {
    let fixture = Fixture::new();
    let reader = Store::open(fixture.path(), Access::ReadOnly).unwrap();
    assert_eq!(
        (reader.config(), reader.dimension()),
        (r#"{"metric":"l2"}"#, 2)
    );
}

#[test]
fn a_name_means_nothing_but_itself() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "a?mode=memory",
        "a#b",
        "100%41",
        "file:x",
        ":memory:",
        "ü 🍷 '\"",
        "a;b",
    ] {
        let path = folder.path().join(name);
        let store = Store::create(&path, "", 2).unwrap();
        put(&store, "k", json!({}));
        drop(store);
        assert!(path.is_file(), "{name}");
        assert_eq!(
            Store::open(&path, Access::ReadOnly)
                .unwrap()
                .read()
                .unwrap()
                .count(None)
                .unwrap(),
            1,
            "{name}"
        );
        Store::open(&path, Access::ReadWrite)
            .unwrap()
            .copy_to(folder.path().join(format!("{name}-copy")))
            .unwrap();
    }
}

#[test]
fn what_is_no_collection_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("documents.sqlite");
    for content in [&b"not a database, but long enough to have a header of one hundred bytes, which this sentence has by now"[..], b"", b"short"] {
        fs::write(&path, content).unwrap();
        both(&path, |error| matches!(error, Error::NotACollection { .. }));
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    fs::remove_file(&path).unwrap();
    alter(&path, "CREATE TABLE theirs (a); PRAGMA user_version = 1");
    both(&path, |error| matches!(error, Error::NotACollection { .. }));
}

#[test]
fn a_file_from_the_future_is_refused_with_both_versions() {
    let (_folder, path) = closed();
    alter(&path, "PRAGMA user_version = 7");
    both(&path, |error| {
        matches!(
            error,
            Error::NewerVersion {
                found: 7,
                supported: 3,
                ..
            }
        )
    });
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let (_folder, path) = closed();
    let whole = fs::read(&path).unwrap();
    for length in [50, 100, 4_096, 8_192, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        both(&path, |error| {
            matches!(error, Error::Corrupt { .. } | Error::NotACollection { .. })
        });
    }
    fs::write(&path, &whole).unwrap();
    Store::open(&path, Access::ReadWrite)
        .unwrap()
        .check()
        .unwrap();
}

#[test]
fn damaged_bytes_are_an_error_and_never_a_panic() {
    let (_folder, path) = closed();
    let whole = fs::read(&path).unwrap();
    for at in (100..whole.len()).step_by(997) {
        let mut damaged = whole.clone();
        damaged[at..(at + 40).min(whole.len())].fill(0xa5);
        fs::write(&path, &damaged).unwrap();
        let Ok(store) = Store::open(&path, Access::ReadOnly) else {
            continue;
        };
        let Ok(reader) = store.read() else { continue };
        let _ = reader.scroll(0, usize::MAX, Some(&Filter::eq("notes", 1).not()), true);
        let _ = reader.get(&[Key::from(3)], true);
        let _ = reader.for_each_vector(0, &mut |_, _| std::ops::ControlFlow::Continue(()));
        drop(reader);
        let _ = store.check();
    }
}

#[test]
fn check_finds_each_contradiction() {
    let (_folder, path) = closed();
    let whole = fs::read(&path).unwrap();
    for (damage, complaint) in [
        (
            "DELETE FROM vectors WHERE id = 3",
            "1 documents have no vector",
        ),
        (
            "INSERT INTO vectors VALUES (900, zeroblob(8))",
            "1 vectors have no document",
        ),
        (
            "UPDATE vectors SET vector = zeroblob(4) WHERE id < 3",
            "2 vectors have another length",
        ),
        (
            "UPDATE vectors SET vector = x'0000c07f00000000' WHERE id = 9",
            "vector 9 has NaN",
        ),
        (
            "INSERT INTO removed VALUES (3, 1)",
            "1 removed ids are alive",
        ),
        (
            "INSERT INTO removed VALUES (900, 900)",
            "1 removals are from the future",
        ),
        (
            "UPDATE collection SET seal_sequence = 900",
            "1 sealed indexes are from the future",
        ),
        (
            "UPDATE collection SET documents = 7",
            "193 documents more or fewer",
        ),
        (
            "UPDATE sqlite_sequence SET seq = 190",
            "10 documents have ids that were never given",
        ),
        (
            "UPDATE documents SET key = 'x' WHERE id = 5",
            "document 5 has a key",
        ),
        (
            "UPDATE documents SET metadata = jsonb('[1]') WHERE id = 5",
            "metadata is malformed",
        ),
        (
            "UPDATE documents SET metadata = x'ff' WHERE id = 5",
            "metadata is malformed",
        ),
    ] {
        fs::write(&path, &whole).unwrap();
        alter(&path, &format!("PRAGMA foreign_keys = OFF; {damage}"));
        let error = Store::open(&path, Access::ReadOnly)
            .unwrap()
            .check()
            .unwrap_err();
        assert!(
            matches!(&error, Error::Corrupt { reason, .. } if reason.contains(complaint)),
            "{damage}: {error}"
        );
    }
}

#[test]
fn a_read_only_store_refuses_writes() {
    let fixture = Fixture::new();
    fixture.put("a", json!({}));
    let store = Store::open(fixture.path(), Access::ReadOnly).unwrap();
    let (key, none) = (Key::from("b"), fields(json!({})));
    let document = NewDocument {
        key: &key,
        text: None,
        metadata: &none,
        passages: &[],
        vector: &[0.0, 0.0],
    };
    assert!(matches!(
        store.upsert(&[document]),
        Err(Error::ReadOnly { .. })
    ));
    assert!(matches!(
        store.delete(&[Key::from("a")]),
        Err(Error::ReadOnly { .. })
    ));
    assert!(matches!(
        store.delete_matching(&Filter::everything()),
        Err(Error::ReadOnly { .. })
    ));
    assert_eq!(store.read().unwrap().count(None).unwrap(), 1);
    fixture.put("c", json!({}));
    assert_eq!(
        store.read().unwrap().count(None).unwrap(),
        2,
        "it follows the writer"
    );
}

#[test]
fn a_copy_is_whole_consistent_and_compact() {
    let fixture = Fixture::new();
    for key in 0..300 {
        fixture.put(key, json!({"n": key, "notes": "x".repeat(400)}));
    }
    fixture
        .store
        .delete_matching(&Filter::gte("n", 10))
        .unwrap();
    let path = fixture.folder.path().join("copy.sqlite");
    fixture.store.copy_to(&path).unwrap();
    assert!(matches!(
        fixture.store.copy_to(&path),
        Err(Error::Exists { .. })
    ));
    let reading = Store::open(fixture.path(), Access::ReadOnly).unwrap();
    reading
        .copy_to(fixture.folder.path().join("second.sqlite"))
        .unwrap();

    let copy = Store::open(&path, Access::ReadWrite).unwrap();
    copy.check().unwrap();
    assert_eq!(copy.config(), fixture.store.config());
    assert!(copy.size_bytes().unwrap() < fixture.store.size_bytes().unwrap());
    let all = |store: &Store| {
        store
            .read()
            .unwrap()
            .scroll(0, usize::MAX, None, true)
            .unwrap()
    };
    assert_eq!(all(&copy), all(&fixture.store));
    assert!(
        put(&copy, "new", json!({})).ids[0] > 300,
        "ids go on where they were"
    );
}

#[test]
fn a_copy_without_a_wal_is_read_where_it_lies() {
    let fixture = Fixture::new();
    fixture.put("a", json!({}));
    let path = fixture.folder.path().join("copy.sqlite");
    fixture.store.copy_to(&path).unwrap();
    let before = fs::read(&path).unwrap();
    let copy = Store::open(&path, Access::ReadOnly).unwrap();
    assert_eq!(copy.read().unwrap().count(None).unwrap(), 1);
    drop(copy);
    assert_eq!(fs::read(&path).unwrap(), before);
}
