//! The command line: a collection that cuts, its import, its searches.

use serde_json::json;
use vinedb_tests::Scratch;

use super::{TOPICS, documents};

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    let create = [
        "c",
        "--chunk",
        "48",
        "--overlap",
        "16",
        "--chunk-at",
        "sentence",
    ];
    let made = scratch.json("create", &create);
    let chunk = json!({"tokens": 48, "overlap": 16, "at": "sentence"});
    assert_eq!(made["config"]["chunk"], chunk);
    let lines: Vec<String> = documents()
        .iter()
        .map(|document| serde_json::to_string(document).unwrap())
        .collect();
    scratch.write("long.jsonl", lines.join("\n"));
    let summary = scratch.json("import", &["c", "long.jsonl"]);
    assert_eq!(
        (&summary["added"], &summary["truncated"]),
        (&json!(6), &json!(0))
    );
    scratch
}

#[test]
fn searches_print_the_passage() {
    let scratch = scratch();
    let question = ["c", "what to drink with oysters", "-k", "2"];
    let answer = scratch.json("search", &question);
    let matches = answer["matches"].as_array().unwrap();
    assert_eq!(matches.len(), 2);
    assert_eq!(matches[0]["key"], "oysters");
    let (text, passage) = (&matches[0]["document"]["text"], &matches[0]["passage"]);
    let place = |end: &str| usize::try_from(passage[end].as_u64().unwrap()).unwrap();
    let words = &text.as_str().unwrap()[place("start")..place("end")];
    assert_eq!(passage["text"], words);
    assert!(words.contains("Muscadet"), "{words}");

    let printed = scratch.run("search", &question).ok().stdout;
    let line = format!("bytes {} to {}: ", place("start"), place("end"));
    let beginning = words
        .split_whitespace()
        .take(5)
        .collect::<Vec<_>>()
        .join(" ");
    assert!(printed.contains(&format!("{line}{beginning}")), "{printed}");

    let counted = scratch.json("count", &["c"]);
    assert_eq!(counted["count"], 6);
    let stats = scratch.json("stats", &["c"]);
    let passages = stats["passages"].as_u64().unwrap();
    assert!(passages > 18 && stats["documents"] == 6, "{stats}");
    let printed = scratch.run("stats", &["c"]).ok().stdout;
    assert!(
        printed.contains(&format!("6 documents, {passages} passages")),
        "{printed}"
    );
    assert!(
        printed.contains("passages of 48 tokens, 16 of them shared"),
        "{printed}"
    );
    let deleted = scratch.json("delete", &["c", TOPICS[0].0]);
    assert_eq!(deleted["deleted"], 1);
    let again = scratch.json("import", &["c", "long.jsonl"]);
    assert_eq!(
        (&again["added"], &again["unchanged"]),
        (&json!(1), &json!(5))
    );
}

#[test]
fn a_plan_that_makes_no_sense_is_refused() {
    let scratch = Scratch::new();
    let refused = scratch.run("create", &["c", "--chunk", "300"]);
    let line = refused.error();
    assert!(
        line.contains("chunk.tokens") && line.contains("8 to 254"),
        "{line}"
    );
    for arguments in [
        &["c", "--overlap", "8"][..],
        &["c", "--chunk", "48", "--chunk-at", "page"],
        &["c", "--chunk", "48", "--dimension", "3"],
        &["c", "--chunk", "many"],
    ] {
        assert_eq!(scratch.run("create", arguments).code, 2, "{arguments:?}");
    }
}

#[cfg(feature = "faiss")]
#[test]
fn an_exported_index_has_a_row_for_each_passage() {
    let scratch = scratch();
    scratch.json("index export", &["c", "out.faiss"]);
    let listing = std::fs::read_to_string(scratch.path("out.faiss.keys.jsonl")).unwrap();
    let rows: Vec<serde_json::Value> = listing
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let made = scratch.json("index import", &["copy", "out.faiss"]);
    let passages = scratch.json("stats", &["c"])["passages"].clone();
    assert_eq!(
        [&json!(rows.len()), &made["documents"]],
        [&passages, &passages]
    );
    for row in rows.iter().step_by(5) {
        let got = scratch.json("get", &["copy", &row["id"].to_string(), "--with-vectors"]);
        scratch.write("row.json", got["documents"][0]["vector"].to_string());
        let query = ["c", "--vector-file", "row.json", "-k", "1"];
        let found = scratch.json("search", &query)[0]["matches"][0].clone();
        assert!(found["score"].as_f64().unwrap() > 0.999, "{found}");
        // Several documents may have a passage of these words, some with other blanks between them.
        let texts = documents();
        let text = texts.iter().find(|text| row["key"] == text.key.to_string());
        let place = |end: &str| usize::try_from(row[end].as_u64().unwrap()).unwrap();
        let words = &text.unwrap().text.as_ref().unwrap()[place("start")..place("end")];
        let found = found["passage"]["text"].as_str().unwrap();
        let same = found.split_whitespace().eq(words.split_whitespace());
        assert!(same, "{found:?} where {words:?} was expected");
    }
}
