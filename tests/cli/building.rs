//! `vinedb train` and `vinedb compact`: what they build, what they refuse, and that Ctrl-C leaves everything as it was.

use std::{
    io::{BufRead, BufReader, Read},
    process::Stdio,
};

use serde_json::Value;
use vinedb::{CollectionConfig, Database, IndexSpec, Metric};
use vinedb_tests::{Run, Scratch, signal};

use crate::sample::{config, documents};

/// A database with so many documents in `c`, whose index is still to be built where they are few enough for that.
fn scratch(index: &str, count: u64) -> Scratch {
    filled(config(index, Metric::L2), count)
}

fn filled(config: CollectionConfig, count: u64) -> Scratch {
    let scratch = Scratch::new();
    let db = Database::open(scratch.path("db")).unwrap();
    let collection = db.create_collection("c", config).unwrap();
    collection.upsert(documents(0..count, 0)).unwrap();
    scratch
}

fn generation(scratch: &Scratch) -> Value {
    scratch.json("stats", &["c"])["local"]["generation"].clone()
}

#[test]
fn training_builds_the_index_anew_and_compacting_only_when_there_is_need() {
    let scratch = scratch("IVF8,Flat", 1_000);
    let stats = scratch.json("compact", &["c"]);
    assert_eq!(
        (&stats["local"]["index"], &stats["local"]["sealed"]),
        (&"IVF8,Flat".into(), &1_000.into())
    );
    let first = generation(&scratch);
    assert_eq!(
        scratch.json("compact", &["c"])["local"]["generation"],
        first,
        "nothing to do"
    );
    let stats = scratch.json("train", &["c"]);
    assert_eq!(stats["local"]["generation"], first.as_u64().unwrap() + 1);
    assert_eq!(
        (&stats["local"]["sealed"], &stats["local"]["fresh"]),
        (&1_000.into(), &0.into())
    );
    let printed = scratch.run("train", &["c"]).ok();
    assert!(printed.stdout.contains("IVF8,Flat"), "{printed:?}");
}

#[test]
fn too_few_to_train_on_is_told_with_how_many_it_takes() {
    let scratch = scratch("IVF8,Flat", 100);
    let run = scratch.run("train", &["c"]);
    for word in ["100", "IVF8,Flat", "at least 312"] {
        assert!(run.error().contains(word), "{word}: {run:?}");
    }
    assert_eq!(generation(&scratch), 0);
}

#[test]
fn ctrl_c_ends_training_and_nothing_has_changed() {
    let index = IndexSpec::parse("HNSW256").unwrap();
    let scratch = filled(
        CollectionConfig::given(8).metric(Metric::L2).index(index),
        30_000,
    );
    // With nothing left to fold in, training is all that is built.
    scratch.json("compact", &["c"]);
    // But for what SQLite keeps for readers at work.
    let state = || {
        let mut stats = scratch.json("stats", &["c"]);
        stats["local"]["disk_bytes"] = Value::Null;
        stats
    };
    let before = state();
    let mut command = scratch.command("train", &["c"]);
    // On one thread it takes long enough to be interrupted, whatever the machine.
    command.env("OMP_NUM_THREADS", "1");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("adding") {
        line.clear();
        assert_ne!(
            errors.read_line(&mut line).unwrap(),
            0,
            "it ended by itself"
        );
    }
    assert!(line.contains(" of 30,000"), "{line}");
    signal(&child, "INT");
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    let run = Run::from(child.wait_with_output().unwrap());
    assert_eq!((run.code, run.stdout.as_str()), (130, ""), "{run:?} {rest}");
    assert_eq!(state(), before);
}
