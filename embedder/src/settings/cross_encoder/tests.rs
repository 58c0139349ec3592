//! What a cross-encoder's folder may say.

use super::*;
use std::fs;

fn of(config: &str, own: Option<&str>) -> Result<Activation> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("config.json"), config).unwrap();
    if let Some(own) = own {
        fs::write(dir.path().join("config_sentence_transformers.json"), own).unwrap();
    }
    activation(dir.path())
}

#[test]
fn the_function_is_the_one_that_the_files_name_else_a_sigmoid() {
    let plain = r#"{"id2label":{"0":"LABEL_0"}}"#;
    let inner = r#"{"num_labels":1,"sentence_transformers":{"activation_fn":"torch.nn.modules.linear.Identity"}}"#;
    let old = r#"{"num_labels":1,"sbert_ce_default_activation_function":"torch.nn.modules.activation.Tanh"}"#;
    let own = r#"{"activation_fn":"torch.nn.modules.activation.ReLU"}"#;
    assert_eq!(of(plain, None).unwrap(), Activation::Sigmoid);
    assert_eq!(of(inner, None).unwrap(), Activation::Identity);
    assert_eq!(of(old, None).unwrap(), Activation::Tanh);
    assert_eq!(of(inner, Some(own)).unwrap(), Activation::Relu);
}

#[test]
fn models_of_no_or_several_labels_and_unknown_functions_are_refused() {
    for (config, named) in [
        ("{}", "no labels"),
        (r#"{"id2label":{"0":"no","1":"yes"}}"#, "2 labels"),
        (
            r#"{"num_labels":1,"sbert_ce_default_activation_function":"torch.nn.modules.activation.GELU"}"#,
            "GELU",
        ),
    ] {
        let message = of(config, None).unwrap_err().to_string();
        assert!(
            message.contains("config.json") && message.contains(named),
            "{message}"
        );
    }
    let prompt = r#"{"prompts":{"a":"b"},"default_prompt_name":"a"}"#;
    assert!(of(r#"{"num_labels":1}"#, Some(prompt)).is_err());
}
