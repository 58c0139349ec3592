//! A text is embedded once, however many documents have it and wherever they stand.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use vinedb::{Collection, CollectionConfig, Document, Options, embed::HashEmbedder};
use vinedb_tests::Scratch;

/// More than two chunks, so that chunks in work at the same time have the same texts.
const ROWS: usize = 1500;

/// A new collection whose model compares words.
fn collection(folder: &Path) -> Collection {
    let options = Options::default().embedder(Arc::new(HashEmbedder::new(8)));
    let db = options.open(folder.join("db")).unwrap();
    db.create_collection("c", CollectionConfig::embedded())
        .unwrap()
}

#[test]
fn the_same_text_in_several_chunks_is_embedded_once() {
    let scratch = Scratch::new();
    let texts = ["a dry white wine", "gear oil", "red"];
    let lines = |prefix: &str| -> String {
        let line = |row: usize| json!({"key": format!("{prefix}{row}"), "text": texts[row % 3]});
        (0..ROWS).map(|row| format!("{}\n", line(row))).collect()
    };
    scratch.write("a.jsonl", lines("a"));
    scratch.json("create", &["c"]);
    let import = |file: &str| scratch.json("import", &["c", scratch.path(file).to_str().unwrap()]);
    let counts = |summary: &Value| {
        ["added", "unchanged", "embedded", "reused"].map(|name| summary[name].clone())
    };
    let first = import("a.jsonl");
    assert_eq!(
        counts(&first),
        [ROWS, 0, 3, ROWS - 3].map(|count| json!(count))
    );
    let again = import("a.jsonl");
    assert_eq!(counts(&again), [0, ROWS, 0, 0].map(|count| json!(count)));
    let vector = |key: &str| {
        let got = scratch.json("get", &["c", key, "--with-vectors"]);
        got["documents"][0]["vector"].clone()
    };
    assert_eq!(vector("a0"), vector("a1497"));
    assert_ne!(vector("a0"), vector("a1"));
}

#[test]
fn what_another_document_brought_or_took_away_is_not_taken_for_the_models() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection(folder.path());
    let embedded = |documents| collection.upsert(documents).unwrap().embedded;
    let vector = |key: &str| {
        let got = collection.get_with_vectors([key]).unwrap();
        got[0].vector.clone().unwrap()
    };
    // Its own vector is not the model's for its text.
    let own = Document::new("own", "red wine").vector(vec![1.0; 8]);
    assert_eq!(embedded(vec![own]), 0);
    assert_eq!(embedded(vec![Document::new("first", "red wine")]), 1);
    assert_ne!(vector("first"), vector("own"));
    assert_eq!(embedded(vec![Document::new("second", "red wine")]), 0);
    assert_eq!(vector("second"), vector("first"));
    // Without the document that had it, it is made anew, and is the same.
    let before = vector("second");
    collection.delete(["first", "second"]).unwrap();
    assert_eq!(embedded(vec![Document::new("third", "red wine")]), 1);
    assert_eq!(vector("third"), before);
}

#[test]
fn callers_side_by_side_embed_a_text_once() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection(folder.path());
    let (callers, texts) = (8_usize, 40_usize);
    let embedded: usize = std::thread::scope(|scope| {
        let work = |caller: usize| {
            let collection = &collection;
            // Each begins with another text, so that all wait for each other's.
            let document = move |number: usize| {
                let text = format!("text {}", (number + caller * 5) % texts);
                Document::new(format!("{caller}-{number}"), text)
            };
            scope.spawn(move || {
                collection
                    .upsert((0..texts).map(document).collect())
                    .unwrap()
                    .embedded
            })
        };
        let callers: Vec<_> = (0..callers).map(work).collect();
        callers
            .into_iter()
            .map(|caller| caller.join().unwrap())
            .sum()
    });
    assert_eq!(embedded, texts);
    assert_eq!(collection.count(None).unwrap(), (callers * texts) as u64);
}
