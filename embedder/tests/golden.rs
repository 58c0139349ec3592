//! Against sentence-transformers' vectors of the unquantised model (`golden/make.py` made them).
//!
//! The default model multiplies in 8 bits, which costs up to 0.013 of cosine, 0.004 on average; a wrong pooling, prefix,
//! truncation or tokenization costs far more. In 32-bit floats nothing but rounding is between the two.

use crate::cosine;
use crate::home::{self, open};
use serde::Deserialize;
use vinedb_embedder::convert::{Precision, folder};
use vinedb_embedder::{Embed, Embeddings, OnnxEmbedder, Options, Pending, Purpose, identity};

#[derive(Deserialize)]
struct Golden {
    max_seq_length: usize,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    text: Option<String>,
    repeat: Option<(String, usize)>,
    tokens: usize,
    embedding: Vec<f32>,
}

impl Item {
    fn text(&self) -> String {
        match (&self.text, &self.repeat) {
            (Some(text), None) => text.clone(),
            (None, Some((unit, count))) => unit.repeat(*count),
            _ => panic!("an item has either text or repeat"),
        }
    }
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/all-MiniLM-L6-v2.json"))
        .expect("the checked-in file is JSON")
}

fn embedded(golden: &Golden, embedder: &OnnxEmbedder) -> Embeddings {
    let texts = golden.items.iter().map(Item::text).collect();
    embedder
        .submit(texts, Purpose::Document)
        .and_then(Pending::wait)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The least cosine with the reference, and the mean.
fn cosines(golden: &Golden, rows: &Embeddings) -> (f64, f64) {
    let cosines: Vec<f64> = golden
        .items
        .iter()
        .zip(rows.rows())
        .map(|(item, row)| cosine(&item.embedding, row))
        .collect();
    let least = cosines.iter().copied().fold(1.0, f64::min);
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    (least, mean)
}

#[test]
fn vectors_are_those_of_sentence_transformers() {
    let golden = golden();
    let rows = embedded(&golden, &open(&Options::default()));
    let (least, mean) = cosines(&golden, &rows);
    assert!(least >= 0.985, "{least}");
    assert!(mean >= 0.995, "{mean}");
}

#[test]
fn in_32_bit_floats_vectors_are_those_of_sentence_transformers_but_for_rounding() {
    let golden = golden();
    let dir = tempfile::tempdir().unwrap();
    let floats = dir.path().join("floats");
    folder(&home::model(), &floats, Precision::Fp32).unwrap_or_else(|error| panic!("{error}"));
    let embedder =
        OnnxEmbedder::open("floats", &floats, &home::runtime(), &Options::default()).unwrap();
    let (least, _) = cosines(&golden, &embedded(&golden, &embedder));
    assert!(least >= 0.99999, "{least}");
    let default = identity("floats", &home::model()).unwrap();
    assert_ne!(
        embedder.identity().hash,
        default.hash,
        "a collection tells them apart"
    );
}

#[test]
fn vectors_are_whole_and_of_length_one() {
    let golden = golden();
    let rows = embedded(&golden, &open(&Options::default()));
    assert_eq!((rows.len(), rows.dimension()), (golden.items.len(), 384));
    for row in rows.rows() {
        assert!((cosine(row, row) - 1.0).abs() < 1e-9);
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
}

#[test]
fn truncation_is_reported_for_just_those_above_the_models_own_length() {
    let golden = golden();
    let embedder = open(&Options::default());
    assert_eq!(embedder.identity().max_length, golden.max_seq_length);
    let expected: Vec<bool> = golden
        .items
        .iter()
        .map(|item| item.tokens > golden.max_seq_length)
        .collect();
    assert_eq!(embedded(&golden, &embedder).truncated(), expected);
    assert!(expected.contains(&true));
}
