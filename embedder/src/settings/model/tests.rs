//! What a model folder may say, and what it is told when it says something else.

use super::*;
use crate::settings::{ModelOptions, PoolingMode};
use std::fs;
use tempfile::TempDir;

mod options;

const MODULES: &str = r#"[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},
    {"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"},
    {"idx":2,"name":"2","path":"2_Normalize","type":"sentence_transformers.models.Normalize"}]"#;

/// A folder that is right in everything but weights and tokenizer, which `Settings` does not open.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("1_Pooling")).unwrap();
    for (file, content) in [
        ("model.onnx", "weights"),
        ("tokenizer.json", "{}"),
        ("modules.json", MODULES),
        (
            "config.json",
            r#"{"hidden_size":8,"max_position_embeddings":512,"pad_token_id":1,"model_type":"bert"}"#,
        ),
        (
            "sentence_bert_config.json",
            r#"{"max_seq_length":256,"do_lower_case":true}"#,
        ),
        (
            "1_Pooling/config.json",
            r#"{"word_embedding_dimension":8,"pooling_mode_cls_token":false,"pooling_mode_mean_tokens":true}"#,
        ),
    ] {
        fs::write(dir.path().join(file), content).unwrap();
    }
    dir
}

fn with(file: &str, content: &str) -> Result<Settings> {
    let dir = folder();
    fs::write(dir.path().join(file), content).unwrap();
    Settings::read(dir.path())
}

fn refusal(file: &str, content: &str) -> String {
    let message = with(file, content).unwrap_err().to_string();
    assert!(message.contains(file), "{message:?} does not name {file}");
    message
}

#[test]
fn a_whole_folder_is_read() {
    let dir = folder();
    let settings = Settings::read(dir.path()).unwrap();
    assert_eq!(
        (settings.dimension, settings.max_length, settings.pad_id),
        (8, 256, 1)
    );
    assert_eq!(
        (
            settings.pooling.clone(),
            settings.normalize(),
            settings.lowercase
        ),
        (PoolingMode::Mean.into(), true, true)
    );
    assert_eq!(
        (
            settings.query_prefix.as_str(),
            settings.document_prefix.as_str()
        ),
        ("", "")
    );
}

#[test]
fn every_missing_file_is_named_with_its_place() {
    for file in [
        "model.onnx",
        "tokenizer.json",
        "config.json",
        "sentence_bert_config.json",
        "1_Pooling/config.json",
    ] {
        let dir = folder();
        fs::remove_file(dir.path().join(file)).unwrap();
        let message = Settings::read(dir.path()).unwrap_err().to_string();
        assert!(
            message.contains(&*dir.path().join(file).to_string_lossy()),
            "{message}"
        );
        assert!(message.contains("make setup"), "{message}");
    }
}

#[test]
fn pooling_is_what_the_file_says() {
    use PoolingMode::{Cls, LastToken, Max, Mean, MeanSqrtLen, WeightedMean};
    for (config, modes) in [
        (
            r#""pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false"#,
            &[Cls][..],
        ),
        (r#""pooling_mode":"mean","include_prompt":true"#, &[Mean]),
        (r#""pooling_mode":"lasttoken""#, &[LastToken]),
        (r#""pooling_mode_lasttoken":true"#, &[LastToken]),
        (
            r#""pooling_mode_weightedmean_tokens":true"#,
            &[WeightedMean],
        ),
        (r#""pooling_mode":["mean","cls"]"#, &[Mean, Cls]),
        (
            r#""pooling_mode_mean_sqrt_len_tokens":true,"pooling_mode_max_tokens":true,"pooling_mode_cls_token":true"#,
            &[Cls, Max, MeanSqrtLen],
        ),
    ] {
        let config = format!(r#"{{"word_embedding_dimension":8,{config}}}"#);
        let settings = with("1_Pooling/config.json", &config).unwrap();
        assert_eq!(settings.pooling.modes(), modes, "{config}");
        assert_eq!(settings.dimension, 8 * modes.len());
    }
    let config = r#"{"embedding_dimension":8,"pooling_mode":"mean"}"#;
    assert!(with("1_Pooling/config.json", config).is_ok());
}

#[test]
fn no_pooling_and_unknown_ones_are_refused() {
    for (modes, named) in [
        (r#""pooling_mode_mean_tokens":false"#, "no pooling"),
        (r#""pooling_mode":"median""#, "median"),
        (
            r#""pooling_mode_median_tokens":true"#,
            "pooling_mode_median_tokens",
        ),
    ] {
        let config = format!(r#"{{"word_embedding_dimension":8,{modes}}}"#);
        let message = refusal("1_Pooling/config.json", &config);
        assert!(message.contains(named), "{message}");
    }
}

#[test]
fn two_files_that_contradict_each_other_are_refused() {
    let message = refusal(
        "1_Pooling/config.json",
        r#"{"word_embedding_dimension":16,"pooling_mode_mean_tokens":true}"#,
    );
    assert!(message.contains("16") && message.contains('8'), "{message}");
}

#[test]
fn normalisation_follows_the_modules() {
    let modules = r#"[{"path":"","type":"Transformer"},{"path":"1_Pooling","type":"x.Pooling"}]"#;
    assert!(!with("modules.json", modules).unwrap().normalize());
}

#[test]
fn unknown_misplaced_and_missing_modules_are_refused() {
    let of = |kinds: &[&str]| {
        let modules = kinds
            .iter()
            .map(|kind| format!(r#"{{"path":"1_Pooling","type":"a.{kind}"}}"#));
        format!("[{}]", modules.collect::<Vec<_>>().join(","))
    };
    for (kinds, named) in [
        (
            &["Transformer", "Pooling", "WordWeights"][..],
            "WordWeights",
        ),
        (&["Transformer", "Normalize", "Pooling"], "Normalize"),
        (&["Transformer", "Pooling", "Pooling"], "Pooling"),
        (&["Pooling"], "Transformer"),
        (&["Transformer"], "Pooling"),
    ] {
        let dir = folder();
        fs::write(
            dir.path().join("1_Pooling/config.json"),
            r#"{"hidden_size":8,"word_embedding_dimension":8,"pooling_mode":"mean"}"#,
        )
        .unwrap();
        fs::write(dir.path().join("modules.json"), of(kinds)).unwrap();
        let message = Settings::read(dir.path()).unwrap_err().to_string();
        assert!(
            message.contains("modules.json") && message.contains(named),
            "{message}"
        );
    }
    assert!(refusal("modules.json", "{").contains("cannot make sense of"));
}

#[test]
fn the_length_must_fit_the_position_embeddings() {
    for length in ["0", "2", "513"] {
        refusal(
            "sentence_bert_config.json",
            &format!(r#"{{"max_seq_length":{length}}}"#),
        );
    }
    assert_eq!(
        with("sentence_bert_config.json", r#"{"max_seq_length":512}"#)
            .unwrap()
            .max_length,
        512
    );
}

/// Newer versions of sentence-transformers leave the length to the tokenizer, whose own number may mean "no limit".
#[test]
fn the_tokenizer_says_the_length_where_the_module_does_not() {
    let length = |tokenizer: &str| {
        let dir = folder();
        fs::write(dir.path().join("sentence_bert_config.json"), "{}").unwrap();
        fs::write(dir.path().join("tokenizer_config.json"), tokenizer).unwrap();
        Settings::read(dir.path()).unwrap().max_length
    };
    assert_eq!(length(r#"{"model_max_length":24}"#), 24);
    assert_eq!(length(r#"{"model_max_length":8192}"#), 512);
    assert_eq!(
        length(r#"{"model_max_length":1000000000000000019884624838656}"#),
        512
    );
    assert_eq!(length("{}"), 512);
}

#[test]
fn other_states_than_the_last_are_refused() {
    let config = r#"{"max_seq_length":24,"modality_config":{"text":{"method":"forward","method_output_name":"pooler_output"}}}"#;
    assert!(refusal("sentence_bert_config.json", config).contains("pooler_output"));
    assert!(
        with(
            "sentence_bert_config.json",
            &config.replace("pooler_output", "last_hidden_state")
        )
        .is_ok()
    );
}

#[test]
fn roberta_loses_positions_to_its_padding_token() {
    let roberta = |positions| {
        format!(
            r#"{{"hidden_size":8,"max_position_embeddings":{positions},"pad_token_id":1,"model_type":"xlm-roberta"}}"#
        )
    };
    assert!(with("config.json", &roberta(258)).is_ok());
    assert!(
        with("config.json", &roberta(257))
            .unwrap_err()
            .to_string()
            .contains("from 3 to 255")
    );
}

#[test]
fn a_network_without_width_is_refused() {
    assert!(refusal("config.json", "{}").contains("hidden_size"));
    assert_eq!(with("config.json", r#"{"dim":8}"#).unwrap().dimension, 8);
}

#[test]
fn prompts_are_found_under_their_usual_names() {
    let prefixes = |content| {
        let settings = with("config_sentence_transformers.json", content).unwrap();
        (settings.query_prefix, settings.document_prefix)
    };
    let pair = |query: &str, document: &str| (query.to_owned(), document.to_owned());
    assert_eq!(
        prefixes(r#"{"prompts":{"query":"q: ","passage":"p: "}}"#),
        pair("q: ", "p: ")
    );
    assert_eq!(
        prefixes(r#"{"prompts":{"query":"","document":"d: ","passage":"p: "}}"#),
        pair("", "d: ")
    );
    assert_eq!(
        prefixes(r#"{"prompts":{"x":"same: "},"default_prompt_name":"x"}"#),
        pair("same: ", "same: ")
    );
    assert_eq!(prefixes(r#"{"prompts":{"x":"unused"}}"#), pair("", ""));
}

#[test]
fn a_default_prompt_that_is_none_of_the_prompts_is_refused() {
    let content = r#"{"prompts":{"query":"q: "},"default_prompt_name":"sts"}"#;
    let message = refusal("config_sentence_transformers.json", content);
    assert!(
        message.contains("sts") && message.contains("query"),
        "{message}"
    );
}

#[test]
fn vectors_are_cut_to_what_the_folder_says() {
    let dimension = |content| {
        with("config_sentence_transformers.json", content).map(|settings| settings.dimension)
    };
    assert_eq!(dimension(r#"{"truncate_dim":4}"#).unwrap(), 4);
    assert_eq!(
        dimension(r#"{"truncate_dim":16}"#).unwrap(),
        8,
        "as sentence-transformers does"
    );
    assert_eq!(dimension(r#"{"truncate_dim":null}"#).unwrap(), 8);
    assert!(
        refusal("config_sentence_transformers.json", r#"{"truncate_dim":0}"#)
            .contains("from 1 to 8")
    );
    assert!(
        !with("config_sentence_transformers.json", r#"{"truncate_dim":4}"#)
            .unwrap()
            .normalize()
    );
}

#[test]
fn the_onnx_file_may_lie_where_optimum_puts_it() {
    let dir = folder();
    fs::create_dir(dir.path().join("onnx")).unwrap();
    fs::rename(
        dir.path().join("model.onnx"),
        dir.path().join("onnx/model.onnx"),
    )
    .unwrap();
    assert_eq!(
        Settings::read(dir.path()).unwrap().model,
        dir.path().join("onnx/model.onnx")
    );
}

#[test]
fn the_hash_changes_with_every_part() {
    let hash = |file: &str, content: &str| {
        let dir = folder();
        fs::write(dir.path().join(file), content).unwrap();
        crate::identity("name", dir.path()).unwrap().hash
    };
    let hashes = [
        hash("model.onnx", "weights"),
        hash("model.onnx", "weightz"),
        hash("model.onnx_data", "weights"),
        hash("tokenizer.json", "{ }"),
        hash(
            "sentence_bert_config.json",
            r#"{"max_seq_length":255,"do_lower_case":true}"#,
        ),
        hash("sentence_bert_config.json", r#"{"max_seq_length":256}"#),
        hash(
            "1_Pooling/config.json",
            r#"{"word_embedding_dimension":8,"pooling_mode":"cls"}"#,
        ),
        hash(
            "config_sentence_transformers.json",
            r#"{"prompts":{"query":"q"}}"#,
        ),
        hash(
            "config_sentence_transformers.json",
            r#"{"prompts":{"document":"q"}}"#,
        ),
        hash("config_sentence_transformers.json", r#"{"truncate_dim":4}"#),
        hash("vinedb.json", r#"{"output":"461"}"#),
        hash(
            "1_Pooling/config.json",
            r#"{"word_embedding_dimension":8,"pooling_mode":"mean","include_prompt":false}"#,
        ),
    ];
    let distinct: std::collections::HashSet<_> = hashes.iter().collect();
    assert_eq!(distinct.len(), hashes.len());
    assert_eq!(hashes[0], hash("model.onnx", "weights"));
    assert_eq!(hashes[0].len(), 64);
}
