//! Folders with an ONNX file and a tokenizer and nothing else: what their options must say, and that no more is needed.

use crate::folders::{open, tokenizer};
use crate::onnx::{Head, SECOND, Tiny};
use std::fs;
use tempfile::TempDir;
use vinedb_embedder::{Embed, ModelOptions, Pooling, PoolingMode, Purpose, identity};

fn folder(model: &Tiny, options: &ModelOptions) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join("model.onnx"), model.bytes()).expect("the model");
    fs::write(dir.path().join("tokenizer.json"), tokenizer().to_string()).expect("the tokenizer");
    options.write(dir.path()).expect("the options");
    dir
}

fn embedded(model: &Tiny, options: &ModelOptions) -> Vec<f32> {
    let embedder = open(&folder(model, options)).unwrap_or_else(|error| panic!("{error}"));
    let rows = embedder.embed(&["w9 w4"], Purpose::Document);
    rows.unwrap_or_else(|error| panic!("{error}")).into_data()
}

/// The option that the refusal names, which its message names as well.
fn missing(model: &Tiny, options: &ModelOptions) -> &'static str {
    let error = open(&folder(model, options)).expect_err("something is missing");
    let option = error.model_option().unwrap_or_else(|| panic!("{error}"));
    assert!(
        error.to_string().contains(&format!("`{option}`")),
        "{error}"
    );
    option
}

fn with_length() -> ModelOptions {
    ModelOptions {
        max_length: Some(8),
        ..ModelOptions::default()
    }
}

fn with_mean() -> ModelOptions {
    ModelOptions {
        pooling: Some(PoolingMode::Mean.into()),
        ..with_length()
    }
}

/// Each refusal leads to the next option, until the model opens.
#[test]
fn an_onnx_file_and_a_tokenizer_need_two_options() {
    let model = Tiny::default();
    assert_eq!(missing(&model, &ModelOptions::default()), "max_length");
    assert_eq!(missing(&model, &with_length()), "pooling");
    assert_eq!(embedded(&model, &with_mean()), [4.0, 1.0]);
    let bare = identity("bare", folder(&model, &with_mean()).path()).unwrap();
    assert_eq!(
        (bare.dimension, bare.max_length, bare.normalize),
        (2, 8, false)
    );
}

#[test]
fn an_output_of_one_vector_per_text_needs_no_pooling() {
    let model = Tiny {
        head: Head::Sum,
        output: "461",
        ..Tiny::default()
    };
    assert_eq!(embedded(&model, &with_length()), [16.0, 4.0]);
}

#[test]
fn the_second_output_is_taken_by_name_or_position() {
    let model = Tiny {
        head: Head::Both,
        ..Tiny::default()
    };
    for output in [SECOND, "1"] {
        let options = ModelOptions {
            output: Some(output.into()),
            ..with_length()
        };
        assert_eq!(embedded(&model, &options), [16.0, 4.0], "{output}");
    }
    let first = ModelOptions {
        output: Some("0".into()),
        ..with_mean()
    };
    assert_eq!(embedded(&model, &first), [4.0, 1.0]);
    for output in ["2", "another"] {
        let options = ModelOptions {
            output: Some(output.into()),
            ..with_mean()
        };
        assert_eq!(missing(&model, &options), "output");
    }
}

#[test]
fn a_pooling_by_the_model_takes_no_token_states() {
    let by_the_model = ModelOptions {
        pooling: Some(Pooling::by_the_model()),
        ..with_length()
    };
    assert_eq!(missing(&Tiny::default(), &by_the_model), "pooling");
    let model = Tiny {
        head: Head::Both,
        ..Tiny::default()
    };
    assert_eq!(embedded(&model, &by_the_model), [16.0, 4.0]);
}

#[test]
fn a_width_that_the_file_does_not_declare_is_an_option() {
    let model = Tiny {
        sized: false,
        ..Tiny::default()
    };
    let width = |width| ModelOptions {
        width: Some(width),
        ..with_mean()
    };
    assert_eq!(missing(&model, &with_mean()), "width");
    assert_eq!(embedded(&model, &width(2)), [4.0, 1.0]);
    assert_eq!(missing(&Tiny::default(), &width(3)), "width");
}

#[test]
fn options_out_of_their_range_are_named() {
    let of = |change: fn(&mut ModelOptions)| {
        let mut options = with_mean();
        change(&mut options);
        missing(&Tiny::default(), &options)
    };
    assert_eq!(of(|options| options.max_length = Some(2)), "max_length");
    assert_eq!(of(|options| options.dimensions = Some(3)), "dimensions");
    assert_eq!(of(|options| options.dimensions = Some(0)), "dimensions");
}
