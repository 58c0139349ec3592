//! The `config.json` of sentence-transformers' `Dense` module, a linear layer after the pooling. Its weights are only located.

use super::file::{contradiction, read_json};
use crate::error::{Error, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What a Dense module's `config.json` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DenseConfig {
    pub(crate) weights: PathBuf,
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) bias: bool,
    pub(crate) activation: Activation,
}

/// The supported activation functions, by the last part of PyTorch's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    Identity,
    Tanh,
    Relu,
    Sigmoid,
}

#[derive(Deserialize)]
struct File {
    in_features: usize,
    out_features: usize,
    #[serde(default = "yes")]
    bias: bool,
    #[serde(default = "tanh")]
    activation_function: String,
    #[serde(default = "sentence")]
    module_input_name: String,
    module_output_name: Option<String>,
}

fn yes() -> bool {
    true
}

fn tanh() -> String {
    "torch.nn.modules.activation.Tanh".into()
}

fn sentence() -> String {
    SENTENCE.into()
}

/// What pooling makes and what comes out at the end, as sentence-transformers calls it.
const SENTENCE: &str = "sentence_embedding";

impl DenseConfig {
    /// Reads the module's folder; its weights are only located.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let file: File = read_json("Dense module's config.json", &path)?;
        for name in [
            Some(&file.module_input_name),
            file.module_output_name.as_ref(),
        ] {
            if let Some(name) = name.filter(|name| *name != SENTENCE) {
                let found = format!("works on `{name}`");
                let fix = format!(
                    "only a layer after the pooling, from `{SENTENCE}` to `{SENTENCE}`, is supported"
                );
                return Err(contradiction(&path, found, fix));
            }
        }
        let weights = folder.join("model.safetensors");
        if !weights.is_file() {
            return Err(Error::MissingModelFile {
                file: "Dense module's model.safetensors",
                path: weights,
            });
        }
        Ok(Self {
            weights,
            input: file.in_features,
            output: file.out_features,
            bias: file.bias,
            activation: Activation::read(&file.activation_function, &path)?,
        })
    }
}

impl Activation {
    /// The function of PyTorch that the file `path` names.
    pub(crate) fn read(name: &str, path: &Path) -> Result<Self> {
        match name
            .strip_prefix("torch.")
            .and_then(|name| name.rsplit('.').next())
        {
            Some("Identity") => Ok(Self::Identity),
            Some("Tanh") => Ok(Self::Tanh),
            Some("ReLU") => Ok(Self::Relu),
            Some("Sigmoid") => Ok(Self::Sigmoid),
            _ => Err(contradiction(
                path,
                format!("has the activation function `{name}`"),
                "of PyTorch's, only Identity, Tanh, ReLU and Sigmoid are supported",
            )),
        }
    }

    /// Its name where it is part of an identity.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Tanh => "tanh",
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
        }
    }

    pub(crate) fn apply(self, value: f32) -> f32 {
        match self {
            Self::Identity => value,
            Self::Tanh => value.tanh(),
            Self::Relu => value.max(0.0),
            Self::Sigmoid => 1.0 / (1.0 + (-value).exp()),
        }
    }
}
