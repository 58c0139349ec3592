//! `vinedb import`: every format, what becomes of each row, going on after it was stopped, and what others see meanwhile.
//!
//! Texts that the model must embed are few and short here; where only the reading of files matters the rows bring vectors.

pub(crate) mod formats;
mod reuse;
mod running;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader},
};

use serde_json::{Value, json};
use vinedb_tests::Scratch;

use crate::cli::{keys, vector};

/// A collection `c` of vectors with two components.
fn plane() -> Scratch {
    let scratch = Scratch::new();
    scratch.json("create", &["c", "--dimension", "2", "--metric", "l2"]);
    scratch
}

/// A collection `c` whose texts the default model embeds.
fn texts(args: &[&str]) -> Scratch {
    let scratch = Scratch::new();
    scratch.json("create", &[&["c"], args].concat());
    scratch
}

/// The summary's counts: added, updated, unchanged, embedded, rejected.
fn counts(summary: &Value) -> [u64; 5] {
    ["added", "updated", "unchanged", "embedded", "rejected"]
        .map(|name| summary[name].as_u64().unwrap())
}

#[test]
fn options_say_which_column_is_what() {
    let scratch = texts(&[]);
    scratch.write("a.csv", "sku,notes,year\nA1,2015,2015\nA2,ripe cherry,\n");
    let summary = scratch.json("import", &["c", "a.csv", "--key", "sku", "--text", "notes"]);
    assert_eq!(counts(&summary), [2, 0, 0, 2, 0], "{summary}");
    scratch.write("b.jsonl", r#"{"key": 3, "text": "dry", "colour": "white"}"#);
    scratch.json(
        "import",
        &["c", "b.jsonl", "--template", "{{ colour }} and {{ text }}"],
    );
    // The model's own kind of row beside them: documents that bring a vector are not embedded.
    let given = vec![0.5; 384];
    scratch.write(
        "c.jsonl",
        json!({"key": "given", "e": given, "text": "not embedded"}).to_string(),
    );
    let summary = scratch.json("import", &["c", "c.jsonl", "--vector", "e"]);
    assert_eq!(counts(&summary), [1, 0, 0, 0, 0], "{summary}");
    // Columns that are called as the parts of a document are those parts, numbers or not; without a key the place is one.
    scratch.write("d.csv", "key,text\n4,1999\n");
    scratch.write("wines.csv", "text\nsoft and round\n");
    let summary = scratch.json("import", &["c", "d.csv", "wines.csv"]);
    assert_eq!(counts(&summary), [2, 0, 0, 2, 0], "{summary}");

    let got = scratch.json("get", &["c", "A1", "A2", "3", "given", "4", "wines.csv:1"]);
    let expected = json!([
        {"key": "A1", "text": "2015", "metadata": {"sku": "A1", "year": 2015}},
        {"key": "A2", "text": "ripe cherry", "metadata": {"sku": "A2"}},
        {"key": 3, "text": "white and dry", "metadata": {"text": "dry", "colour": "white"}},
        {"key": "given", "text": "not embedded"},
        {"key": 4, "text": "1999"},
        {"key": "wines.csv:1", "text": "soft and round"},
    ]);
    assert_eq!(got["documents"], expected);
    let found = scratch.json("search", &["c", "soft and round", "-k", "1"]);
    assert_eq!(keys(&found), ["wines.csv:1"]);
}

#[test]
fn a_second_import_embeds_what_changed_and_nothing_else() {
    let scratch = texts(&["--template", "{{ name }}: {{ notes }}"]);
    let rows = |price: u32, notes: &str| {
        format!(
            "id,name,notes,price\n1,Rosso,dark and dry,{price}\n2,Bianco,{notes},9\n3,Rosato,berries,8\n"
        )
    };
    let import = |content: String| {
        scratch.write("wines.csv", content);
        counts(&scratch.json("import", &["c", "wines.csv"]))
    };
    assert_eq!(import(rows(10, "lemon")), [3, 0, 0, 3, 0]);
    assert_eq!(import(rows(10, "lemon")), [0, 0, 3, 0, 0]);
    assert_eq!(
        import(rows(11, "lemon")),
        [0, 1, 2, 0, 0],
        "a price is not in the text"
    );
    assert_eq!(import(rows(11, "butter and oak")), [0, 1, 2, 1, 0]);
    let found = scratch.json("search", &["c", "butter and oak", "-k", "1"]);
    assert_eq!(keys(&found), [2]);
    assert_eq!(
        found["matches"][0]["document"]["text"],
        "Bianco: butter and oak"
    );
    assert_eq!(scratch.json("count", &["c"])["count"], 3);
    assert_eq!(
        scratch.json("get", &["c", "1"])["documents"][0]["metadata"]["price"],
        11
    );
}

#[test]
fn rows_that_cannot_be_used_are_told_with_line_and_reason() {
    let scratch = plane();
    scratch.write(
        "rows.jsonl",
        "{\"key\": 1, \"vector\": [1, 2]}\n\
         {\"key\": 2, \"vector\": [1, 2, 3]}\n\
         {\"key\": 3, \"vector\"\n\
         \n\
         [5]\n\
         {\"key\": 1, \"vector\": [3, 4]}\n\
         {\"key\": {}, \"vector\": [3, 4]}\n\
         {\"key\": 8, \"vector\": [\"x\", 4]}\n\
         {\"key\": 9}\n\
         {\"key\": 10, \"vector\": [5, 6]}\n",
    );
    let run = scratch
        .run(
            "import",
            &["c", "rows.jsonl", "--json", "--rejects", "out.jsonl"],
        )
        .ok();
    let summary = run.json();
    assert_eq!(counts(&summary), [2, 0, 0, 0, 7], "{summary}");
    let expected = [
        (2, "dimension 3"),
        (3, "not JSON"),
        (5, "object"),
        (6, "line 1"),
        (7, "key"),
        (8, "vector"),
        (9, "vector"),
    ];
    let written: Vec<Value> = BufReader::new(File::open(scratch.path("out.jsonl")).unwrap())
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    let by_line = |rejects: &[Value]| {
        rejects
            .iter()
            .map(Value::to_string)
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        by_line(summary["rejects"].as_array().unwrap()),
        by_line(&written)
    );
    for (line, reason) in expected {
        let reject = written.iter().find(|reject| reject["line"] == line);
        let told = reject.unwrap_or_else(|| panic!("no line {line} in {written:?}"))["reason"]
            .as_str()
            .unwrap();
        assert!(told.contains(reason), "line {line}: {told}");
        assert!(
            run.stderr
                .contains(&format!("rows.jsonl line {line}: {told}\n")),
            "{run:?}"
        );
    }
    let got = scratch.json("get", &["c", "1", "--with-vectors"]);
    assert_eq!(
        vector(&got["documents"][0]),
        [1.0, 2.0],
        "the first of a key stays"
    );
    let printed = scratch.run("import", &["c", "rows.jsonl"]).ok().stdout;
    assert!(
        printed.contains("2 unchanged") && printed.contains("7 rows could not be used"),
        "{printed}"
    );
}

#[test]
fn texts_beyond_what_the_model_reads_are_counted() {
    let scratch = texts(&[]);
    scratch.write(
        "rows.json",
        json!([{"id": 1, "text": "a wine ".repeat(400)}, {"id": 2, "text": "short"}]).to_string(),
    );
    let summary = scratch.json("import", &["c", "rows.json"]);
    assert_eq!(
        (&summary["truncated"], &summary["embedded"]),
        (&json!(1), &json!(2))
    );
}
