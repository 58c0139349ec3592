//! Folders that are no database, files of another version or cut off, and a database that is being written.

use std::{
    fs::{self, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde_json::json;
use vinedb_tests::{Run, Scratch};

use super::{database, refused};
use crate::cli::keys;

/// The index file of `given`.
fn index(scratch: &Scratch) -> PathBuf {
    let mut files = fs::read_dir(scratch.path("db/given"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("index-")
        })
        .expect("a sealed index")
}

#[test]
fn a_truncated_index_file_costs_a_warning_and_no_answer() {
    let scratch = database();
    let path = index(&scratch);
    let whole = fs::read(&path).unwrap();
    scratch.write("q.json", "[4, 1]");
    let search = || {
        scratch
            .run("search", &["given", "--vector-file", "q.json", "--json"])
            .ok()
    };
    for length in [0, 7, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let run = search();
        assert_eq!(keys(&run.json()[0]), [2, 1, 3], "{length} bytes left");
        let warnings: Vec<&str> = run.stderr.lines().collect();
        assert_eq!(warnings.len(), 1, "{run:?}");
        assert!(
            warnings[0].contains("index-") && warnings[0].contains("no document is lost"),
            "{run:?}"
        );
    }
    scratch.json("compact", &["given"]);
    let run = search();
    assert_eq!(
        (keys(&run.json()[0]), run.stderr.as_str()),
        (vec![2.into(), 1.into(), 3.into()], "")
    );
}

/// Offset of `user_version` in the header of an SQLite file, four bytes, big-endian (its file format, section 1.3).
const USER_VERSION: u64 = 60;

/// Puts another format version into a collection's file, and returns the one that was there.
fn set_version(path: &Path, version: u32) -> u32 {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut bytes = [0; 4];
    file.seek(SeekFrom::Start(USER_VERSION)).unwrap();
    file.read_exact(&mut bytes).unwrap();
    file.seek(SeekFrom::Start(USER_VERSION)).unwrap();
    file.write_all(&version.to_be_bytes()).unwrap();
    u32::from_be_bytes(bytes)
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let scratch = database();
    let path = scratch.path("db/given/documents.sqlite");
    let ours = set_version(&path, 4_711);
    let words = [
        "documents.sqlite",
        "4711",
        &ours.to_string(),
        "upgrade vinedb",
    ];
    for (verb, args) in [
        ("count", vec!["given"]),
        ("import", vec!["given", "rows.json"]),
        ("delete", vec!["given", "1"]),
        ("stats", vec![]),
    ] {
        refused(&scratch, verb, &args, &words);
    }
    assert_eq!(set_version(&path, ours), 4_711);
    assert_eq!(scratch.json("count", &["given"])["count"], 3);
}

#[test]
fn folders_and_files_that_are_no_database_are_left_alone() {
    let scratch = Scratch::new();
    refused_elsewhere(&scratch, "count", &["c"], &["no database", "vinedb create"]);
    refused_elsewhere(
        &scratch,
        "import",
        &["c", "x.csv"],
        &["no database", "vinedb create"],
    );
    assert!(!scratch.path("db").exists(), "nothing was made");
    scratch.write("db", "a file");
    for (verb, args) in [
        ("count", vec!["c"]),
        ("create", vec!["c", "--dimension", "2"]),
        ("stats", vec![]),
    ] {
        refused_elsewhere(&scratch, verb, &args, &["not a vinedb database", "folder"]);
    }
    assert_eq!(fs::read_to_string(scratch.path("db")).unwrap(), "a file");
    fs::remove_file(scratch.path("db")).unwrap();
    fs::create_dir(scratch.path("db")).unwrap();
    scratch.write("db/letter.txt", "dear");
    for (verb, args) in [
        ("count", vec!["c"]),
        ("create", vec!["c", "--dimension", "2"]),
        ("stats", vec![]),
    ] {
        refused_elsewhere(
            &scratch,
            verb,
            &args,
            &["not a vinedb database", "other files"],
        );
    }
    assert_eq!(fs::read_dir(scratch.path("db")).unwrap().count(), 1);
}

#[test]
fn a_collection_whose_file_is_something_else_is_left_alone() {
    let scratch = database();
    scratch.write(
        "db/given/documents.sqlite",
        "no SQLite file, but long enough to have been one".repeat(10),
    );
    refused(
        &scratch,
        "count",
        &["given"],
        &["documents.sqlite", "not a vinedb collection"],
    );
    refused(
        &scratch,
        "delete",
        &["given", "1"],
        &["documents.sqlite", "not a vinedb collection"],
    );
}

fn refused_elsewhere(scratch: &Scratch, verb: &str, args: &[&str], words: &[&str]) {
    let run = scratch.run(verb, args);
    assert!(
        words.iter().all(|word| run.error().contains(word)),
        "{words:?}: {run:?}"
    );
}

#[test]
fn a_second_writer_is_told_who_the_first_is() {
    let scratch = database();
    let (child, rows) = scratch.import_from_pipe("given");
    let holder = format!("process {} (vinedb)", child.id());
    let words = [holder.as_str(), "read-only"];
    refused(&scratch, "import", &["given", "rows.json"], &words);
    refused(&scratch, "delete", &["given", "1"], &words);
    refused(&scratch, "create", &["c", "--dimension", "2"], &words);
    refused(&scratch, "serve", &["--addr", "127.0.0.1:0"], &words);
    assert_eq!(scratch.json("count", &["given"])["count"], 3);
    drop(rows);
    let _ = Run::from(child.wait_with_output().unwrap()).ok();
    assert_eq!(
        scratch.json("delete", &["given", "1"]),
        json!({"deleted": 1})
    );
}
