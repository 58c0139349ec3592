//! Two processes on one file. The second is this test binary again, told what to do by an environment variable.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use vinedb_storage::{Access, Store};

use crate::fixtures::{Fixture, put};

const FILE: &str = "VINEDB_STORAGE_TEST_FILE";
const TASK: &str = "VINEDB_STORAGE_TEST_TASK";

/// The test that the second process runs, which is where it finds its task. Without one, it is the first process.
const ENTRY: &str = "processes::a_reader_keeps_its_moment_while_another_process_commits";

fn spawn(task: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([ENTRY, "--exact", "--nocapture", "--quiet"])
        .env(TASK, task)
        .env(FILE, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The second process: writes and says so, until its input ends or it is told to die.
#[expect(clippy::print_stdout, reason = "that is how it tells the first")]
fn second_process(task: &str) {
    let store = Store::open(std::env::var_os(FILE).unwrap(), Access::ReadWrite).unwrap();
    for number in 0..1_000_000 {
        put(&store, number % 50, json!({ "n": number }));
        println!("\nwrote {number}");
        std::io::stdout().flush().unwrap();
        match task {
            "die after ten" if number == 10 => std::process::abort(),
            "one per byte" if std::io::stdin().read(&mut [0]).unwrap() == 0 => return,
            _ => {}
        }
    }
}

/// The numbers that the second process says it wrote.
fn acknowledged(child: &mut Child) -> impl Iterator<Item = i64> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    lines.filter_map(|line| {
        line.strip_prefix("wrote ")
            .and_then(|number| number.parse().ok())
    })
}

#[test]
fn a_reader_keeps_its_moment_while_another_process_commits() {
    if let Ok(task) = std::env::var(TASK) {
        return second_process(&task);
    }
    let fixture = Fixture::new();
    let path = fixture.path();
    let Fixture {
        store,
        folder: _folder,
    } = fixture;
    drop(store);
    let store = Store::open(&path, Access::ReadOnly).unwrap();
    let mut child = spawn("one per byte", &path);
    let mut writes = acknowledged(&mut child);
    assert_eq!(writes.next(), Some(0));
    let reader = store.read().unwrap();
    let before = reader.scroll(0, 100, None, true).unwrap();
    for expected in 1..5 {
        child.stdin.as_mut().unwrap().write_all(b".").unwrap();
        assert_eq!(writes.next(), Some(expected));
        assert_eq!(
            (
                reader.sequence(),
                reader.scroll(0, 100, None, true).unwrap()
            ),
            (1, before.clone())
        );
        let later = store.read().unwrap();
        assert_eq!(
            (later.sequence(), later.count(None).unwrap()),
            (expected.cast_unsigned() + 1, expected.cast_unsigned() + 1)
        );
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn every_acknowledged_write_survives_a_crash() {
    let fixture = Fixture::new();
    let path = fixture.path();
    let Fixture {
        store,
        folder: _folder,
    } = fixture;
    drop(store);
    let mut child = spawn("die after ten", &path);
    let last = acknowledged(&mut child).last();
    assert!(!child.wait().unwrap().success());
    assert_eq!(last, Some(10));
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let store = Store::open(&path, access).unwrap();
        store.check().unwrap();
        assert_eq!(store.read().unwrap().sequence(), 11);
    }
}

#[test]
fn a_killed_writer_leaves_what_it_acknowledged_and_perhaps_one_more() {
    let fixture = Fixture::new();
    let path = fixture.path();
    let Fixture {
        store,
        folder: _folder,
    } = fixture;
    drop(store);
    let mut child = spawn("go on", &path);
    let mut writes = acknowledged(&mut child);
    let at_kill = writes.by_ref().take(120).last().unwrap();
    child.kill().unwrap();
    let last = writes.last().unwrap_or(at_kill);
    child.wait().unwrap();
    let store = Store::open(&path, Access::ReadWrite).unwrap();
    store.check().unwrap();
    let found = store.read().unwrap().sequence().cast_signed();
    assert!(
        (last + 1..=last + 2).contains(&found),
        "{last} acknowledged, {found} found"
    );
    put(&store, "next", json!({}));
}
