//! Passages of real models' tokens: each is read to its end, and together they are the text.

use crate::home::{self, open};
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;
use tokenizers::Tokenizer;
use vinedb_embedder::{Border, Chunk, Embed, OnnxEmbedder, Options, Purpose, passages, room};

static MODEL: LazyLock<OnnxEmbedder> = LazyLock::new(|| open(&Options::default()));

/// The model's tokenizer by itself, which counts special tokens too: `[CLS]` and `[SEP]`.
static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let file = home::model().join("tokenizer.json");
    let mut tokenizer = Tokenizer::from_file(file).expect("the model's tokenizer");
    tokenizer
        .with_padding(None)
        .with_truncation(None)
        .expect("nothing is cut");
    tokenizer
});

const SPECIAL: usize = 2;

fn chunk(tokens: usize, overlap: usize, at: Border) -> Chunk {
    Chunk {
        tokens,
        overlap,
        at,
    }
}

/// The passages of `text`, after a look at whether they are in order, cover it, and are within `plan`.
fn checked<'t>(model: &dyn Embed, text: &'t str, plan: &Chunk) -> Vec<&'t str> {
    let found = passages(model, text, plan).expect("any text is cut");
    let mut covered = 0;
    for range in &found {
        assert!(text[covered..range.start.max(covered)].trim().is_empty());
        assert!(range.end > covered || text.trim().is_empty());
        covered = range.end;
    }
    assert!(text[covered..].trim().is_empty());
    found.into_iter().map(|range| &text[range]).collect()
}

fn within(parts: &[&str], tokens: usize) {
    for part in parts {
        let found = TOKENIZER.encode_fast(*part, true).expect("tokens");
        let found = found.len() - SPECIAL;
        assert!(found <= tokens, "{found} of {tokens} in {part:?}");
    }
}

fn awkward() -> Vec<String> {
    vec![
        "Crisp and lean, with lime at the end. Drink it young! Or don't?\r\n\r\nThe second bottle was corked. ".repeat(60),
        "x".repeat(300_000),
        format!("one{}two", " ".repeat(300_000)),
        "\0".repeat(200_000),
        "我喜欢这款红酒。它有樱桃的味道，余味很长！".repeat(80),
        "🍷🧀👩‍🍳 é e\u{301} ﷺ ".repeat(200),
        "antidisestablishmentarianism".repeat(400),
        "شراب أحمر خفيف مع الكرز. ".repeat(100),
        "a\u{200b}\u{feff}b\t\u{a0}\u{2003}c".repeat(300),
        "no sentence ends here and no line does either ".repeat(200),
    ]
}

#[test]
fn any_text_is_cut_into_passages_that_the_model_reads_to_their_ends() {
    let all = MODEL.room();
    assert_eq!(all, 254);
    assert_eq!(room(&home::model()).unwrap(), all);
    for text in awkward() {
        for plan in [
            chunk(8, 4, Border::Token),
            chunk(40, 10, Border::Sentence),
            chunk(all, 100, Border::Paragraph),
        ] {
            let parts = checked(&*MODEL, &text, &plan);
            within(&parts, plan.tokens);
        }
        let parts = checked(&*MODEL, &text, &chunk(all, 0, Border::Sentence));
        let rows = MODEL.embed(&parts, Purpose::Document).unwrap();
        assert_eq!(rows.truncated(), vec![false; parts.len()]);
    }
}

#[test]
fn a_documents_prompt_leaves_room_for_less() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/roberta-e5");
    let model = OnnxEmbedder::open("e5", &folder, &home::runtime(), &Options::default()).unwrap();
    let prefix = &model.identity().document_prefix;
    assert!(!prefix.is_empty());
    assert!(model.room() + SPECIAL < model.identity().max_length);
    for text in [
        "the wine is dry and the cheese is old. ".repeat(300),
        "🍷é字".repeat(500),
    ] {
        let parts = checked(&model, &text, &chunk(model.room(), 3, Border::Sentence));
        assert!(parts.len() > 1);
        let rows = model.embed(&parts, Purpose::Document).unwrap();
        assert_eq!(rows.truncated(), vec![false; parts.len()]);
    }
}

#[test]
fn tokens_are_the_tokenizers_own_over_the_whole_text() {
    let text = "Smoke, cherries and tannins, unputdownable. ".repeat(5_000);
    let whole = TOKENIZER.encode(text.as_str(), false).unwrap();
    let starts: Vec<usize> = whole
        .get_offsets()
        .iter()
        .map(|(start, _)| *start)
        .collect();
    assert_eq!(MODEL.tokens(&text).unwrap(), starts);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_characters_are_cut_within_their_tokens(
        parts in prop::collection::vec((any::<String>(), 1_usize..60), 0..20),
        tokens in 8_usize..60,
        overlap in 0_usize..30,
        at in prop_oneof![Just(Border::Token), Just(Border::Sentence), Just(Border::Paragraph)],
    ) {
        let text: String = parts.iter().map(|(part, times)| part.repeat(*times)).collect();
        let found = checked(&*MODEL, &text, &chunk(tokens, overlap.min(tokens / 2), at));
        within(&found, tokens);
    }
}
