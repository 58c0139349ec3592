//! Tokenization with a tokenizer made here: lower-cased words, some of them known, between `[CLS]` and `[SEP]`.

use super::*;
use crate::settings::PoolingMode;
use crate::settings::Step;
use proptest::prelude::*;
use serde_json::json;
use std::path::PathBuf;

const MAX_LENGTH: usize = 8;

fn settings() -> Settings {
    Settings {
        model: PathBuf::from("model.onnx"),
        tokenizer: PathBuf::from("folder/tokenizer.json"),
        width: 4,
        pooling: PoolingMode::Mean.into(),
        include_prompt: true,
        steps: vec![Step::Normalize],
        full: 4,
        dimension: 4,
        max_length: MAX_LENGTH,
        lowercase: false,
        pad_id: 0,
        query_prefix: String::new(),
        document_prefix: String::new(),
        output: None,
    }
}

/// Fixed padding to 5 and truncation to 3, as a real file would have them by mistake.
fn file() -> serde_json::Value {
    let token = |id: u32, content: &str| json!({ "id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false });
    json!({
        "version": "1.0",
        "truncation": { "direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0 },
        "padding": { "strategy": { "Fixed": 5 }, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]" },
        "added_tokens": [token(0, "[PAD]"), token(1, "[CLS]"), token(2, "[SEP]"), token(3, "[UNK]")],
        "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": "[CLS]", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }, { "SpecialToken": { "id": "[SEP]", "type_id": 0 } }],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }],
            "special_tokens": {
                "[CLS]": { "id": "[CLS]", "ids": [1], "tokens": ["[CLS]"] },
                "[SEP]": { "id": "[SEP]", "ids": [2], "tokens": ["[SEP]"] }
            }
        },
        "decoder": null,
        "model": { "type": "WordLevel", "unk_token": "[UNK]", "vocab": { "[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[UNK]": 3, "red": 4, "wine": 5, "query": 6, "passage": 7, ":": 8 } }
    })
}

fn load(file: &serde_json::Value, settings: &Settings) -> Result<TextTokenizer> {
    let tokenizer = Tokenizer::from_bytes(serde_json::to_vec(file).unwrap()).unwrap();
    TextTokenizer::new(tokenizer, settings)
}

fn ids(settings: &Settings, text: &str, purpose: Purpose) -> Vec<u32> {
    load(&file(), settings)
        .unwrap()
        .encode(text, purpose)
        .unwrap()
        .ids
}

#[test]
fn special_tokens_surround_the_text_without_padding() {
    assert_eq!(
        ids(&settings(), "red wine", Purpose::Document),
        [1, 4, 5, 2]
    );
    assert_eq!(ids(&settings(), "", Purpose::Document), [1, 2]);
}

#[test]
fn the_models_length_counts_and_not_that_of_tokenizer_json() {
    let tokenizer = load(&file(), &settings()).unwrap();
    let fits = tokenizer
        .encode(&"wine ".repeat(MAX_LENGTH - 2), Purpose::Document)
        .unwrap();
    assert_eq!((fits.ids.len(), fits.truncated), (MAX_LENGTH, false));
    let longer = tokenizer
        .encode(&"wine ".repeat(MAX_LENGTH - 1), Purpose::Document)
        .unwrap();
    assert_eq!((longer.ids, longer.truncated), (fits.ids, true));
}

#[test]
fn prefixes_go_by_purpose() {
    let settings = Settings {
        query_prefix: "query: ".into(),
        document_prefix: "passage: ".into(),
        ..settings()
    };
    assert_eq!(ids(&settings, "wine", Purpose::Query), [1, 6, 8, 5, 2]);
    assert_eq!(ids(&settings, "wine", Purpose::Document), [1, 7, 8, 5, 2]);
}

#[test]
fn texts_are_lower_cased_when_the_model_says_so() {
    assert_eq!(ids(&settings(), "WINE", Purpose::Query), [1, 3, 2]);
    assert_eq!(
        ids(
            &Settings {
                lowercase: true,
                ..settings()
            },
            "WINE",
            Purpose::Query
        ),
        [1, 5, 2]
    );
}

#[test]
fn unknown_words_and_blanks_are_read_further_than_the_first_bytes() {
    let tokenizer = load(&file(), &settings()).unwrap();
    let late = format!(
        "{}red wine",
        " ".repeat(4 * MAX_LENGTH * FIRST_BYTES_PER_TOKEN)
    );
    let encoding = tokenizer.encode(&late, Purpose::Document).unwrap();
    assert_eq!(
        (encoding.ids, encoding.truncated),
        (vec![1, 4, 5, 2], false)
    );
}

#[test]
fn what_lies_beyond_the_last_bytes_is_reported_as_left_out() {
    let tokenizer = load(&file(), &settings()).unwrap();
    let late = format!("red{}wine", " ".repeat(MAX_LENGTH * LAST_BYTES_PER_TOKEN));
    let encoding = tokenizer.encode(&late, Purpose::Document).unwrap();
    assert_eq!((encoding.ids, encoding.truncated), (vec![1, 4, 2], true));
}

#[test]
fn a_head_ends_between_words_or_at_least_between_characters() {
    assert_eq!(head("red wine", 8), "red wine");
    assert_eq!(head("red wine", 6), "red");
    assert_eq!(head("éééé", 3), "é");
    assert_eq!(head("", 0), "");
    let word = "x".repeat(2 * LONGEST_WORD);
    assert_eq!(
        head(&format!("a {word}"), 2 * LONGEST_WORD).len(),
        2 * LONGEST_WORD
    );
}

#[test]
fn a_tokenizer_that_cuts_at_the_left_is_refused() {
    let mut file = file();
    file["truncation"]["direction"] = json!("Left");
    let message = load(&file, &settings()).err().unwrap().to_string();
    assert!(
        message.contains("folder/tokenizer.json") && message.contains("Right"),
        "{message}"
    );
}

#[test]
fn special_tokens_must_be_there_and_leave_room() {
    let mut without = file();
    without["post_processor"] = json!(null);
    assert!(
        load(&without, &settings())
            .err()
            .unwrap()
            .to_string()
            .contains("[CLS]")
    );
    assert!(
        load(
            &file(),
            &Settings {
                max_length: 2,
                ..settings()
            }
        )
        .is_err()
    );
}

#[test]
fn a_panicking_tokenizer_is_an_error() {
    let error = catch::<()>(|| panic!("made to")).unwrap_err();
    assert_eq!(error.to_string(), "the tokenizer panicked on it: made to");
}

proptest! {
    #[test]
    fn reading_a_part_changes_nothing(words in prop::collection::vec("red|wine|[a-z]{1,12}|\\PC{1,3}", 0..400)) {
        let text = words.join(" ");
        let tokenizer = load(&file(), &settings()).unwrap();
        let whole = tokenizer.finish(tokenizer.tokens(&text).unwrap(), false, 0).unwrap();
        prop_assert_eq!(tokenizer.encode(&text, Purpose::Document).unwrap(), whole);
    }
}
