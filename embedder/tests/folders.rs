//! Model folders of other shapes than the default's, on the real ONNX Runtime with tiny models made here.

use crate::home;
use crate::onnx::{DIMENSION, Head, Tiny};
use serde_json::json;
use std::fs;
use tempfile::TempDir;
use vinedb_embedder::{
    Embed, Error, OnnxEmbedder, Options, PoolingMode, Purpose, Result, identity,
};

/// Tokens of the folders' vocabulary: words `w4` to `w15` are tokens 4 to 15, of which the models know those below 12.
const WORDS: std::ops::Range<u32> = 4..16;

/// A folder of the model, with pooling `mode`, not normalised.
fn folder(model: &Tiny, mode: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(dir.path().join("1_Pooling")).expect("a subfolder");
    let modules = json!([{ "path": "", "type": "x.Transformer" }, { "path": "1_Pooling", "type": "x.Pooling" }]);
    for (file, content) in [
        ("modules.json", modules.to_string()),
        (
            "config.json",
            json!({ "hidden_size": DIMENSION, "max_position_embeddings": 64 }).to_string(),
        ),
        (
            "sentence_bert_config.json",
            json!({ "max_seq_length": 10 }).to_string(),
        ),
        (
            "1_Pooling/config.json",
            json!({ "word_embedding_dimension": DIMENSION, "pooling_mode": mode }).to_string(),
        ),
        ("tokenizer.json", tokenizer().to_string()),
    ] {
        fs::write(dir.path().join(file), content).expect("a file");
    }
    fs::write(dir.path().join("model.onnx"), model.bytes()).expect("the model");
    dir
}

/// Words by white space, `[CLS]` (token 1) before and `[SEP]` (token 2) behind.
pub(crate) fn tokenizer() -> serde_json::Value {
    let mut vocabulary = json!({ "[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[UNK]": 3 });
    for word in WORDS {
        vocabulary[format!("w{word}")] = json!(word);
    }
    let special = |name: &str| json!({ "SpecialToken": { "id": name, "type_id": 0 } });
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null, "decoder": null,
        "pre_tokenizer": { "type": "WhitespaceSplit" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("[CLS]"), { "Sequence": { "id": "A", "type_id": 0 } }, special("[SEP]")],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 0 } }],
            "special_tokens": {
                "[CLS]": { "id": "[CLS]", "ids": [1], "tokens": ["[CLS]"] },
                "[SEP]": { "id": "[SEP]", "ids": [2], "tokens": ["[SEP]"] }
            }
        },
        "model": { "type": "WordLevel", "unk_token": "[UNK]", "vocab": vocabulary }
    })
}

pub(crate) fn open(dir: &TempDir) -> Result<OnnxEmbedder> {
    OnnxEmbedder::open("tiny", dir.path(), &home::runtime(), &Options::default())
}

fn opened(model: &Tiny, mode: &str) -> OnnxEmbedder {
    open(&folder(model, mode)).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(model: &Tiny) -> String {
    let message = open(&folder(model, "mean"))
        .expect_err("the model is refused")
        .to_string();
    assert!(
        message.contains("model.onnx"),
        "{message:?} does not name the file"
    );
    message
}

#[test]
fn mean_pooling_counts_special_tokens_and_no_padding() {
    let rows = opened(&Tiny::default(), "mean")
        .embed(&["w9", "w4 w5 w6 w7", ""], Purpose::Document)
        .unwrap();
    assert_eq!(rows.data(), [4.0, 1.0, 25.0 / 6.0, 1.0, 1.5, 1.0]);
}

#[test]
fn cls_pooling_takes_the_first_token() {
    let embedder = opened(&Tiny::default(), "cls");
    let rows = embedder.embed(&["w9", "w4 w5"], Purpose::Query).unwrap();
    assert_eq!(rows.data(), [1.0, 1.0, 1.0, 1.0]);
    assert_eq!(embedder.identity().pooling, PoolingMode::Cls.into());
}

#[test]
fn a_vector_that_the_model_pooled_is_taken_as_it_is() {
    let model = Tiny {
        head: Head::Sum,
        output: "sentence_embedding",
        ..Tiny::default()
    };
    let rows = opened(&model, "mean")
        .embed(&["w9 w4"], Purpose::Document)
        .unwrap();
    assert_eq!(rows.data(), [16.0, 4.0]);
}

#[test]
fn inputs_are_those_that_the_model_has() {
    for inputs in [
        &["input_ids"][..],
        &["input_ids", "attention_mask"],
        &["token_type_ids", "attention_mask", "input_ids"],
    ] {
        for narrow in [false, true] {
            let rows = opened(
                &Tiny {
                    inputs,
                    narrow,
                    ..Tiny::default()
                },
                "mean",
            )
            .embed(&["w9"], Purpose::Query)
            .unwrap();
            assert_eq!(rows.data(), [4.0, 1.0], "{inputs:?}");
        }
    }
}

#[test]
fn unknown_inputs_and_outputs_are_refused_by_name() {
    assert!(
        refusal(&Tiny {
            inputs: &["input_ids", "pixels"],
            ..Tiny::default()
        })
        .contains("`pixels`")
    );
    let message = refusal(&Tiny {
        head: Head::Sum,
        output: "pooler_output",
        ..Tiny::default()
    });
    assert!(
        message.contains("`pooler_output`") && message.contains("last_hidden_state"),
        "{message}"
    );
}

#[test]
fn a_width_that_config_json_does_not_name_is_refused() {
    let dir = folder(&Tiny::default(), "mean");
    fs::write(dir.path().join("config.json"), r#"{"hidden_size":3}"#).unwrap();
    fs::write(
        dir.path().join("1_Pooling/config.json"),
        r#"{"word_embedding_dimension":3,"pooling_mode":"mean"}"#,
    )
    .unwrap();
    let message = open(&dir).unwrap_err().to_string();
    assert!(
        message.contains("hidden_size") && message.contains('3'),
        "{message}"
    );
}

#[test]
fn broken_weights_and_tokenizers_are_refused_with_their_path() {
    for file in ["model.onnx", "tokenizer.json"] {
        let dir = folder(&Tiny::default(), "mean");
        fs::write(dir.path().join(file), "{ nonsense").unwrap();
        let message = open(&dir).unwrap_err().to_string();
        assert!(
            message.contains(&*dir.path().join(file).to_string_lossy()),
            "{message}"
        );
    }
}

/// Token 12 and above lie outside the tiny models' table, so that ONNX Runtime itself fails on them.
#[test]
fn a_text_that_the_model_cannot_take_fails_alone() {
    let embedder = opened(&Tiny::default(), "mean");
    let bad = embedder
        .submit(vec!["w4".into(), "w15".into()], Purpose::Document)
        .unwrap();
    let good = embedder
        .submit(vec!["w9".into(); 50], Purpose::Document)
        .unwrap();
    assert!(matches!(bad.wait(), Err(Error::Text { index: 1, .. })));
    assert_eq!(good.wait().unwrap().row(49), [4.0, 1.0]);
}

#[test]
fn a_vector_that_is_not_finite_is_an_error_of_its_text() {
    let embedder = opened(
        &Tiny {
            fifth: [f32::INFINITY, 1.0],
            ..Tiny::default()
        },
        "mean",
    );
    let error = embedder
        .embed(&["w4", "w4 w5"], Purpose::Document)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "text 1 cannot be embedded: the model's vector for it holds inf at component 0"
    );
    assert_eq!(
        embedder.embed(&["w9"], Purpose::Query).unwrap().data(),
        [4.0, 1.0]
    );
}

#[test]
fn prefixes_reach_the_model() {
    let dir = folder(&Tiny::default(), "mean");
    fs::write(
        dir.path().join("config_sentence_transformers.json"),
        r#"{"prompts":{"query":"w9 ","document":"w10 "}}"#,
    )
    .unwrap();
    let embedder = open(&dir).unwrap_or_else(|error| panic!("{error}"));
    let query = embedder.embed(&["w4"], Purpose::Query).unwrap();
    let document = embedder.embed(&["w4"], Purpose::Document).unwrap();
    assert_eq!(
        (query.row(0), document.row(0)),
        (&[4.0, 1.0][..], &[4.25, 1.0][..])
    );
    assert_eq!(embedder.identity().query_prefix, "w9 ");
}

#[test]
fn the_cheap_identity_is_that_of_the_open_model() {
    let dir = folder(&Tiny::default(), "mean");
    let embedder = open(&dir).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(identity("tiny", dir.path()).unwrap(), *embedder.identity());
    assert_ne!(identity("other", dir.path()).unwrap(), *embedder.identity());
    let json = serde_json::to_string(embedder.identity()).unwrap();
    assert_eq!(
        serde_json::from_str::<vinedb_embedder::Identity>(&json).unwrap(),
        *embedder.identity()
    );
}
