//! Golden vectors: what `vinedb embed` prints against sentence-transformers' vectors of the unquantised model.
//!
//! The default model multiplies in 8 bits, which costs up to 0.013 of cosine; a wrong pooling, truncation or tokenization
//! costs far more. Blank texts are left out: the command refuses them, since there is nothing to embed.

use std::{fs, io::Write, path::Path, process::Stdio};

use serde_json::{Value, json};
use vinedb_tests::{Run, command, cosine};

/// A text and its reference vector.
struct Golden {
    text: String,
    embedding: Vec<f32>,
}

fn golden() -> Vec<Golden> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../embedder/golden/all-MiniLM-L6-v2.json");
    let file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let items = file["items"].as_array().unwrap().iter().map(|item| Golden {
        text: text(item),
        embedding: vector(item),
    });
    let items: Vec<Golden> = items.filter(|item| !item.text.trim().is_empty()).collect();
    assert!(items.len() > 20, "{} golden vectors", items.len());
    items
}

/// An item's text, which may be written as a unit and how often it comes.
fn text(item: &Value) -> String {
    match &item["repeat"] {
        Value::Array(repeat) => repeat[0]
            .as_str()
            .unwrap()
            .repeat(repeat[1].as_u64().unwrap().try_into().unwrap()),
        _ => item["text"].as_str().unwrap().to_owned(),
    }
}

fn vector(item: &Value) -> Vec<f32> {
    serde_json::from_value(item["embedding"].clone()).unwrap()
}

/// The vectors that `vinedb embed` prints for these texts.
fn embed<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Vec<f32>> {
    let rows = texts
        .enumerate()
        .map(|(row, text)| json!({"row": row, "text": text}));
    let rows: Vec<Value> = rows.collect();
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let mut child = command(["embed"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let run = Run::from(child.wait_with_output().unwrap()).ok();
    let printed: Vec<Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(printed.len(), rows.len());
    for (given, printed) in rows.iter().zip(&printed) {
        assert_eq!(
            (&given["row"], &given["text"]),
            (&printed["row"], &printed["text"]),
            "the order and the other fields are kept"
        );
    }
    printed.iter().map(vector).collect()
}

#[test]
fn vectors_are_those_of_sentence_transformers() {
    let golden = golden();
    let vectors = embed(golden.iter().map(|item| item.text.as_str()));
    let cosines: Vec<f64> = golden
        .iter()
        .zip(&vectors)
        .map(|(item, vector)| cosine(&item.embedding, vector))
        .collect();
    for (item, cosine) in golden.iter().zip(&cosines) {
        assert!(*cosine >= 0.985, "{cosine} for {:.80?}", item.text);
    }
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    assert!(mean >= 0.995, "{mean}");
    for vector in &vectors {
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
}

#[test]
fn a_vector_does_not_depend_on_the_texts_beside_it() {
    let golden = golden();
    let together = embed(golden.iter().map(|item| item.text.as_str()));
    let reversed = embed(golden.iter().rev().map(|item| item.text.as_str()));
    for (one, other) in together.iter().zip(reversed.iter().rev()) {
        assert!(cosine(one, other) >= 0.99999);
    }
    for (at, item) in golden.iter().enumerate().step_by(6) {
        let alone = embed([item.text.as_str()].into_iter());
        let cosine = cosine(&alone[0], &together[at]);
        assert!(cosine >= 0.99999, "{cosine} for {:.80?}", item.text);
    }
}
