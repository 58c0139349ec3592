//! The layer's arithmetic, and files that do not fit.

use super::*;
use safetensors::serialize;
use safetensors::tensor::TensorView;
use std::fs;
use tempfile::TempDir;

fn folder(config: &str, weight_shape: [usize; 2], dtype: Dtype) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("config.json"), config).unwrap();
    let bytes =
        |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    let (weight, bias) = (
        bytes(&[1.0, 0.0, -1.0, 0.5, 0.5, 0.5]),
        bytes(&[0.25, -3.0]),
    );
    let tensors = [
        (
            "linear.weight",
            TensorView::new(dtype, weight_shape.into(), &weight).unwrap(),
        ),
        (
            "linear.bias",
            TensorView::new(Dtype::F32, vec![2], &bias).unwrap(),
        ),
    ];
    let file = serialize(tensors, None).unwrap();
    fs::write(dir.path().join("model.safetensors"), file).unwrap();
    dir
}

fn config(activation: &str) -> String {
    format!(
        r#"{{"in_features":3,"out_features":2,"bias":true,"activation_function":"torch.nn.modules.{activation}"}}"#
    )
}

fn open(config: &str) -> Result<Dense> {
    let dir = folder(config, [2, 3], Dtype::F32);
    Dense::open(&DenseConfig::read(dir.path())?)
}

#[test]
fn it_is_weight_times_vector_plus_bias_through_the_activation() {
    let vector = [1.0, 2.0, 3.0];
    let apply = |activation| open(&config(activation)).unwrap().apply(&vector);
    assert_eq!(apply("linear.Identity"), [-1.75, 0.0]);
    assert_eq!(apply("activation.ReLU"), [0.0, 0.0]);
    assert_eq!(apply("activation.Tanh"), [(-1.75_f32).tanh(), 0.0]);
    assert_eq!(
        apply("activation.Sigmoid"),
        [1.0 / (1.0 + 1.75_f32.exp()), 0.5]
    );
    let plain = r#"{"in_features":3,"out_features":2,"bias":false,"activation_function":"torch.nn.Identity"}"#;
    assert_eq!(open(plain).unwrap().apply(&vector), [-2.0, 3.0]);
}

#[test]
fn what_is_not_supported_is_named() {
    for (json, named) in [
        (config("activation.GELU"), "GELU"),
        (
            config("activation.Tanh").replace("torch.nn", "mine"),
            "mine.modules",
        ),
        (
            r#"{"in_features":3,"out_features":2,"module_input_name":"token_embeddings"}"#.into(),
            "token_embeddings",
        ),
        (r#"{"in_features":3}"#.into(), "out_features"),
        (config("linear.Identity").replace(":3", ":4"), "[2, 4]"),
    ] {
        let message = open(&json).unwrap_err().to_string();
        assert!(message.contains(named), "{json}: {message}");
    }
}

#[test]
fn weights_of_another_type_or_missing_ones_are_refused() {
    let dir = folder(&config("linear.Identity"), [2, 3], Dtype::I32);
    let settings = DenseConfig::read(dir.path()).unwrap();
    let message = Dense::open(&settings).unwrap_err().to_string();
    assert!(message.contains("I32"), "{message}");
    fs::write(&settings.weights, "nonsense").unwrap();
    assert!(matches!(
        Dense::open(&settings),
        Err(Error::Unreadable { .. })
    ));
    fs::remove_file(&settings.weights).unwrap();
    let message = DenseConfig::read(dir.path()).unwrap_err().to_string();
    assert!(message.contains("model.safetensors"), "{message}");
}
