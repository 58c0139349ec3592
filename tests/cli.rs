//! The commands as a user meets them: the real binary, the real model, results on standard output and nothing else there.
//!
//! What searches answer is compared with brute force over the vectors that `get --with-vectors` prints, what filters pass
//! with the same rows read by hand. Importing is in `import`, refusals in `bad_input`.

mod bench;
#[cfg(feature = "faiss")]
mod building;
mod search;

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
};

pub(crate) use search::points;
use serde_json::{Value, json};
use vinedb_tests::{Run, Scratch, command, cosine, signal, vinedb};

/// Wines of the shipped list that are embedded; all of them would take the model half a minute.
const WINES: usize = 24;

/// A database with the first wines of the shipped list in `wines`, keyed by name. Made once for the tests that only read it.
pub(crate) fn cellar() -> Arc<Scratch> {
    static CELLAR: Mutex<Weak<Scratch>> = Mutex::new(Weak::new());
    let mut kept = CELLAR.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(cellar) = kept.upgrade() {
        return cellar;
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/sommelier/");
    let template = std::fs::read_to_string(format!("{folder}wine.jinja")).unwrap();
    let scratch = Scratch::new();
    scratch.json("create", &["wines", "--template", &template]);
    let list = format!("{folder}wines.jsonl");
    let limit = WINES.to_string();
    let summary = scratch.json(
        "import",
        &["wines", &list, "--key", "name", "--limit", &limit],
    );
    assert_eq!(summary["added"], WINES, "{summary}");
    let cellar = Arc::new(scratch);
    *kept = Arc::downgrade(&cellar);
    cellar
}

/// A document with its vector, as `get --with-vectors` prints it.
pub(crate) fn vector(document: &Value) -> Vec<f32> {
    serde_json::from_value(document["vector"].clone()).unwrap()
}

/// The keys of an answer's matches.
pub(crate) fn keys(answer: &Value) -> Vec<Value> {
    let matches = answer["matches"].as_array().unwrap();
    matches.iter().map(|found| found["key"].clone()).collect()
}

/// Runs `vinedb embed` on these texts; one vector for each.
fn embed(texts: &[&str], args: &[&str]) -> Vec<Vec<f32>> {
    let mut child = command(["embed"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = child.stdin.take().unwrap();
    for text in texts {
        writeln!(lines, "{}", json!({"text": text, "kept": 1})).unwrap();
    }
    drop(lines);
    let run = Run::from(child.wait_with_output().unwrap()).ok();
    let rows: Vec<Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        rows.iter().all(|row| row["kept"] == 1),
        "fields are handed on"
    );
    let of_row = |row: &Value| serde_json::from_value(row["embedding"].clone()).unwrap();
    rows.iter().map(of_row).collect()
}

#[test]
fn a_collection_is_made_filled_read_emptied_and_dropped() {
    let scratch = Scratch::new();
    let made = scratch.json(
        "create",
        &["c", "--dimension", "3", "--metric", "inner_product"],
    );
    assert_eq!(
        (&made["documents"], &made["dimension"]),
        (&json!(0), &json!(3))
    );
    assert_eq!(
        made["config"],
        json!({"dimension": 3, "metric": "inner_product", "index": "auto", "device": "cpu"})
    );
    let rows = [
        json!({"key": 7, "vector": [1, 2, 3], "metadata": {"a": {"b": [1, null]}}}),
        json!({"key": "seven", "text": "kept as it is", "vector": [0.5, 0, -1]}),
    ];
    scratch.write("rows.jsonl", rows.map(|row| row.to_string()).join("\n"));
    let summary = scratch.json("import", &["c", "rows.jsonl"]);
    assert_eq!(
        (&summary["added"], &summary["embedded"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(scratch.json("count", &["c"]), json!({"count": 2}));
    assert_eq!(scratch.run("count", &["c"]).ok().stdout, "2\n");
    let got = scratch.json("get", &["c", "seven", "7"]);
    let expected = json!([
        {"key": "seven", "text": "kept as it is"},
        {"key": 7, "metadata": {"a": {"b": [1, null]}}},
    ]);
    assert_eq!(got["documents"], expected);
    let got = scratch.json("get", &["c", "7", "--with-vectors"]);
    assert_eq!(got["documents"][0]["vector"], json!([1.0, 2.0, 3.0]));

    assert_eq!(scratch.json("delete", &["c", "7"]), json!({"deleted": 1}));
    let run = scratch.run("get", &["c", "7"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("key 7"), "{run:?}");
    let stats = scratch.json("compact", &["c"]);
    assert_eq!(
        [
            &stats["local"]["sealed"],
            &stats["local"]["fresh"],
            &stats["local"]["deleted"]
        ],
        [1, 0, 0]
    );
    let all = scratch.json("stats", &[]);
    assert_eq!(
        (&all[0]["name"], &all[0]["documents"]),
        (&json!("c"), &json!(1))
    );
    assert_eq!(scratch.json("drop", &["c"]), json!({"dropped": "c"}));
    assert_eq!(scratch.json("stats", &[]), json!([]));
    assert_eq!(
        scratch.run("stats", &[]).ok().stdout.trim(),
        "no collections"
    );
}

#[test]
fn embed_makes_the_vectors_that_are_stored() {
    let cellar = cellar();
    let found = cellar.json(
        "search",
        &[
            "wines",
            "--like",
            "Adega do Leitoal Bairrada Baga 2015",
            "-k",
            "6",
            "--with-vectors",
        ],
    );
    let documents: Vec<&Value> = (0..6)
        .map(|rank| &found["matches"][rank]["document"])
        .collect();
    let texts: Vec<&str> = documents
        .iter()
        .map(|document| document["text"].as_str().unwrap())
        .collect();
    let vectors = embed(&texts, &[]);
    assert_eq!(vectors.len(), 6);
    for (made, document) in vectors.iter().zip(documents) {
        let stored = vector(document);
        assert!(cosine(made, &stored) >= 0.99999, "{}", document["key"]);
    }
}

#[test]
fn embed_writes_the_same_vectors_into_an_npy_file() {
    let scratch = Scratch::new();
    let path = scratch.path("vectors.npy");
    let texts = ["red", "a dry white wine", "gear oil"];
    assert!(embed(&texts, &["--npy", path.to_str().unwrap()]).is_empty());
    scratch.json("create", &["c", "--dimension", "384"]);
    let summary = scratch.json("import", &["c", path.to_str().unwrap()]);
    assert_eq!(summary["added"], json!(3));
    for (number, expected) in embed(&texts, &[]).iter().enumerate() {
        let got = scratch.json("get", &["c", &number.to_string(), "--with-vectors"]);
        assert!(cosine(expected, &vector(&got["documents"][0])) >= 0.99999);
    }
}

#[test]
fn the_text_is_made_by_the_template_and_the_fields_stay_whole() {
    let name = "Adega do Leitoal Bairrada Baga 2015";
    let got = cellar().json("get", &["wines", name]);
    let (text, metadata) = (
        got["documents"][0]["text"].as_str().unwrap(),
        &got["documents"][0]["metadata"],
    );
    let reviews = metadata["reviews"].as_array().unwrap();
    assert!(!reviews.is_empty());
    let mut expected = vec![
        format!("Name: {name}"),
        format!("Varietal: {}", metadata["varietal"].as_str().unwrap()),
        format!("Price: {}", metadata["price"].as_str().unwrap()),
    ];
    for review in reviews {
        expected.push(format!("Reviewer: {}", review["author"].as_str().unwrap()));
        expected.push(format!("Review: {}", review["review"].as_str().unwrap()));
        expected.push(format!("Rating: {}", review["rating"].as_str().unwrap()));
    }
    let mut rest = text;
    for line in expected {
        let at = rest
            .find(&line)
            .unwrap_or_else(|| panic!("{line:?} in {text}"));
        rest = &rest[at + line.len()..];
    }
}

#[test]
fn models_lists_the_default_one() {
    let models = vinedb(["models", "--json"]).ok().json();
    let default = models["models"]
        .as_array()
        .unwrap()
        .iter()
        .find(|model| model["default"] == true)
        .expect("the default model");
    assert_eq!(default["name"], vinedb::models::DEFAULT_MODEL);
    assert_eq!(default["dimension"], 384);
    assert_eq!(default["hash"].as_str().unwrap().len(), 64);
    let offered = &models["catalogue"][1];
    assert_eq!(offered["name"], "paraphrase-MiniLM-L3-v2");
    assert_eq!(offered["licence"], "Apache-2.0");
    let text = vinedb(["models"]).ok().stdout;
    for words in [
        vinedb::models::DEFAULT_MODEL,
        "paraphrase-MiniLM-L3-v2: 384 dimensions",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn models_convert_makes_a_model_that_collections_tell_from_the_default() {
    let scratch = tempfile::tempdir().unwrap();
    let home = vinedb_tests::home();
    std::os::unix::fs::symlink(home.join("runtime"), scratch.path().join("runtime")).unwrap();
    let source = home.join("models").join(vinedb::models::DEFAULT_MODEL);
    let run = |args: &[&str]| {
        let mut command = command(args);
        Run::from(command.env("VINEDB_HOME", scratch.path()).output().unwrap())
    };
    let source = source.to_str().unwrap();
    let floats = run(&[
        "models",
        "convert",
        source,
        "exact",
        "--quantize",
        "none",
        "--json",
    ]);
    let floats = floats.ok().json();
    let int8 = run(&[
        "models",
        "convert",
        source,
        vinedb::models::DEFAULT_MODEL,
        "--json",
    ])
    .ok()
    .json();
    assert_eq!(
        (&floats["name"], &floats["dimension"]),
        (&json!("exact"), &json!(384))
    );
    assert!(floats["bytes"].as_u64() > int8["bytes"].as_u64());
    assert_ne!(floats["hash"], int8["hash"]);
    let installed = vinedb(["models", "--json"]).ok().json();
    assert!(
        installed["models"]
            .as_array()
            .unwrap()
            .iter()
            .any(|model| model["hash"] == int8["hash"])
    );

    let db = scratch.path().join("db");
    let db = db.to_str().unwrap();
    let created = run(&["create", db, "notes", "--model", "exact"]);
    assert_eq!(created.code, 0, "{created:?}");
    let models = scratch.path().join("models");
    std::fs::rename(models.join("exact"), models.join("put aside")).unwrap();
    let again = run(&["models", "convert", source, "exact"]);
    assert_eq!(again.code, 0, "{again:?}");
    let refused = run(&["search", db, "notes", "cherries"]).error().to_owned();
    assert!(refused.contains("\"exact\" whose hash is"), "{refused}");

    for (args, parts) in [
        (
            ["models", "convert", source, "exact"],
            ["models/exact", "another name"],
        ),
        (
            ["models", "convert", source, "a/b"],
            ["a/b", "letters, digits"],
        ),
        (
            ["models", "convert", db, "new"],
            ["neither model.safetensors nor model.onnx", "published as"],
        ),
    ] {
        let refused = run(&args).error().to_owned();
        assert!(parts.iter().all(|part| refused.contains(part)), "{refused}");
        assert!(!models.join("new").exists());
    }
}

/// Starts a command, reads one line of what it prints and goes away, as `head -1` does.
fn head(mut child: Child) -> (String, Run) {
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    drop(out);
    (line, child.wait_with_output().unwrap().into())
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let scratch = points("auto");
    // More than a pipe holds, so that writing goes on after the reader has left.
    scratch.write(
        "queries.json",
        format!("[{}[0, 1]]", "[1, 2], ".repeat(400)),
    );
    let mut search = scratch.command("search", &["points", "--vector-file", "queries.json"]);
    search.stdout(Stdio::piped()).stderr(Stdio::piped());
    let (line, run) = head(search.spawn().unwrap());
    assert_eq!(
        (line.trim(), run.code, run.stderr.as_str()),
        ("query 1", 0, ""),
        "{run:?}"
    );

    let mut embed = command(["embed"]);
    embed
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut embed = embed.spawn().unwrap();
    let mut lines = embed.stdin.take().unwrap();
    lines
        .write_all("{\"text\": \"red\"}\n".repeat(40).as_bytes())
        .unwrap();
    drop(lines);
    let (line, run) = head(embed);
    assert!(
        line.starts_with("{\"text\":\"red\",\"embedding\":["),
        "{line}"
    );
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
}

#[test]
fn a_search_answers_beside_a_running_server() {
    let scratch = points("auto");
    let mut serve = scratch.command("serve", &["--addr", "127.0.0.1:0"]);
    serve.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = serve.spawn().unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    assert!(line.contains("http://127.0.0.1:"), "{line}");
    let answer = scratch.json("search", &["points", "--like", "1", "-k", "2"]);
    assert_eq!(keys(&answer), [2, 3]);
    let refused = scratch.run("delete", &["points", "1"]);
    assert!(
        refused
            .error()
            .contains(&format!("process {}", server.id())),
        "{refused:?}"
    );
    signal(&server, "TERM");
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    let run = Run::from(server.wait_with_output().unwrap());
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{line}{rest}");
    assert_eq!(
        scratch.json("delete", &["points", "1"]),
        json!({"deleted": 1})
    );
}
