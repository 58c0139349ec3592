//! What is refused, and how: one sentence on standard error that names the thing, what was given and what to do; exit code 1,
//! or 2 where clap refuses the arguments; nothing changed in the database.
//!
//! That nothing changed is shown on the bytes of the database's files, not on what the commands say about them.

mod arguments;
mod disk;
mod files;
mod rows;

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::json;
use vinedb_tests::Scratch;

/// A database with three documents: `given` of two components each, sealed in an index.
fn database() -> Scratch {
    let scratch = Scratch::new();
    scratch.json("create", &["given", "--dimension", "2", "--metric", "l2"]);
    let row = |key: u32, x: f32| json!({"key": key, "vector": [x, 1], "metadata": {"x": x}});
    scratch.write(
        "rows.json",
        json!([row(1, 0.0), row(2, 5.0), row(3, 9.0)]).to_string(),
    );
    assert_eq!(scratch.json("import", &["given", "rows.json"])["added"], 3);
    scratch
}

/// The same with a collection `texts` beside it that the default model embeds, empty.
fn with_texts() -> Scratch {
    let scratch = database();
    scratch.json("create", &["texts"]);
    scratch
}

/// Every file of the database with its bytes, but for the lock and what SQLite keeps for readers at work.
fn content(scratch: &Scratch) -> BTreeMap<String, Vec<u8>> {
    fn add(folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.display().to_string();
            if path.is_dir() {
                add(&path, files);
            } else if !(name.ends_with("-shm") || name.ends_with("LOCK")) {
                let bytes = fs::read(&path).unwrap();
                if !(name.ends_with("-wal") && bytes.is_empty()) {
                    files.insert(name, bytes);
                }
            }
        }
    }
    let mut files = BTreeMap::new();
    add(&scratch.path("db"), &mut files);
    files
}

/// A command is refused with exit code 1 and one sentence that has all of `words`; standard output and database stay as they are.
fn refused(scratch: &Scratch, verb: &str, args: &[&str], words: &[&str]) {
    let before = content(scratch);
    let run = scratch.run(verb, args);
    let sentence = run.error();
    for word in words {
        assert!(sentence.contains(word), "{word:?} is missing: {sentence}");
    }
    assert_eq!(run.stdout, "", "{verb} {args:?}");
    assert!(
        content(scratch) == before,
        "{verb} {args:?} changed something"
    );
}

/// Every row of a file is refused: exit code 1, the summary counts them, a line on standard error has all of `words`.
fn rejected(scratch: &Scratch, args: &[&str], rows: usize, words: &[&str]) {
    let before = content(scratch);
    let run = scratch.run("import", &[args, &["--json"]].concat());
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(run.json()["rejected"], rows, "{run:?}");
    assert!(
        run.stderr
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word))),
        "{words:?}: {}",
        run.stderr
    );
    assert!(content(scratch) == before, "{args:?} changed something");
}
