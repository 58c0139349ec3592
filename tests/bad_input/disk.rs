//! A disk that cannot be written, and one that is full.

use std::{
    fs::{self, OpenOptions, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command,
};

use serde_json::json;
use vinedb_tests::{Run, Scratch, binary, home};

use super::{content, database, refused};
use crate::cli::keys;

/// Copies the program to where everybody may run it. Another process does it: a file that is open for writing in this one, where
/// other tests start programs at the same time, could not be started.
fn copy_program(scratch: &Scratch) {
    let copy = Command::new("cp")
        .arg(binary())
        .arg(scratch.path("vinedb"))
        .status();
    assert!(copy.unwrap().success());
    fs::set_permissions(scratch.path("vinedb"), Permissions::from_mode(0o755)).unwrap();
}

/// Somebody whom permissions bind: ourselves, or, where we are root, the user nobody.
fn bound(scratch: &Scratch, args: &[&str]) -> Run {
    let mut command = Command::new(scratch.path("vinedb"));
    command
        .args(args)
        .env("VINEDB_HOME", home())
        .current_dir(scratch.path("."));
    let probe = scratch.path("db/probe");
    if fs::write(&probe, "").is_ok() {
        fs::remove_file(probe).unwrap();
        command.uid(65_534).gid(65_534);
    }
    command.output().unwrap().into()
}

/// Gives the database's folders and files these permissions.
fn permit(scratch: &Scratch, folder: u32, file: u32) {
    for path in content(scratch)
        .keys()
        .map(Path::new)
        .chain([scratch.path("db/LOCK").as_path()])
    {
        fs::set_permissions(path, Permissions::from_mode(file)).unwrap();
    }
    for path in [
        scratch.path("."),
        scratch.path("db"),
        scratch.path("db/given"),
    ] {
        let mode = if path == scratch.path(".") {
            0o755
        } else {
            folder
        };
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn a_database_that_cannot_be_written_is_read_and_not_changed() {
    let scratch = database();
    let before = content(&scratch);
    copy_program(&scratch);
    permit(&scratch, 0o555, 0o444);
    let run = |args: &[&str]| bound(&scratch, args);
    for (args, words) in [
        (vec!["delete", "db", "given", "1"], ["LOCK", "denied"]),
        (
            vec!["import", "db", "given", "rows.json"],
            ["LOCK", "denied"],
        ),
        (
            vec!["create", "db", "c", "--dimension", "2"],
            ["LOCK", "denied"],
        ),
        (vec!["drop", "db", "given"], ["LOCK", "denied"]),
        (vec!["snapshot", "db", "given", "db/file"], ["db", "denied"]),
        (
            vec!["create", "db/new", "c", "--dimension", "2"],
            ["db/new", "denied"],
        ),
    ] {
        let run = run(&args);
        assert!(
            words.iter().all(|word| run.error().contains(word)),
            "{words:?}: {run:?}"
        );
        assert!(run.error().contains("check who may"), "{run:?}");
    }
    let counted = run(&["count", "db", "given", "--json"]).ok();
    assert_eq!(
        (counted.json(), counted.stderr.as_str()),
        (json!({"count": 3}), "")
    );
    let found = run(&["search", "db", "given", "--like", "2", "-k", "1", "--json"]).ok();
    assert_eq!(keys(&found.json()), [3]);
    permit(&scratch, 0o755, 0o644);
    assert!(content(&scratch) == before);
}

/// A shell that may make no file longer than this many bytes, as if the disk were full there, and goes on as `vinedb`.
fn limited(scratch: &Scratch, bytes: usize, args: &[&str]) -> Run {
    let script = format!(
        "trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"",
        bytes / 512
    );
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script])
        .arg(binary())
        .args(args)
        .env("VINEDB_HOME", home());
    shell
        .current_dir(scratch.path("."))
        .output()
        .unwrap()
        .into()
}

#[test]
fn a_full_disk_changes_nothing() {
    let scratch = database();
    let before = content(&scratch);
    let row = |key: usize| {
        format!(
            "{{\"key\": {key}, \"vector\": [1, 2], \"metadata\": {{\"x\": \"{}\"}}}}\n",
            "y".repeat(20_000)
        )
    };
    scratch.write("large.jsonl", (10..40).map(row).collect::<String>());
    let run = limited(
        &scratch,
        200 * 1024,
        &["import", "db", "given", "large.jsonl"],
    );
    assert!(run.error().contains("documents.sqlite"), "{run:?}");
    assert_eq!(run.stdout, "");
    assert!(content(&scratch) == before);
    let run = limited(&scratch, 40 * 1024, &["snapshot", "db", "given", "file"]);
    assert!(run.error().contains("documents.sqlite"), "{run:?}");
    assert!(!scratch.path("file").exists());
    assert!(fs::read_dir(scratch.path(".")).unwrap().all(|entry| {
        !entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("snapshot")
    }));
}

#[test]
fn a_full_disk_under_what_is_written_beside_the_database_is_an_error() {
    let scratch = database();
    scratch.write("bad.jsonl", "{\"key\": 1}\n");
    let run = scratch.run("import", &["given", "bad.jsonl", "--rejects", "/dev/full"]);
    let last = run.stderr.lines().last().unwrap();
    assert_eq!(run.code, 1);
    assert!(
        last.starts_with("error: /dev/full: ") && last.contains("make room"),
        "{run:?}"
    );
    refused(
        &scratch,
        "snapshot",
        &["given", "/dev/full"],
        &["/dev/full", "exist"],
    );
    let out = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = Run::from(
        scratch
            .command("count", &["given"])
            .stdout(out)
            .output()
            .unwrap(),
    );
    assert!(
        run.error().contains("standard output") && run.error().contains("make room"),
        "{run:?}"
    );
}
