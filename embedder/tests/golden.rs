//! Against sentence-transformers' vectors of the unquantised model (`golden/make.py` made them).
//!
//! The default model's weights are rounded to 8 bits, which costs up to 0.004 of cosine; a wrong pooling, prefix,
//! truncation or tokenization costs far more.

use crate::cosine;
use crate::home::open;
use serde::Deserialize;
use vinedb_embedder::{Embed, Embeddings, Options, Pending, Purpose};

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

fn embedded(golden: &Golden) -> Embeddings {
    let texts = golden.items.iter().map(Item::text).collect();
    open(&Options::default())
        .submit(texts, Purpose::Document)
        .and_then(Pending::wait)
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn vectors_are_those_of_sentence_transformers() {
    let golden = golden();
    let rows = embedded(&golden);
    let cosines: Vec<f64> = golden
        .items
        .iter()
        .zip(rows.rows())
        .map(|(item, row)| cosine(&item.embedding, row))
        .collect();
    let (worst, least) = cosines
        .iter()
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(b.1))
        .unwrap();
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    println!(
        "golden: {} texts, least cosine {least:.5}, mean {mean:.5}",
        cosines.len()
    );
    assert!(
        *least >= 0.995,
        "{least} for {:?}",
        golden.items[worst].text()
    );
    assert!(mean >= 0.998, "{mean}");
}

#[test]
fn vectors_are_whole_and_of_length_one() {
    let golden = golden();
    let rows = embedded(&golden);
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
    assert_eq!(
        open(&Options::default()).identity().max_length,
        golden.max_seq_length
    );
    let expected: Vec<bool> = golden
        .items
        .iter()
        .map(|item| item.tokens > golden.max_seq_length)
        .collect();
    assert_eq!(embedded(&golden).truncated(), expected);
    assert!(expected.contains(&true));
}
