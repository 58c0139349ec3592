//! What cannot be converted: the error names file, finding and remedy, and nothing is written.

use crate::folder;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use vinedb_embedder::convert::{Precision, from_safetensors, quantize};

/// A copy of the small BERT, with these fields of its `config.json` changed.
fn changed(fields: &[(&str, Value)]) -> TempDir {
    let dir = tempfile::tempdir().expect("a file");
    fs::copy(
        folder("bert").join("model.safetensors"),
        dir.path().join("model.safetensors"),
    )
    .expect("a file");
    let mut config: Value =
        serde_json::from_slice(&fs::read(folder("bert").join("config.json")).expect("a file"))
            .expect("a file");
    for (field, value) in fields {
        config[*field] = value.clone();
    }
    fs::write(dir.path().join("config.json"), config.to_string()).expect("a file");
    dir
}

fn refusal(dir: &Path) -> String {
    let target = dir.join("model.onnx");
    let error = from_safetensors(dir, &target, Precision::Fp32).expect_err("it is refused");
    assert!(!target.exists());
    error.to_string()
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

#[test]
fn settings_that_would_change_the_graph_are_refused() {
    for (field, value, parts) in [
        (
            "model_type",
            json!("t5"),
            ["config.json", "`t5`", "xlm-roberta"],
        ),
        (
            "hidden_act",
            json!("mish"),
            ["config.json", "`mish`", "gelu_new"],
        ),
        (
            "position_embedding_type",
            json!("relative_key"),
            [
                "config.json",
                "`position_embedding_type` relative_key",
                "ONNX export",
            ],
        ),
        (
            "is_decoder",
            json!(true),
            ["config.json", "`is_decoder` true", "ONNX export"],
        ),
        (
            "num_attention_heads",
            json!(5),
            [
                "config.json",
                "`hidden_size` 32 and `num_attention_heads` 5",
                "multiple",
            ],
        ),
        (
            "hidden_size",
            json!(0),
            [
                "config.json",
                "no `hidden_size` above 0",
                "own distribution",
            ],
        ),
        (
            "intermediate_size",
            json!(41),
            [
                "model.safetensors",
                "intermediate.dense.weight` with the sizes [40, 32]",
                "calls for [41, 32]",
            ],
        ),
        (
            "num_hidden_layers",
            json!(3),
            [
                "model.safetensors",
                "no tensor `encoder.layer.2.",
                "config.json",
            ],
        ),
    ] {
        assert_says(&refusal(changed(&[(field, value)]).path()), &parts);
    }
}

#[test]
fn files_that_are_missing_or_damaged_are_named() {
    let dir = changed(&[]);
    let weights = dir.path().join("model.safetensors");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    assert_says(
        &refusal(dir.path()),
        &["cannot make sense of", "model.safetensors"],
    );
    fs::remove_file(&weights).unwrap();
    assert_says(&refusal(dir.path()), &["model.safetensors is missing"]);
    fs::write(dir.path().join("config.json"), "{").unwrap();
    assert_says(
        &refusal(dir.path()),
        &["cannot make sense of", "config.json"],
    );
    fs::remove_file(dir.path().join("config.json")).unwrap();
    assert_says(&refusal(dir.path()), &["config.json is missing"]);
}

#[test]
fn an_index_names_files_of_its_folder_only() {
    let dir = changed(&[]);
    fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    let index = json!({ "weight_map": { "x": "../model.safetensors" } });
    fs::write(
        dir.path().join("model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
    assert_says(
        &refusal(dir.path()),
        &["index.json names the file `../model.safetensors`"],
    );
}

#[test]
fn a_model_in_8_bits_is_not_converted_again() {
    let dir = changed(&[]);
    let [once, twice] = ["once.onnx", "twice.onnx"].map(|name| dir.path().join(name));
    from_safetensors(dir.path(), &once, Precision::Int8).unwrap();
    let message = quantize(&once, &twice).unwrap_err().to_string();
    assert_says(
        &message,
        &["once.onnx is quantized already", "32-bit floats"],
    );
    assert!(!twice.exists());
    let nowhere = dir.path().join("no/folder/model.onnx");
    let message = from_safetensors(dir.path(), &nowhere, Precision::Int8)
        .unwrap_err()
        .to_string();
    assert_says(&message, &["cannot write", "no/folder/model.onnx"]);
}
