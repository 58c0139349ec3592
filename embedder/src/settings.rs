//! Reads a sentence-transformers model folder: `modules.json`, the transformer's `sentence_bert_config.json` and
//! `config.json`, the pooling's `config.json` and, where there is one, `config_sentence_transformers.json`.
//!
//! Invariant: nothing is guessed. What changes vectors and is missing, contradicts another file or is not supported is an
//! error that names the file and what to put there. Tokenizer and weights are only located here, not opened.

use crate::error::{Error, Result};
use crate::identity::Pooling;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Model types that number positions from `pad_token_id + 1` on, so that so many positions are lost to text.
const OFFSET_POSITIONS: [&str; 5] = [
    "roberta",
    "xlm-roberta",
    "camembert",
    "mpnet",
    "data2vec-text",
];

/// What the files of a model say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) model: PathBuf,
    pub(crate) tokenizer: PathBuf,
    pub(crate) dimension: usize,
    pub(crate) pooling: Pooling,
    pub(crate) normalize: bool,
    pub(crate) max_length: usize,
    pub(crate) lowercase: bool,
    pub(crate) pad_id: u32,
    pub(crate) query_prefix: String,
    pub(crate) document_prefix: String,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Transformer {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

#[derive(Deserialize)]
struct Network {
    #[serde(alias = "dim")]
    hidden_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    #[serde(default)]
    model_type: String,
    #[serde(default)]
    pad_token_id: Option<u32>,
}

/// Both ways in which sentence-transformers writes it: a switch per mode, or `pooling_mode`.
#[derive(Deserialize)]
struct PoolingConfig {
    #[serde(alias = "embedding_dimension")]
    word_embedding_dimension: usize,
    pooling_mode: Option<String>,
    include_prompt: Option<bool>,
    #[serde(flatten)]
    rest: HashMap<String, serde_json::Value>,
}

#[derive(Deserialize, Default)]
struct Prompts {
    #[serde(default)]
    prompts: HashMap<String, String>,
    default_prompt_name: Option<String>,
}

/// The model's modules, as far as they are supported: a transformer, a pooling, and maybe a normalisation.
struct Pipeline {
    transformer: PathBuf,
    pooling: PathBuf,
    normalize: bool,
}

impl Settings {
    /// Reads the folder `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let model = existing(dir, "model.onnx")?;
        let tokenizer = existing(dir, "tokenizer.json")?;
        let pipeline = Pipeline::read(dir)?;
        let network_path = pipeline.transformer.join("config.json");
        let network: Network = read_json("config.json", &network_path)?;
        let dimension = network.dimension(&network_path)?;
        let (max_length, lowercase) = transformer(&pipeline.transformer, &network)?;
        let (query_prefix, document_prefix) = Prompts::read(dir)?;
        let pooling = pooling(
            &pipeline.pooling,
            dimension,
            query_prefix.len() + document_prefix.len(),
        )?;
        Ok(Self {
            model,
            tokenizer,
            dimension,
            pooling,
            normalize: pipeline.normalize,
            max_length,
            lowercase,
            pad_id: network.pad_token_id.unwrap_or(0),
            query_prefix,
            document_prefix,
        })
    }

    /// An error about the ONNX file: what it says, and what to do.
    pub(crate) fn refuse_model(
        &self,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Error {
        contradiction(&self.model, found, expected)
    }

    /// The files whose bytes are part of the identity. Weights above 2 GB lie in a file beside the ONNX file.
    pub(crate) fn hashed_files(&self) -> Vec<PathBuf> {
        let external =
            ["model.onnx_data", "model.onnx.data"].map(|name| self.model.with_file_name(name));
        let mut files = vec![self.model.clone(), self.tokenizer.clone()];
        files.extend(external.into_iter().filter(|path| path.is_file()));
        files
    }

    /// The settings that change vectors, as text.
    pub(crate) fn hashed_text(&self) -> [String; 7] {
        [
            self.dimension.to_string(),
            self.pooling.to_string(),
            self.normalize.to_string(),
            self.max_length.to_string(),
            self.lowercase.to_string(),
            self.query_prefix.clone(),
            self.document_prefix.clone(),
        ]
    }
}

impl Pipeline {
    fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("modules.json");
        let (mut transformer, mut pooling, mut normalize) = (None, None, false);
        for module in read_json::<Vec<Module>>("modules.json", &path)? {
            match module.kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" => transformer = Some(dir.join(&module.path)),
                "Pooling" => pooling = Some(dir.join(&module.path).join("config.json")),
                "Normalize" => normalize = true,
                _ => return Err(unsupported_module(&path, &module.kind)),
            }
        }
        Ok(Self {
            transformer: transformer.ok_or_else(|| missing_module(&path, "Transformer"))?,
            pooling: pooling.ok_or_else(|| missing_module(&path, "Pooling"))?,
            normalize,
        })
    }
}

impl Network {
    fn dimension(&self, path: &Path) -> Result<usize> {
        self.hidden_size.filter(|&size| size > 0).ok_or_else(|| {
            contradiction(
                path,
                "has no `hidden_size`",
                "write the model's number of components per token there",
            )
        })
    }

    /// The longest input that the position embeddings reach.
    fn positions(&self) -> usize {
        let offset = match self.pad_token_id {
            Some(pad) if OFFSET_POSITIONS.contains(&self.model_type.as_str()) => pad as usize + 1,
            _ => 0,
        };
        self.max_position_embeddings
            .map_or(usize::MAX, |positions| positions.saturating_sub(offset))
    }
}

/// Maximum length and whether texts are lower-cased before the tokenizer.
fn transformer(dir: &Path, network: &Network) -> Result<(usize, bool)> {
    let path = dir.join("sentence_bert_config.json");
    let config: Transformer = read_json("sentence_bert_config.json", &path)?;
    let range = format!(
        "write the number of tokens per text there, from 3 to {}",
        network.positions()
    );
    match config.max_seq_length {
        None => Err(contradiction(&path, "has no `max_seq_length`", range)),
        Some(length) if (3..=network.positions()).contains(&length) => {
            Ok((length, config.do_lower_case))
        }
        Some(length) => Err(contradiction(
            &path,
            format!("has `max_seq_length` {length}"),
            range,
        )),
    }
}

fn pooling(path: &Path, dimension: usize, prefix_bytes: usize) -> Result<Pooling> {
    let config: PoolingConfig = read_json("1_Pooling/config.json", path)?;
    let width = config.word_embedding_dimension;
    if width != dimension {
        let found = format!(
            "has `word_embedding_dimension` {width}, where config.json has `hidden_size` {dimension}"
        );
        return Err(contradiction(
            path,
            found,
            "put the two files of one model there",
        ));
    }
    if config.include_prompt == Some(false) && prefix_bytes > 0 {
        let fix = "only pooling over the prompt as well is supported: use another model";
        return Err(contradiction(path, "has `include_prompt` false", fix));
    }
    match config.modes().as_slice() {
        ["mean"] => Ok(Pooling::Mean),
        ["cls"] => Ok(Pooling::Cls),
        modes => Err(contradiction(
            path,
            format!("asks for the pooling {modes:?}"),
            "set either `pooling_mode_mean_tokens` or `pooling_mode_cls_token`, whichever the model was trained with",
        )),
    }
}

impl PoolingConfig {
    fn modes(&self) -> Vec<&str> {
        if let Some(mode) = &self.pooling_mode {
            return vec![mode];
        }
        let on = self
            .rest
            .iter()
            .filter(|(_, value)| **value == serde_json::Value::Bool(true));
        let mut modes: Vec<_> = on
            .filter_map(|(key, _)| key.strip_prefix("pooling_mode_"))
            .collect();
        modes.sort_unstable();
        modes
            .into_iter()
            .map(|mode| mode.trim_end_matches("_tokens").trim_end_matches("_token"))
            .collect()
    }
}

impl Prompts {
    /// Query and document prefix, found as sentence-transformers' `encode_query` and `encode_document` find them.
    fn read(dir: &Path) -> Result<(String, String)> {
        let path = dir.join("config_sentence_transformers.json");
        if !path.is_file() {
            return Ok(Default::default());
        }
        let config: Self = read_json("config_sentence_transformers.json", &path)?;
        Ok((
            config.first(&["query"]),
            config.first(&["document", "passage", "corpus"]),
        ))
    }

    fn first(&self, names: &[&str]) -> String {
        let names = names
            .iter()
            .copied()
            .chain(self.default_prompt_name.as_deref());
        names
            .filter_map(|name| self.prompts.get(name))
            .next()
            .cloned()
            .unwrap_or_default()
    }
}

fn existing(dir: &Path, file: &'static str) -> Result<PathBuf> {
    let path = dir.join(file);
    if path.is_file() {
        Ok(path)
    } else {
        Err(Error::MissingModelFile { file, path })
    }
}

fn read_json<T: DeserializeOwned>(file: &'static str, path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::MissingModelFile {
            file,
            path: path.to_owned(),
        },
        _ => Error::Io {
            path: path.to_owned(),
            source,
        },
    })?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source: source.into(),
    })
}

fn contradiction(path: &Path, found: impl Into<String>, expected: impl Into<String>) -> Error {
    Error::ModelConfig {
        path: path.to_owned(),
        found: found.into(),
        expected: expected.into(),
    }
}

fn unsupported_module(path: &Path, kind: &str) -> Error {
    let fix = "only Transformer, Pooling and Normalize are supported: use a model of these";
    contradiction(path, format!("has a module of type `{kind}`"), fix)
}

fn missing_module(path: &Path, kind: &str) -> Error {
    contradiction(
        path,
        format!("has no module of type `{kind}`"),
        "list the model's modules there, as sentence-transformers does",
    )
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
