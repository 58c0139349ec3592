//! Cross-encoders: a model that reads a query and a text together and says how well they fit.
//!
//! Served as embedding models are: the same workers, lanes and batches, with pairs in the place of texts. Scores are those of
//! sentence-transformers' `CrossEncoder` (5.7, `cross_encoder/model.py`): the one logit, through a sigmoid or what the model's
//! files name instead.

use crate::dense::Activation;
use crate::embed::{Pending, Purpose};
use crate::error::{Error, Result};
use crate::given::Given;
use crate::model::{Options, PART, opener, probe, queue};
use crate::modules::Step;
use crate::pooling::Pooling;
use crate::settings::{Settings, contradiction, first_of, read_json};
use crate::tokenize::TextTokenizer;
use crate::transformer::Transformer;
use crate::worker::Workers;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;

/// A cross-encoder, run by ONNX Runtime. Dropping it ends its threads.
pub struct OnnxReranker {
    tokenizer: TextTokenizer,
    workers: Workers,
}

impl OnnxReranker {
    /// Opens the model in the folder `dir` on the ONNX Runtime library `runtime`. The folder has `model.onnx` (or
    /// `onnx/model.onnx`), `tokenizer.json`, `config.json` and `tokenizer_config.json`, as sentence-transformers and Optimum
    /// write them.
    ///
    /// # Errors
    /// A missing, unreadable, contradictory or unsupported file is named with its path and what to put there.
    pub fn open(dir: &Path, runtime: &Path, options: &Options) -> Result<Self> {
        options.validate()?;
        let settings = settings(dir)?;
        let open = opener(&settings, runtime, options)?;
        let tokenizer = TextTokenizer::open(&settings)?;
        let mut session = open()?;
        if !options.quick_start {
            probe(&mut session, &tokenizer.pair("", "")?)?;
        }
        Ok(Self {
            tokenizer,
            workers: Workers::start(session, open, options.limits())?,
        })
    }

    /// How well each of `texts` fits `query`: larger is better. Goes ahead of documents that are being embedded.
    ///
    /// # Errors
    /// [`Error::Overloaded`] when the queue is full, [`Error::Text`] for the first text that fails, [`Error::Closed`] when no
    /// session is left.
    pub fn score(&self, query: &str, texts: &[&str]) -> Result<Vec<f32>> {
        let alive = Arc::new(());
        let (send, answers) = channel();
        let mut truncated = Vec::with_capacity(texts.len());
        for part in texts.chunks(PART) {
            let start = truncated.len();
            let pair = |(offset, text): (usize, &&str)| {
                let pair = self.tokenizer.pair(query, text);
                pair.map_err(|source| Error::Text {
                    index: start + offset,
                    source: Arc::new(source),
                })
            };
            let pairs = part.iter().enumerate().map(pair);
            let pairs = pairs.collect::<Result<Vec<_>>>()?;
            truncated.extend(pairs.iter().map(|pair| pair.truncated));
            queue(&self.workers, pairs, start, (&send, &alive), Purpose::Query)?;
        }
        drop(send);
        Pending::waiting(1, truncated, answers, alive)
            .wait()
            .map(|scores| scores.into_data())
    }
}

impl std::fmt::Debug for OnnxReranker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnnxReranker").finish_non_exhaustive()
    }
}

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

/// A cross-encoder as the other parts know models: one vector per text, of one component, which the network itself makes.
fn settings(dir: &Path) -> Result<Settings> {
    let given = Given::read(dir)?;
    let activation = activation(dir)?;
    let transformer = Transformer::read(dir, &given, false)?;
    Ok(Settings {
        model: first_of(dir, dir, "model.onnx")?,
        tokenizer: first_of(dir, dir, "tokenizer.json")?,
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

/// What the one logit goes through. Models of several logits tell classes apart, and rank nothing.
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
#[path = "reranker_tests.rs"]
mod tests;
