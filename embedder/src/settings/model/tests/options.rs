//! What options add to a folder, and what they may not overrule.

use super::*;
use crate::onnx::{Field, Model, ValueInfo, field};

/// An ONNX file with token states as its one output.
fn with_states() -> Vec<u8> {
    let shape = [Err("batch"), Err("sequence"), Ok(8)];
    let output = ValueInfo::tensor("last_hidden_state", 1, &shape);
    let mut bytes = Vec::new();
    let model = Model::new(vec![Field::message(field::OUTPUT, &output)], 17);
    model.write(&mut bytes).unwrap();
    bytes
}

#[test]
fn options_add_what_the_folder_leaves_out() {
    let dir = folder();
    fs::remove_file(dir.path().join("modules.json")).unwrap();
    fs::write(dir.path().join("model.onnx"), with_states()).unwrap();
    let message = Settings::read(dir.path()).unwrap_err().to_string();
    assert!(
        message.contains("modules.json") && message.contains("vinedb.json"),
        "{message}"
    );
    fs::remove_file(dir.path().join("sentence_bert_config.json")).unwrap();
    let options = ModelOptions {
        pooling: Some(PoolingMode::Cls.into()),
        normalize: Some(true),
        max_length: Some(128),
        lowercase: Some(true),
        query_prefix: Some("query: ".into()),
        document_prefix: Some("passage: ".into()),
        dimensions: Some(5),
        output: Some("461".into()),
        width: Some(8),
    };
    options.write(dir.path()).unwrap();
    let settings = Settings::read(dir.path()).unwrap();
    assert_eq!(settings.pooling, PoolingMode::Cls.into());
    assert_eq!(settings.steps, [Step::Normalize]);
    assert_eq!(
        (settings.max_length, settings.lowercase, settings.dimension),
        (128, true, 5)
    );
    assert_eq!(
        (&*settings.query_prefix, &*settings.document_prefix),
        ("query: ", "passage: ")
    );
    assert_eq!(settings.output.as_deref(), Some("461"));
}

#[test]
fn options_that_contradict_the_folder_are_refused_with_both_values() {
    for (option, values) in [
        (r#""pooling":"cls""#, ["cls", "mean"]),
        (r#""normalize":false"#, ["false", "true"]),
        (r#""max_length":128"#, ["128", "256"]),
        (r#""lowercase":false"#, ["false", "true"]),
        (r#""query_prefix":"q ""#, ["q ", "query: "]),
        (r#""width":9"#, ["9", "8"]),
        (r#""dimensions":9"#, ["9", "8"]),
        (r#""dimension":4"#, ["dimension", "vinedb.json"]),
    ] {
        let dir = folder();
        let prompts = r#"{"prompts":{"query":"query: "}}"#;
        fs::write(
            dir.path().join("config_sentence_transformers.json"),
            prompts,
        )
        .unwrap();
        fs::write(dir.path().join("vinedb.json"), format!("{{{option}}}")).unwrap();
        let message = Settings::read(dir.path()).unwrap_err().to_string();
        assert!(message.contains("vinedb.json"), "{message}");
        assert!(
            values.iter().all(|value| message.contains(value)),
            "{option}: {message}"
        );
    }
    let same =
        r#"{"pooling":"mean","normalize":true,"max_length":256,"lowercase":true,"dimensions":8}"#;
    assert!(with("vinedb.json", same).is_ok());
    assert!(
        with("vinedb.json", r#"{"pooling":"model"}"#)
            .unwrap()
            .pooling
            .modes()
            .is_empty()
    );
}
