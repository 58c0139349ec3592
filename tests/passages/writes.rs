//! What is embedded again and what is not, and what is refused.

use std::sync::Arc;
use vinedb::{
    CollectionConfig, Document, Options,
    embed::{Border, Chunk, HashEmbedder},
};

use super::{FILLER, collection, documents, long_text, plan};

#[test]
fn what_did_not_change_is_not_embedded_again() {
    let (folder, db, collection) = collection();
    let passages = collection.stats().unwrap().passages.unwrap();
    let again = collection.upsert(documents()).unwrap();
    assert_eq!((again.unchanged, again.embedded), (6, 0));
    // The same text under another key.
    let twin = Document::new("twin", long_text(2));
    let done = collection.upsert(vec![twin]).unwrap();
    assert_eq!((done.added, done.embedded, done.reused), (1, 0, 1));
    // Other metadata under the same text.
    let document =
        Document::new("violin", long_text(2)).metadata(serde_json::json!({"even": false}));
    let done = collection.upsert(vec![document]).unwrap();
    assert_eq!((done.updated, done.embedded, done.reused), (1, 0, 1));
    // A sentence more: the passages before it are known.
    let longer = Document::new("violin", format!("{} {}", long_text(2), FILLER[3]));
    let done = collection.upsert(vec![longer]).unwrap();
    assert_eq!((done.updated, done.reused), (1, 0));
    assert!((1..=2).contains(&done.embedded), "{done:?}");
    drop((collection, db));
    let reopened = Options::default()
        .home(vinedb_tests::home())
        .open(folder.path().join("db"))
        .unwrap();
    let collection = reopened.collection("c").unwrap();
    let mut all = documents();
    all[2] = Document::new("twin", long_text(2));
    let done = collection.upsert(all).unwrap();
    assert_eq!((done.unchanged, done.embedded), (6, 0));
    assert!(collection.stats().unwrap().passages.unwrap() > passages);
}

#[test]
fn a_vector_of_the_callers_own_is_refused_and_nothing_is_written() {
    let (_folder, _db, collection) = collection();
    let kept = || {
        let stats = collection.stats().unwrap();
        (
            stats.documents,
            stats.passages,
            stats
                .local
                .as_ref()
                .expect("the index is in this process")
                .sequence,
            stats
                .local
                .as_ref()
                .expect("the index is in this process")
                .fresh,
        )
    };
    let before = kept();
    let documents = vec![
        Document::new("good", "a text"),
        Document::new("bad", "a text").vector(vec![0.5; 384]),
    ];
    let refused = collection.upsert(documents).unwrap_err().to_string();
    assert!(
        refused.contains("bad") && refused.contains("leave \"vector\" out"),
        "{refused}"
    );
    assert_eq!(kept(), before);
    assert!(collection.get(["good"]).unwrap().is_empty());
}

#[test]
fn texts_of_any_shape_are_taken_whole() {
    let (_folder, _db, collection) = collection();
    let texts = [
        "x".repeat(100_000),
        "字".repeat(500),
        "🍷\u{200d}🧀 ".repeat(100),
        format!("one{}two", " \r\n".repeat(50_000)),
        "\0".repeat(1_000),
        "a".to_owned(),
    ];
    for (number, text) in (0_i64..).zip(texts) {
        let done = collection
            .upsert(vec![Document::new(number, &text)])
            .unwrap();
        assert_eq!((done.added, done.truncated), (1, 0));
        let got = collection.get([number]).unwrap();
        assert_eq!(got[0].text.as_ref(), Some(&text));
    }
    assert!(
        collection
            .upsert(vec![Document::new("blank", " \r\n ")])
            .is_err()
    );
}

#[test]
fn a_plan_that_makes_no_sense_is_refused_with_field_given_and_expected() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::default().home(vinedb_tests::home());
    let db = options.open(folder.path().join("db")).unwrap();
    let chunk = |tokens, overlap| Chunk {
        tokens,
        overlap,
        at: Border::Token,
    };
    let embedded = |tokens, overlap| CollectionConfig::embedded().chunk(chunk(tokens, overlap));
    for (config, named) in [
        (embedded(7, 0), ["chunk.tokens", "7", "8 or more"]),
        (embedded(255, 0), ["chunk.tokens", "255", "8 to 254"]),
        (embedded(20, 11), ["chunk.overlap", "11", "0 to 10"]),
        (
            CollectionConfig::given(3).chunk(plan()),
            ["chunk", "48 tokens", "no chunk with a dimension"],
        ),
    ] {
        let refused = db.create_collection("c", config).unwrap_err().to_string();
        assert!(named.iter().all(|part| refused.contains(part)), "{refused}");
        assert!(db.collections().unwrap().is_empty());
    }
    db.create_collection("c", embedded(254, 127)).unwrap();
}

#[test]
fn a_model_of_the_callers_own_says_how_much_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::default().embedder(Arc::new(HashEmbedder::new(8)));
    let db = options.open(folder.path().join("db")).unwrap();
    let chunk = |tokens| Chunk {
        tokens,
        overlap: 0,
        at: Border::Sentence,
    };
    let refused = db
        .create_collection("c", CollectionConfig::embedded().chunk(chunk(513)))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("8 to 512"), "{refused}");
    db.create_collection("c", CollectionConfig::embedded().chunk(chunk(512)))
        .unwrap();
}
