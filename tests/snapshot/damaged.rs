//! What must not be restored: snapshots that are cut, damaged or crafted, and files that are none. Nothing changes then.

use std::{fs, io::Write, path::Path};

use sha2::{Digest, Sha256};
use vinedb::{
    Collection,
    snapshot::{Entry, Manifest},
};

use super::{NAME, filled};
use crate::sample::{Rng, answers, names, writer};

/// Tries to restore `file` into a database of its own, which must refuse it and be as it was.
fn refused(file: &Path, what: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let db = writer(dir.path());
    let error = match db.restore("copy", file) {
        Ok(_) => panic!("{what} was restored"),
        Err(error) => error.to_string(),
    };
    assert_eq!(names(dir.path()), ["LOCK"], "{what}");
    assert!(db.collections().unwrap().is_empty());
    error
}

#[test]
fn a_truncated_snapshot_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_db, collection) = filled(&dir.path().join("db"));
    let file = dir.path().join("c.snapshot");
    collection.snapshot(&file).unwrap();
    let bytes = fs::read(&file).unwrap();
    let cut = dir.path().join("cut");
    let length = bytes.len();
    let near_the_end = (1..=12).map(|less| length - less);
    for kept in [0, 1, 4, 20, 100, length / 4, length / 2, length * 9 / 10]
        .into_iter()
        .chain(near_the_end)
    {
        fs::write(&cut, &bytes[..kept]).unwrap();
        let error = refused(&cut, &format!("{kept} of {length} bytes"));
        assert!(
            error.contains(cut.to_str().unwrap()) && error.contains("nothing was changed"),
            "{error}"
        );
    }
    fs::write(&cut, [bytes.as_slice(), b"more"].concat()).unwrap();
    refused(&cut, "bytes after the end");
}

/// A few bits of the frame's header say nothing about what is in it, so a flip there may be harmless; then the whole is.
#[test]
fn a_flipped_bit_is_refused_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let (_db, collection) = filled(&dir.path().join("db"));
    let file = dir.path().join("c.snapshot");
    collection.snapshot(&file).unwrap();
    let expected = answers(&collection);
    let bytes = fs::read(&file).unwrap();
    let mut rng = Rng(23);
    let early: Vec<usize> = (0..12).collect();
    let anywhere: Vec<usize> = (0..40).map(|_| rng.place(bytes.len())).collect();
    let damaged = dir.path().join("damaged");
    let mut harmless = 0;
    for place in early.into_iter().chain(anywhere) {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1 << rng.below(8);
        fs::write(&damaged, &bytes).unwrap();
        let target = tempfile::tempdir().unwrap();
        let db = writer(target.path());
        match db.restore("copy", &damaged) {
            Err(_) => assert_eq!(names(target.path()), ["LOCK"], "byte {place}"),
            Ok(restored) => {
                assert_eq!(answers(&restored), expected, "byte {place}");
                harmless += 1;
            }
        }
    }
    assert!(harmless <= 2, "{harmless} flips were not noticed");
}

#[test]
fn what_is_no_snapshot_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    let tar = {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        tar.append_data(&mut header, "readme", b"hello".as_slice())
            .unwrap();
        tar.into_inner().unwrap()
    };
    let contents: [(&str, Vec<u8>); 7] = [
        ("empty", Vec::new()),
        ("text", b"country,description\nItaly,a light red\n".to_vec()),
        (
            "gzip",
            [
                0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ]
            .to_vec(),
        ),
        ("compressed text", zstd(&b"text ".repeat(1_000))),
        ("compressed nothing", zstd(b"")),
        ("a plain archive", tar.clone()),
        ("another archive", zstd(&tar)),
    ];
    for (what, bytes) in contents {
        fs::write(&file, bytes).unwrap();
        let error = refused(&file, what);
        assert!(
            error.contains("snapshot") && error.contains(file.to_str().unwrap()),
            "{what}: {error}"
        );
    }
    refused(&dir.path().join("missing"), "a missing file");
    refused(dir.path(), "a folder");
}

/// An archive in the right form with these entries; the manifest says that all is well.
fn craft(file: &Path, entries: &[(&str, &[u8])], sound: bool) {
    let described = entries.iter().map(|(name, bytes)| Entry {
        name: (*name).to_owned(),
        bytes: bytes.len() as u64,
        sha256: if sound {
            sha256(bytes)
        } else {
            sha256(b"something else")
        },
    });
    let manifest = Manifest {
        format: 1,
        version: "0.1.0".into(),
        collection: NAME.into(),
        documents: 1,
        sequence: 1,
        entries: described.collect(),
    };
    let manifest = bincode::serde::encode_to_vec(&manifest, bincode::config::standard()).unwrap();
    let mut tar =
        tar::Builder::new(zstd::Encoder::new(fs::File::create(file).unwrap(), 3).unwrap());
    let entries = entries.iter().map(|(_, bytes)| ("entry", *bytes));
    for (name, bytes) in std::iter::once(("manifest", manifest.as_slice())).chain(entries) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap().flush().unwrap();
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn a_crafted_archive_gets_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let (_db, collection) = filled(&dir.path().join("db"));
    let file = dir.path().join("crafted");
    let outside = dir.path().join("outside");
    let absolute = outside.to_str().unwrap();
    for name in [
        "../outside",
        "a/../../outside",
        absolute,
        "..",
        ".",
        "",
        "/",
        "index-/x",
        ".pending-x",
        "LOCK",
        "index-",
        "documents.sqlite-wal",
    ] {
        craft(&file, &[(name, b"bytes")], true);
        let error = refused(&file, name);
        assert!(
            error.contains("no file of a collection"),
            "{name:?}: {error}"
        );
    }
    assert!(!outside.exists());
    let sound = copy_of_documents(&collection, dir.path());
    craft(&file, &[("documents.sqlite", &sound)], true);
    let target = tempfile::tempdir().unwrap();
    let restored = writer(target.path()).restore("copy", &file).unwrap();
    assert_eq!(
        answers(&restored),
        answers(&collection),
        "the same form with nothing wrong is taken"
    );
    for (what, entries, checksums) in [
        (
            "other checksums",
            vec![("documents.sqlite", sound.as_slice())],
            false,
        ),
        ("no documents", vec![("index-1", sound.as_slice())], true),
        ("nothing", vec![], true),
        (
            "the same name twice",
            vec![
                ("documents.sqlite", sound.as_slice()),
                ("documents.sqlite", sound.as_slice()),
            ],
            true,
        ),
        (
            "no database",
            vec![("documents.sqlite", b"no SQLite".as_slice())],
            true,
        ),
        (
            "a damaged database",
            vec![("documents.sqlite", &sound[..sound.len() / 2])],
            true,
        ),
    ] {
        craft(&file, &entries, checksums);
        refused(&file, what);
    }
}

fn copy_of_documents(collection: &Collection, dir: &Path) -> Vec<u8> {
    let snapshot = dir.join("sound");
    collection.snapshot(&snapshot).unwrap();
    let bytes = zstd::decode_all(fs::File::open(&snapshot).unwrap()).unwrap();
    let mut tar = tar::Archive::new(bytes.as_slice());
    let mut entry = tar.entries().unwrap().nth(1).unwrap().unwrap();
    assert_eq!(entry.path().unwrap().to_str(), Some("documents.sqlite"));
    let mut documents = Vec::new();
    std::io::copy(&mut entry, &mut documents).unwrap();
    documents
}
