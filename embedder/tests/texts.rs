//! Any text at all, through tokenizers of every kind and tiny models of every family: rows come back, one per text, and are
//! vectors. What is asked of the real model's answers is in `model.rs`.

use crate::architectures::folder;
use crate::{cosine, home};
use proptest::prelude::*;
use std::sync::LazyLock;
use vinedb_embedder::{Embed, Embeddings, OnnxEmbedder, Options, Purpose};

/// WordPiece, byte-level BPE, and what sentence-transformers puts before and behind.
const MODELS: [&str; 6] = [
    "bert-mean",
    "bert-max-lower",
    "bert-weighted",
    "distilbert-last",
    "modernbert-no-prompt",
    "roberta-e5",
];

static EMBEDDERS: LazyLock<Vec<OnnxEmbedder>> = LazyLock::new(|| {
    let options = Options {
        token_budget: 64,
        ..Options::default()
    };
    let open = |name: &&str| OnnxEmbedder::open(name, &folder(name), &home::runtime(), &options);
    let opened = MODELS.iter().map(open).collect::<Result<_, _>>();
    opened.unwrap_or_else(|error| panic!("{error}"))
});

/// What tokenizers trip over: control characters, marks without a letter, text from right to left and what turns its
/// direction, joined emoji, special tokens spelled out, characters beyond the basic plane, and none at all.
const NASTY: [&str; 20] = [
    "",
    "\0",
    "\u{1}\u{7f}\u{9b}",
    "\r\n\t\u{b}\u{c}",
    "\u{301}",
    "\u{20dd}\u{fe0f}",
    "שלום עולם",
    "مرحبا",
    "\u{202e}abc\u{202c}",
    "\u{200d}\u{200b}\u{feff}",
    "👩\u{200d}👩\u{200d}👧",
    "🇩🇪",
    "[CLS]",
    "[MASK] [PAD]",
    "</s><mask>",
    "\u{fffd}\u{ffff}\u{10ffff}",
    "ﷺ",
    "ẞßİı",
    "漢字かなカナ한글",
    "a\u{300}\u{301}\u{302}\u{303}\u{304}",
];

fn texts() -> impl Strategy<Value = Vec<String>> {
    let piece = prop_oneof![
        prop::sample::select(NASTY.as_slice()).prop_map(str::to_owned),
        any::<String>(),
        "[a-z ]{0,40}",
    ];
    let text = prop::collection::vec((piece, 1_usize..20), 0..6);
    let text = text.prop_map(|pieces| {
        pieces
            .iter()
            .map(|(piece, times)| piece.repeat(*times))
            .collect()
    });
    prop::collection::vec(text, 0..12)
}

fn assert_vectors(model: &OnnxEmbedder, rows: &Embeddings, texts: usize) {
    assert_eq!(
        (rows.len(), rows.dimension()),
        (texts, model.identity().dimension)
    );
    for row in rows.rows() {
        assert!(row.iter().all(|value| value.is_finite()), "{row:?}");
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        let unit = (length - 1.0).abs() < 1e-4;
        assert!(unit || !model.identity().normalize, "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_text_has_its_vector_whatever_it_is_and_comes_with(texts in texts(), bulk: bool) {
        let purpose = if bulk { Purpose::Document } else { Purpose::Query };
        for model in EMBEDDERS.iter() {
            let rows = model.submit(texts.clone(), purpose).and_then(vinedb_embedder::Pending::wait);
            let rows = rows.unwrap_or_else(|error| panic!("{}: {error}", model.identity().name));
            assert_vectors(model, &rows, texts.len());
            if let Some(last) = texts.last() {
                let alone = model.embed(&[last], purpose).unwrap();
                let same = cosine(alone.row(0), rows.row(texts.len() - 1));
                prop_assert!(same >= 0.9999, "{}: {same} of {last:?}", model.identity().name);
            }
        }
    }
}

#[test]
fn a_megabyte_of_anything_is_cut_and_embedded() {
    for piece in NASTY
        .iter()
        .filter(|piece| !piece.is_empty())
        .chain(&["a", " ", "wine "])
    {
        let text = piece.repeat(1_000_000 / piece.len());
        for model in EMBEDDERS.iter() {
            let rows = model.embed(&[&text, "wine"], Purpose::Document).unwrap();
            assert_vectors(model, &rows, 2);
            assert!(!rows.truncated()[1]);
        }
    }
}
