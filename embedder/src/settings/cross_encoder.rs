//! The files of a cross-encoder: a network whose one logit is the score of a pair of texts.

use super::dense::Activation;
use super::file::{contradiction, first_of, read_json};
use super::model::Settings;
use super::modules::Step;
use super::options::Given;
use super::pooling::Pooling;
use super::transformer::Transformer;
use crate::error::Result;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// `config.json`, as far as it is about the answer.
#[derive(Deserialize)]
struct Network {
    id2label: Option<HashMap<String, serde_json::Value>>,
    num_labels: Option<usize>,
    sentence_transformers: Option<Module>,
    sbert_ce_default_activation_function: Option<String>,
}

/// Where versions of sentence-transformers keep the function's name: in `config.json`, or in a file of its own.
#[derive(Deserialize, Default)]
struct Module {
    activation_fn: Option<String>,
    default_prompt_name: Option<String>,
}

impl Settings {
    /// Reads a cross-encoder as a model that makes one vector per text, of one component, by itself.
    pub(crate) fn of_cross_encoder(dir: &Path) -> Result<Self> {
        let given = Given::read(dir)?;
        let activation = activation(dir)?;
        let tokenizer = first_of(dir, dir, "tokenizer.json")?;
        let transformer = Transformer::read(dir, &tokenizer, &given, false)?;
        Ok(Self {
            model: first_of(dir, dir, "model.onnx")?,
            tokenizer,
            width: 1,
            pooling: Pooling::by_the_model(),
            include_prompt: true,
            steps: vec![Step::Activation(activation)],
            full: 1,
            dimension: 1,
            max_length: transformer.max_length,
            lowercase: transformer.lowercase,
            pad_id: transformer.pad_id,
            query_prefix: String::new(),
            document_prefix: String::new(),
            output: given.options.output,
        })
    }
}

/// The activation of the one logit. Models with several logits classify, and do not rank.
fn activation(dir: &Path) -> Result<Activation> {
    let path = dir.join("config.json");
    let network: Network = read_json("config.json", &path)?;
    let labels = network.id2label.as_ref().map(HashMap::len);
    match network.num_labels.or(labels) {
        Some(1) => {}
        labels => {
            let found = labels.map_or("names no labels".to_owned(), |labels| {
                format!("names {labels} labels")
            });
            let fix = "use a cross-encoder, whose `id2label` has one label: the score";
            return Err(contradiction(&path, found, fix));
        }
    }
    let (own_path, own) = own_file(dir)?;
    let inner = network.sentence_transformers.unwrap_or_default();
    let named = [
        (own.activation_fn, &own_path),
        (inner.activation_fn, &path),
        (network.sbert_ce_default_activation_function, &path),
    ];
    let named = named
        .into_iter()
        .find_map(|(name, path)| Some((name?, path)));
    named.map_or(Ok(Activation::Sigmoid), |(name, path)| {
        Activation::read(&name, path)
    })
}

fn own_file(dir: &Path) -> Result<(PathBuf, Module)> {
    let path = dir.join("config_sentence_transformers.json");
    if !path.is_file() {
        return Ok((path, Module::default()));
    }
    let module: Module = read_json("config_sentence_transformers.json", &path)?;
    match &module.default_prompt_name {
        Some(name) => {
            let found = format!("has `default_prompt_name` {name:?}");
            Err(contradiction(
                &path,
                found,
                "cross-encoders with a prompt are not supported",
            ))
        }
        None => Ok((path, module)),
    }
}

#[cfg(test)]
mod tests;
