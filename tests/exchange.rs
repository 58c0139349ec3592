//! Plain FAISS files in and out: what FAISS itself answered from the files in `exchange/` (which `exchange/make.py` made) is what
//! collections made of them answer; what is exported holds the live documents and no other; a file that is damaged is
//! refused in one sentence, or read, and never takes the command down.

use std::{collections::HashSet, fs};

use serde_json::{Value, json};
use vinedb_tests::{Run, Scratch};

use crate::{
    cli::{keys, vector},
    sample::Rng,
};

/// The files, the kinds of index in them, and their metrics.
const FILES: [(&str, &str, &str); 4] = [
    ("hnsw", "HNSW16", "l2"),
    ("flat", "Flat", "l1"),
    ("lists", "IVF4,Flat", "inner_product"),
    ("codes", "SQ8", "l2"),
];
/// Vectors in each.
const ROWS: usize = 320;

fn file(name: &str) -> String {
    format!("{}/exchange/{name}.faiss", env!("CARGO_MANIFEST_DIR"))
}

fn answers() -> Value {
    serde_json::from_str(include_str!("exchange/answers.json")).unwrap()
}

/// A folder with the queries in a file, and no database.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("queries.json", answers()["queries"].to_string());
    scratch
}

/// What a collection answers to the queries, by the codes alone where there are codes: the keys and distances.
fn search(scratch: &Scratch, name: &str, param: &str) -> Vec<(Vec<Value>, Vec<f64>)> {
    let args = [
        name,
        "--vector-file",
        "queries.json",
        "-k",
        "5",
        "--param",
        param,
    ];
    let found = scratch.json("search", &args);
    let distances = |answer: &Value| {
        let matches = answer["matches"].as_array().unwrap();
        matches
            .iter()
            .map(|found| found["distance"].as_f64().unwrap())
            .collect()
    };
    let answers = found.as_array().unwrap();
    answers
        .iter()
        .map(|answer| (keys(answer), distances(answer)))
        .collect()
}

/// The same as FAISS answered.
fn assert_as_faiss(found: &[(Vec<Value>, Vec<f64>)], name: &str) {
    let expected = &answers()[name];
    for (query, (keys, distances)) in found.iter().enumerate() {
        assert_eq!(
            &json!(keys),
            &expected["ids"][query],
            "{name}, query {query}"
        );
        for (rank, distance) in distances.iter().enumerate() {
            let right = expected["distances"][query][rank].as_f64().unwrap();
            assert!(
                (distance - right).abs() < 1e-5,
                "{name}, query {query}: {distance} for {right}"
            );
        }
    }
}

/// How hard to search, to be compared with what FAISS was asked.
fn param(name: &str) -> &'static str {
    match name {
        "codes" => "rescore=1",
        _ => "exact=true",
    }
}

#[test]
fn an_index_made_in_python_answers_here_as_it_did_there() {
    let scratch = scratch();
    for (name, index, metric) in FILES {
        let made = scratch.json("index import", &[name, &file(name)]);
        assert_eq!(made["documents"], ROWS, "{made}");
        assert_eq!(
            [&made["config"]["index"], &made["config"]["metric"]],
            [index, metric]
        );
        assert_eq!(
            [&made["local"]["index"], &made["local"]["sealed"]],
            [&json!(index), &json!(ROWS)]
        );
        assert_eq!(made["file"]["whole"], name != "codes", "{made}");
        assert_as_faiss(&search(&scratch, name, param(name)), name);
        let new = json!({"key": "new", "vector": [9, 9, 9, 9, 9, 9, 9, 9]});
        scratch.write("new.jsonl", new.to_string());
        assert_eq!(
            scratch.json("import", &[name, "new.jsonl"])["added"],
            1,
            "it can be written to"
        );
    }
}

#[test]
fn the_vectors_are_those_that_the_index_keeps() {
    let scratch = scratch();
    scratch.json("index import", &["hnsw", &file("hnsw")]);
    let all = answers();
    for row in [0, 1, ROWS - 1] {
        let id = all["ids"][row].to_string();
        let got = scratch.json("get", &["hnsw", &id, "--with-vectors"]);
        let right: Vec<f32> = serde_json::from_value(all["vectors"][row].clone()).unwrap();
        assert_eq!(vector(&got["documents"][0]), right, "{id}");
    }
    let printed = scratch.run("index import", &["codes", &file("codes")]).ok();
    assert!(printed.stdout.contains("codes alone"), "{printed:?}");
}

#[test]
fn vectors_of_length_one_may_be_compared_by_cosine_and_no_others() {
    let scratch = scratch();
    let cosine = ["lists", &file("lists"), "--metric", "cosine"];
    let made = scratch.json("index import", &cosine);
    assert_eq!(made["config"]["metric"], "cosine");
    let found = search(&scratch, "lists", "exact=true");
    for (query, (found, _)) in found.iter().enumerate() {
        // By the angle the order is the same, since the query's length changes no order.
        assert_eq!(&json!(found), &answers()["lists"]["ids"][query]);
    }
    for (name, metric, words) in [
        ("hnsw", "cosine", ["HNSW16", "give l2"]),
        ("flat", "cosine", ["l1", "metric"]),
        ("lists", "l2", ["inner_product", "cosine"]),
    ] {
        let run = scratch.run("index import", &["c", &file(name), "--metric", metric]);
        assert!(
            words.iter().all(|word| run.error().contains(word)),
            "{run:?}"
        );
        assert_eq!(scratch.json("stats", &[]).as_array().unwrap().len(), 1);
    }
}

#[test]
fn what_is_exported_comes_back_as_it_was() {
    let scratch = scratch();
    for (name, index, metric) in FILES {
        scratch.json("index import", &[name, &file(name)]);
        let out = format!("{name}.out");
        let done = scratch.json("index export", &[name, &out]);
        assert_eq!([&done["index"], &done["metric"]], [index, metric], "{done}");
        assert_eq!(
            [&done["vectors"], &done["keys"]],
            [&json!(ROWS), &Value::Null]
        );
        let again = format!("{name}2");
        scratch.json("index import", &[&again, &out]);
        assert_as_faiss(&search(&scratch, &again, param(name)), name);
    }
}

#[test]
fn an_export_has_the_live_documents_alone() {
    let scratch = scratch();
    for (name, _, _) in FILES {
        scratch.json("index import", &[name, &file(name)]);
        let all = answers();
        let ids: Vec<i64> = match name {
            "flat" => (0..ROWS as i64).collect(), // the file has no ids
            _ => serde_json::from_value(all["ids"].clone()).unwrap(),
        };
        let gone: Vec<String> = ids[..9].iter().map(ToString::to_string).collect();
        let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
        scratch.json("delete", &[&[name][..], &gone].concat());
        let new = json!({"key": 7_000, "vector": [9, 9, 9, 9, 9, 9, 9, 9]});
        scratch.write("new.jsonl", new.to_string());
        scratch.json("import", &[name, "new.jsonl"]);
        let out = format!("{name}.live");
        assert_eq!(
            scratch.json("index export", &[name, &out])["vectors"],
            ROWS - 8
        );
        let again = format!("{name}2");
        scratch.json("index import", &[&again, &out]);
        let query = json!(vec![0.1; 8]).to_string();
        scratch.write("query.json", query);
        let args = [
            again.as_str(),
            "--vector-file",
            "query.json",
            "-k",
            "1000",
            "--param",
            "exact=true",
        ];
        let found = scratch.json("search", &args);
        let found: HashSet<i64> = keys(&found[0])
            .iter()
            .map(|key| key.as_i64().unwrap())
            .collect();
        let right: HashSet<i64> = ids[9..].iter().copied().chain([7_000]).collect();
        assert_eq!(found, right, "{name}");
    }
}

#[test]
fn keys_that_are_no_numbers_stand_in_a_file_beside_it() {
    let scratch = Scratch::new();
    scratch.json("create", &["c", "--dimension", "2", "--index", "Flat"]);
    let rows = json!([
        {"key": "north", "vector": [0, 2]},
        {"key": 5, "vector": [3, 0]},
        {"key": -1, "vector": [1, 1]},
    ]);
    scratch.write("rows.json", rows.to_string());
    scratch.json("import", &["c", "rows.json"]);
    let printed = scratch.run("index export", &["c", "c.faiss"]).ok().stdout;
    for words in [
        "3 vectors",
        "c.faiss.keys.jsonl",
        "length 1",
        "inner_product",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    let listed = fs::read_to_string(scratch.path("c.faiss.keys.jsonl")).unwrap();
    let listed: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected = [
        json!({"id": 0, "key": "north"}),
        json!({"id": 1, "key": 5}),
        json!({"id": 2, "key": -1}),
    ];
    assert_eq!(listed, expected);
    scratch.json("index import", &["again", "c.faiss"]);
    let got = scratch.json("get", &["again", "0", "1", "--with-vectors"]);
    assert_eq!(vector(&got["documents"][0]), [0.0, 1.0]);
    assert_eq!(vector(&got["documents"][1]), [1.0, 0.0]);
}

#[test]
fn what_cannot_be_is_refused_and_nothing_changes() {
    let scratch = scratch();
    scratch.json("index import", &["there", &file("flat")]);
    scratch.json("create", &["empty", "--dimension", "2"]);
    scratch.json(
        "create",
        &["graph", "--dimension", "2", "--index", "hnsw_rs"],
    );
    scratch.write(
        "rows.json",
        json!([{"key": 1, "vector": [1, 1]}]).to_string(),
    );
    scratch.json("import", &["graph", "rows.json"]);
    scratch.write("text.faiss", "no index at all");
    scratch.write("nothing.faiss", "");
    let before = scratch.json("stats", &[]);
    let flat = file("flat");
    let cases: [(&str, &[&str], &[&str]); 8] = [
        (
            "index import",
            &["there", &flat],
            &["\"there\" exists", "another name"],
        ),
        ("index import", &["a b", &flat], &["\"a b\"", "letters"]),
        ("index import", &["new", "text.faiss"], &["text.faiss"]),
        (
            "index import",
            &["new", "nothing.faiss"],
            &["nothing.faiss"],
        ),
        (
            "index import",
            &["new", "absent.faiss"],
            &["absent.faiss", "check the path"],
        ),
        ("index import", &["new", "db"], &["db", "name a file"]),
        (
            "index export",
            &["there", "text.faiss"],
            &["text.faiss", "does not exist yet"],
        ),
        (
            "index export",
            &["empty", "out.faiss"],
            &["documents", "nothing to export"],
        ),
    ];
    for (verb, args, words) in cases {
        let run = scratch.run(verb, args);
        assert!(
            words.iter().all(|word| run.error().contains(word)),
            "{words:?}: {run:?}"
        );
        assert_eq!(run.stdout, "");
    }
    assert_eq!(scratch.json("stats", &[]), before);
    assert!(!scratch.path("out.faiss").exists());
}

#[test]
fn no_damage_to_a_file_takes_the_command_down() {
    let scratch = scratch();
    let mut random = Rng(11);
    for (name, _, _) in FILES {
        let bytes = fs::read(file(name)).unwrap();
        for round in 0..12 {
            let mut damaged = bytes.clone();
            match round % 3 {
                0 => damaged.truncate(random.place(bytes.len())),
                // In the beginning, where lengths and kinds stand.
                1 => damaged[random.place(120)] ^= 0xff,
                _ => damaged[random.place(bytes.len())] ^= 1 << random.place(8),
            }
            scratch.write("damaged.faiss", damaged);
            let run = scratch.run("index import", &["c", "damaged.faiss"]);
            match run.code {
                0 => drop(scratch.json("drop", &["c"])),
                _ => assert_refused(&run),
            }
        }
    }
}

fn assert_refused(run: &Run) {
    assert!(run.error().contains("damaged.faiss"), "{run:?}");
    assert_eq!(run.stdout, "");
}
