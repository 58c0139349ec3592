//! Names, columns, models and parameters that there are none of, and commands that are wrong in themselves.

use std::fs;

use serde_json::{Value, json};
use vinedb_tests::{Run, Scratch, home};

use super::{content, database, refused, with_texts};
use crate::cli::keys;

#[test]
fn an_unknown_collection_is_refused_by_every_command() {
    let scratch = database();
    scratch.write("q.json", "[1, 2]");
    let commands: [(&str, &[&str]); 9] = [
        ("import", &["rows.json"]),
        ("search", &["--vector-file", "q.json"]),
        ("get", &["1"]),
        ("delete", &["1"]),
        ("count", &[]),
        ("stats", &[]),
        ("cluster", &["-k", "2"]),
        ("compact", &[]),
        ("drop", &[]),
    ];
    for (verb, args) in commands {
        refused(
            &scratch,
            verb,
            &[&["wines"], args].concat(),
            &["collection \"wines\"", "given"],
        );
    }
    refused(
        &scratch,
        "snapshot",
        &["wines", "file"],
        &["collection \"wines\"", "given"],
    );
    assert!(!scratch.path("file").exists());
}

#[test]
fn an_unknown_model_and_a_collection_that_cannot_be_are_refused() {
    let scratch = database();
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["c", "--model", "no-model"],
            &["\"no-model\"", vinedb::models::DEFAULT_MODEL, "make setup"],
        ),
        (
            &["c", "--dimension", "0"],
            &["dimension", "0 was given", "1 to 65536"],
        ),
        (
            &["c", "--template", "Name: {{ name"],
            &["template", "line 1"],
        ),
        (&["given", "--dimension", "2"], &["\"given\" exists"]),
        (&["../c", "--dimension", "2"], &["\"../c\"", "letters"]),
        (&["", "--dimension", "2"], &["\"\"", "letters"]),
        #[cfg(feature = "faiss")]
        (
            &["c", "--dimension", "6", "--index", "PQ4"],
            &["\"PQ4\"", "4 sub-vectors do not divide", "6", "PQ3"],
        ),
        #[cfg(feature = "faiss")]
        (
            &["c", "--dimension", "6", "--index", "PCA7,Flat"],
            &["PCA", "1 to 6", "nearest that works"],
        ),
        #[cfg(feature = "faiss")]
        (
            &[
                "c",
                "--dimension",
                "6",
                "--index",
                "IVF4,SQ8",
                "--metric",
                "l1",
            ],
            &["l1", "whole vectors", "IVF4,Flat"],
        ),
        #[cfg(feature = "faiss")]
        (
            &[
                "c",
                "--dimension",
                "6",
                "--index",
                "LSH",
                "--metric",
                "inner_product",
            ],
            &["inner_product", "l2 and cosine", "nearest that works"],
        ),
        (
            &["c", "--dimension", "6", "--device", "cuda"],
            &["no GPU support", "device cuda", "use cpu"],
        ),
        (
            &["c", "--dimension", "6", "--device", "cuda:1"],
            &["no GPU support", "cuda:1", "feature gpu"],
        ),
    ];
    for (args, words) in cases {
        refused(&scratch, "create", args, words);
    }
}

#[test]
fn an_unknown_column_is_named_with_those_that_are_there() {
    let scratch = with_texts();
    scratch.write("a.csv", "id,notes\n1,ripe\n");
    scratch.write("a.jsonl", "{\"id\": 1, \"notes\": \"ripe\"}\n");
    for file in ["a.csv", "a.jsonl"] {
        let cases: [(&[&str], &[&str]); 5] = [
            (
                &["--key", "sku", "--text", "notes"],
                &["\"sku\"", "--key", "id, notes"],
            ),
            (
                &["--text", "description"],
                &["\"description\"", "--text", "id, notes"],
            ),
            (
                &["--vector", "embedding"],
                &["\"embedding\"", "--vector", "id, notes"],
            ),
            (
                &["--template", "{{ name }}"],
                &["\"name\"", "template", "id, notes"],
            ),
            (&[], &["--text", "--template", "id, notes"]),
        ];
        for (args, words) in cases {
            refused(
                &scratch,
                "import",
                &[&["texts", file], args].concat(),
                &[&[file], words].concat(),
            );
        }
    }
}

#[test]
fn searches_that_cannot_be_are_refused() {
    let scratch = with_texts();
    let cases: [(&[&str], &[&str]); 6] = [
        (&["given", "red"], &["\"given\"", "no model", "by a vector"]),
        (&["texts", ""], &["text", "empty"]),
        (&["texts", " \n"], &["text", "empty"]),
        (&["given", "--like", "99"], &["key 99"]),
        (
            &["given", "--vector-file", "none.npy"],
            &["none.npy", "check the path"],
        ),
        (
            &["given", "--like", "1", "--param", "nprobe=4"],
            &["nprobe", "does not fit an index auto", "IVF"],
        ),
    ];
    for (args, words) in cases {
        refused(&scratch, "search", args, words);
    }
    refused(
        &scratch,
        "cluster",
        &["given", "-k", "4"],
        &["4 was given", "1 to 3"],
    );
}

#[test]
fn wrong_usage_exits_with_2() {
    let scratch = database();
    let before = content(&scratch);
    let like = ["given", "--like", "1"];
    let searched =
        |option: &'static str, value: &'static str| [&like[..], &[option, value]].concat();
    for (option, value, named) in [
        ("-k", "0", "1 to 10000"),
        ("-k", "10001", "10001"),
        ("-k", "ten", "ten"),
        ("--radius", "NaN", "finite"),
        ("--radius", "near", "near"),
        ("--param", "ef_search=many", "ef_search=many"),
        ("--param", "ef_search=0", "1 or more"),
        ("--param", "efsearch=3", "efsearch"),
        ("--param", "ef_search", "NAME=VALUE"),
        ("--param", "recall=1.5", "above 0 and up to 1"),
        ("--param", "recall=0.9,nprobe=4", "recall chooses nprobe"),
        ("--filter", "{", "EOF"),
    ] {
        misused(&scratch, "search", &searched(option, value), named);
    }
    let twice = ["--param", "recall=0.9", "--param", "nprobe=4"];
    misused(
        &scratch,
        "search",
        &[&like[..], &twice].concat(),
        "recall chooses nprobe",
    );
    let twice = ["--param", "recall=0.9", "--param", "recall=0.8"];
    misused(&scratch, "search", &[&like[..], &twice].concat(), "twice");
    misused(&scratch, "cluster", &["given", "-k", "0"], "1 or more");
    for (option, value) in [
        ("--index", "HNSW1,Falt"),
        ("--metric", "manhattan"),
        ("--metric", "lp(0)"),
        ("--device", "gpu"),
    ] {
        misused(
            &scratch,
            "create",
            &["c", "--dimension", "2", option, value],
            value,
        );
    }
    let cases: [(&str, &[&str], &str); 6] = [
        ("search", &["given"], "TEXT"),
        ("search", &["given", "red", "--like", "1"], "--like"),
        (
            "search",
            &["given", "red", "--filter", "{\"x\": {\"below\": 3}}"],
            "below",
        ),
        (
            "create",
            &["c", "--dimension", "2", "--model", "m"],
            "--model",
        ),
        ("create", &["c", "--index", "Falt"], "Falt"),
        ("delete", &["given"], "KEYS"),
    ];
    for (verb, args, named) in cases {
        misused(&scratch, verb, args, named);
    }
    assert!(content(&scratch) == before);
}

/// Exit code 2, nothing on standard output, and the thing named.
fn misused(scratch: &Scratch, verb: &str, args: &[&str], named: &str) {
    let run = scratch.run(verb, args);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (2, ""),
        "{args:?}: {run:?}"
    );
    assert!(run.stderr.contains(named), "{args:?}: {run:?}");
}

#[test]
fn a_missing_model_or_runtime_is_told_with_where_it_should_be() {
    let scratch = with_texts();
    fs::create_dir(scratch.path("empty")).unwrap();
    fs::create_dir(scratch.path("half")).unwrap();
    std::os::unix::fs::symlink(home().join("models"), scratch.path("half/models")).unwrap();
    scratch.write("a.csv", "id,text\n1,red\n");
    let before = content(&scratch);
    let run = |folder: &str, verb: &str, args: &[&str]| {
        let mut command = scratch.command(verb, args);
        Run::from(
            command
                .env("VINEDB_HOME", scratch.path(folder))
                .output()
                .unwrap(),
        )
    };
    for (folder, words) in [
        ("empty", ["empty/models", vinedb::models::DEFAULT_MODEL]),
        ("half", ["half/runtime", "ONNX Runtime"]),
    ] {
        for run in [
            run(folder, "search", &["texts", "red"]),
            run(folder, "import", &["texts", "a.csv"]),
        ] {
            assert!(
                words.iter().all(|word| run.error().contains(word)),
                "{words:?}: {run:?}"
            );
            assert!(
                run.error().contains("make setup") && run.stdout.is_empty(),
                "{run:?}"
            );
        }
    }
    assert!(
        run("empty", "create", &["c"])
            .error()
            .contains("empty/models")
    );
    assert!(content(&scratch) == before);
    // What needs no model works without one.
    assert_eq!(
        run("empty", "count", &["given", "--json"]).ok().json(),
        json!({"count": 3})
    );
    let found: Value = run(
        "empty",
        "search",
        &["given", "--like", "1", "-k", "1", "--json"],
    )
    .ok()
    .json();
    assert_eq!(keys(&found), [2]);
}
