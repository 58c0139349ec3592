//! Tiny models of many architectures, poolings and settings against sentence-transformers (`models/make.py` made both).
//!
//! Each folder in `models/` is as sentence-transformers writes it, with the network as an ONNX file. What is compared is the
//! whole way: prompt, lower-casing, tokens, truncation, network, pooling, later modules, normalisation, fewer components.

use crate::{cosine, home};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use vinedb_embedder::{
    Embed, Embeddings, ModelOptions, OnnxEmbedder, OnnxReranker, Options, Pooling, PoolingMode,
    Purpose,
};

#[derive(Deserialize)]
struct Reference {
    texts: Vec<String>,
    models: Vec<Model>,
    cross_encoders: Vec<CrossEncoder>,
}

#[derive(Deserialize)]
struct CrossEncoder {
    folder: String,
    question: String,
    scores: Vec<f32>,
}

#[derive(Deserialize)]
struct Model {
    folder: String,
    queries: Vec<Vec<f32>>,
    documents: Vec<Vec<f32>>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("models/vectors.json")).expect("the checked-in file is JSON")
}

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/models")
        .join(name)
}

fn open(dir: &Path) -> OnnxEmbedder {
    OnnxEmbedder::open("tiny", dir, &home::runtime(), &Options::default())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The least cosine; lengths are compared as well, since not every model normalises.
fn compare(label: &str, texts: &[String], expected: &[Vec<f32>], rows: &Embeddings) {
    assert_eq!(rows.len(), expected.len());
    for ((text, expected), row) in texts.iter().zip(expected).zip(rows.rows()) {
        assert_eq!(row.len(), expected.len(), "{label}");
        let same = cosine(expected, row);
        assert!(same >= 0.99999, "{label}, {text:?}: {same}");
        let length = |vector: &[f32]| vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        let ratio = length(row) / length(expected);
        assert!(
            (ratio - 1.0).abs() < 1e-4,
            "{label}, {text:?}: {ratio} times as long"
        );
    }
}

#[test]
fn every_folder_gives_the_vectors_of_sentence_transformers() {
    let reference = reference();
    assert_eq!(reference.models.len(), 11);
    for model in &reference.models {
        let embedder = open(&folder(&model.folder));
        for (purpose, expected) in [
            (Purpose::Query, &model.queries),
            (Purpose::Document, &model.documents),
        ] {
            let label = format!("{} as {purpose:?}", model.folder);
            let texts = reference.texts.clone();
            let rows = embedder.submit(texts, purpose).unwrap().wait().unwrap();
            compare(&label, &reference.texts, expected, &rows);
            for (number, text) in reference.texts.iter().enumerate() {
                let alone = embedder.embed(&[text], purpose).unwrap();
                compare(
                    &label,
                    std::slice::from_ref(text),
                    &expected[number..=number],
                    &alone,
                );
            }
        }
    }
}

/// Else the comparison above could not tell one pooling from another.
#[test]
fn poolings_of_the_same_model_differ() {
    let dir = tempfile::tempdir().unwrap();
    for file in [
        "model.onnx",
        "tokenizer.json",
        "config.json",
        "tokenizer_config.json",
    ] {
        fs::copy(folder("bert-mean").join(file), dir.path().join(file)).unwrap();
    }
    let text = reference().texts[3].clone();
    let vectors = ["cls", "max", "mean", "weightedmean", "lasttoken"].map(|mode| {
        let options = ModelOptions {
            pooling: Some(mode.parse::<PoolingMode>().unwrap().into()),
            ..ModelOptions::default()
        };
        options.write(dir.path()).unwrap();
        open(dir.path())
            .embed(&[&text], Purpose::Document)
            .unwrap()
            .into_data()
    });
    for (number, vector) in vectors.iter().enumerate() {
        for other in &vectors[..number] {
            assert!(cosine(vector, other) < 0.999);
        }
    }
}

#[test]
fn a_bare_export_with_options_is_the_model_itself() {
    let reference = reference();
    let model = reference
        .models
        .iter()
        .find(|model| model.folder == "roberta-e5")
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("onnx")).unwrap();
    for file in [
        "onnx/model.onnx",
        "tokenizer.json",
        "config.json",
        "tokenizer_config.json",
    ] {
        fs::copy(folder("roberta-e5").join(file), dir.path().join(file)).unwrap();
    }
    let options = ModelOptions {
        pooling: Some(Pooling::of(&[PoolingMode::Mean])),
        normalize: Some(true),
        query_prefix: Some("query: ".into()),
        document_prefix: Some("passage: ".into()),
        ..ModelOptions::default()
    };
    options.write(dir.path()).unwrap();
    let embedder = open(dir.path());
    for (purpose, expected) in [
        (Purpose::Query, &model.queries),
        (Purpose::Document, &model.documents),
    ] {
        let rows = embedder
            .submit(reference.texts.clone(), purpose)
            .unwrap()
            .wait()
            .unwrap();
        compare("bare export", &reference.texts, expected, &rows);
    }
    assert_eq!(
        embedder.identity().hash,
        open(&folder("roberta-e5")).identity().hash
    );
}

#[test]
fn identities_tell_what_the_folders_say() {
    let identity = |name: &str| vinedb_embedder::identity(name, &folder(name)).unwrap();
    let both = identity("bert-sqrt-and-cls");
    assert_eq!(both.pooling.to_string(), "cls+mean_sqrt_len_tokens");
    assert_eq!(
        (both.dimension, both.max_length, both.normalize),
        (32, 24, true)
    );
    let dense = identity("bert-dense");
    assert_eq!((dense.dimension, dense.normalize), (12, true));
    let cut = identity("bert-matryoshka");
    assert_eq!((cut.dimension, cut.normalize), (6, false));
    let old = identity("bert-max-lower");
    assert_eq!((old.max_length, old.normalize), (20, false));
    let prompts = identity("modernbert-no-prompt");
    assert_eq!(
        (
            &*prompts.query_prefix,
            &*prompts.document_prefix,
            prompts.dimension
        ),
        ("passages for: ", "a passage: ", 80)
    );
}

#[test]
fn cross_encoders_give_the_scores_of_sentence_transformers() {
    let reference = reference();
    assert_eq!(reference.cross_encoders.len(), 2);
    let texts: Vec<&str> = reference.texts.iter().map(String::as_str).collect();
    for model in &reference.cross_encoders {
        let dir = folder(&model.folder);
        let reranker = OnnxReranker::open(&dir, &home::runtime(), &Options::default())
            .unwrap_or_else(|error| panic!("{error}"));
        let together = reranker.score(&model.question, &texts).unwrap();
        for ((text, expected), score) in texts.iter().zip(&model.scores).zip(together) {
            let alone = reranker.score(&model.question, &[text]).unwrap();
            for score in [score, alone[0]] {
                assert!(
                    (score - expected).abs() < 1e-5,
                    "{}, {text:?}: {score}, not {expected}",
                    model.folder
                );
            }
        }
        assert!(reranker.score(&model.question, &[]).unwrap().is_empty());
    }
}

#[test]
fn an_embedding_model_is_no_cross_encoder_and_is_told_so() {
    let open = |name| OnnxReranker::open(&folder(name), &home::runtime(), &Options::default());
    let message = open("bert-mean").unwrap_err().to_string();
    assert!(message.contains("config.json names no labels"), "{message}");
}
