//! What others see of an import that runs, and what an interrupted one leaves.

use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
};

use serde_json::json;
use vinedb_tests::{Run, signal, wait_for};

use super::{counts, plane, texts};
use crate::cli::keys;

/// Texts of the interrupted import: several times what is on its way at a time.
const ROWS: u64 = 1_600;

#[test]
fn an_interrupted_import_keeps_what_it_has_and_goes_on_from_there() {
    let scratch = texts(&[]);
    let rows: String = (0..ROWS).map(|row| format!("{row},red {row}\n")).collect();
    scratch.write("wines.csv", format!("id,text\n{rows}"));
    let mut import = scratch.command("import", &["c", "wines.csv", "--json"]);
    let mut child = import
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let committed = || scratch.json("count", &["c"])["count"].as_u64().unwrap();
    wait_for("a first commit", || {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the import is over before it could be stopped"
        );
        (committed() > 0).then_some(())
    });
    signal(&child, "INT");
    let run = Run::from(child.wait_with_output().unwrap());
    assert_eq!(run.code, 130, "{run:?}");
    let first = run.json();
    assert_eq!(
        (&first["interrupted"], &first["updated"]),
        (&json!(true), &json!(0))
    );
    let [added, _, _, embedded, _] = counts(&first);
    assert!(added > 0 && added < ROWS, "{first}");
    assert_eq!((embedded, committed()), (added, added));
    let found = scratch.json("search", &["c", "red 7", "-k", "3"]);
    assert_eq!(found["matches"].as_array().unwrap().len(), 3);

    let second = scratch.json("import", &["c", "wines.csv"]);
    assert_eq!(
        counts(&second),
        [ROWS - added, 0, added, ROWS - embedded, 0],
        "{second}"
    );
    assert_eq!(committed(), ROWS);
}

#[test]
fn searches_see_what_a_running_import_has_committed() {
    let scratch = plane();
    let (mut child, mut rows) = scratch.import_from_pipe("c");
    let mut sent = 0;
    let mut send = |count: usize| {
        let lines =
            (sent..sent + count).map(|row| format!("{{\"key\": {row}, \"vector\": [{row}, 1]}}\n"));
        rows.write_all(lines.collect::<String>().as_bytes())
            .unwrap();
        sent += count;
        sent
    };
    send(600);
    // A chunk is committed while the pipe is open, and both ways of reading see it.
    wait_for("a commit beside the import", || {
        (scratch.json("count", &["c"])["count"].as_u64().unwrap() > 0).then_some(())
    });
    scratch.write("query.json", "[3.2, 1]");
    let found = scratch.json("search", &["c", "--vector-file", "query.json", "-k", "2"]);
    assert_eq!(keys(&found[0]), [3, 4]);
    let refused = scratch.run("delete", &["c", "1"]);
    assert!(
        refused.error().contains(&format!("process {}", child.id())),
        "{refused:?}"
    );
    // Lines tell how far it is, some time after it began.
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut line = String::new();
        log.read_line(&mut line).map(|_| line)
    });
    wait_for("a line of progress", || {
        send(256);
        reader.is_finished().then_some(())
    });
    let line = reader.join().unwrap().unwrap();
    assert!(
        line.contains(" documents, ") && line.contains("/s"),
        "{line}"
    );
    let sent = send(1);
    drop(rows);
    let run = Run::from(child.wait_with_output().unwrap()).ok();
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
    assert!(run.stdout.contains(" added, 0 updated"), "{run:?}");
    assert_eq!(scratch.json("count", &["c"])["count"], sent);
}

#[test]
fn a_second_interrupt_ends_an_import_at_once() {
    let scratch = plane();
    // The pipe stays open and empty, so that the import waits for a row that never comes.
    let (mut child, rows) = scratch.import_from_pipe("c");
    signal(&child, "INT");
    let mut line = String::new();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    log.read_line(&mut line).unwrap();
    assert!(line.starts_with("stopping: "), "{line}");
    signal(&child, "INT");
    let run = Run::from(child.wait_with_output().unwrap());
    assert_eq!((run.code, run.stdout.as_str()), (130, ""), "{run:?}");
    drop(rows);
    assert_eq!(scratch.json("count", &["c"])["count"], 0);
}
