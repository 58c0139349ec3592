//! The network's own files: `config.json`, `sentence_bert_config.json`, `tokenizer_config.json`.
//!
//! Invariant: the maximum length fits the position embeddings. The length is found as sentence-transformers finds it (5.7,
//! `base/modules/transformer.py`). A bare ONNX export may lack all three.

use super::file::{contradiction, read_json, unsettled};
use super::options::Given;
use crate::error::{Error, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Model types that number positions from `pad_token_id + 1`, and so lose that many positions.
const OFFSET_POSITIONS: [&str; 5] = [
    "roberta",
    "xlm-roberta",
    "camembert",
    "mpnet",
    "data2vec-text",
];

/// Names under which versions of sentence-transformers wrote the settings of the transformer module, in the order tried.
const MODULE_FILES: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// The states that pooling is meant for.
const STATES: &str = "last_hidden_state";

/// More than any network takes: what `tokenizer_config.json` has above this means "no limit".
const NO_LIMIT: f64 = 1e6;

/// `config.json`.
#[derive(Deserialize, Default)]
struct Network {
    #[serde(alias = "dim")]
    hidden_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    #[serde(default)]
    model_type: String,
    #[serde(default)]
    pad_token_id: Option<u32>,
}

/// `sentence_bert_config.json`.
#[derive(Deserialize, Default)]
struct Module {
    max_seq_length: Option<usize>,
    do_lower_case: Option<bool>,
    #[serde(default)]
    modality_config: serde_json::Value,
}

#[derive(Deserialize)]
struct TokenizerConfig {
    model_max_length: Option<f64>,
}

/// `tokenizer.json`, as far as it names the padding token.
#[derive(Deserialize)]
struct TokenizerFile {
    padding: Option<Padding>,
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
}

#[derive(Deserialize)]
struct Padding {
    pad_id: u32,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
}

/// What the transformer's folder says.
pub(crate) struct Transformer {
    /// `config.json`'s `hidden_size`: components of a token's state.
    pub(crate) width: Option<usize>,
    pub(crate) max_length: usize,
    pub(crate) lowercase: bool,
    pub(crate) pad_id: u32,
}

impl Transformer {
    /// Reads the folder `dir`, whose tokenizer lies at `tokenizer`. `whole`: there is a `modules.json`, with which
    /// `config.json` and the module's own settings must be there.
    pub(crate) fn read(dir: &Path, tokenizer: &Path, given: &Given, whole: bool) -> Result<Self> {
        let path = dir.join("config.json");
        let network: Option<Network> = if whole || path.is_file() {
            Some(read_json("config.json", &path)?)
        } else {
            None
        };
        let (module_path, module) = Module::read(dir)?;
        let lowercase = module
            .do_lower_case
            .map(|value| (value, file_name(&module_path)));
        let lowercase = given.settle("lowercase", given.options.lowercase, lowercase)?;
        let pad_id = match &network {
            Some(network) => network.pad_token_id.unwrap_or(0),
            None => padding_token(tokenizer)?,
        };
        let network = network.unwrap_or_default();
        Ok(Self {
            width: network.hidden_size.filter(|&size| size > 0),
            max_length: max_length(dir, given, &network, &(module_path, module), whole)?,
            lowercase: lowercase.unwrap_or(false),
            pad_id,
        })
    }
}

impl Module {
    /// The file that there is, and what it says; the usual name when there is none.
    fn read(dir: &Path) -> Result<(PathBuf, Self)> {
        let mut paths = MODULE_FILES.iter().map(|name| dir.join(name));
        let Some(path) = paths.find(|path| path.is_file()) else {
            return Ok((dir.join(MODULE_FILES[0]), Self::default()));
        };
        let module: Self = read_json(MODULE_FILES[0], &path)?;
        match module.modality_config.pointer("/text/method_output_name") {
            Some(name) if name != STATES => {
                let found = format!("takes the output {name} of the network");
                Err(contradiction(
                    &path,
                    found,
                    format!("only `{STATES}` is supported"),
                ))
            }
            _ => Ok((path, module)),
        }
    }
}

impl Network {
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

/// Tokens per text: the module's, else the tokenizer's as far as the positions reach, else the given one.
fn max_length(
    dir: &Path,
    given: &Given,
    network: &Network,
    (path, module): &(PathBuf, Module),
    whole: bool,
) -> Result<usize> {
    let positions = network.positions();
    let tokenizer =
        tokenizer_limit(dir)?.map(|limit| (limit.min(positions), "tokenizer_config.json"));
    let embeddings =
        || (path.is_file() && positions < usize::MAX).then_some((positions, "config.json"));
    let folder = module
        .max_seq_length
        .map(|length| (length, file_name(path)));
    let folder = folder.or(tokenizer).or_else(embeddings);
    let length = given.settle("max_length", given.options.max_length, folder)?;
    let range = || match positions {
        usize::MAX => "at least 3".to_owned(),
        positions => format!("from 3 to {positions}"),
    };
    match length {
        None if whole && !path.is_file() => Err(Error::MissingModelFile {
            file: MODULE_FILES[0],
            path: path.clone(),
        }),
        None => {
            let found = "is missing or has no `max_seq_length`, and no other file says how many tokens the model reads";
            let fix = format!("set `max_length` in vinedb.json to it, {}", range());
            Err(unsettled("max_length", path, found, fix))
        }
        Some(length) if (3..=positions).contains(&length) => Ok(length),
        Some(length) if given.options.max_length.is_some() => {
            let found = format!("is asked for {length} tokens per text");
            let fix = format!("set `max_length` {}", range());
            Err(unsettled("max_length", dir, found, fix))
        }
        Some(length) => {
            let found = format!("and what stands in for it ask for {length} tokens per text");
            let fix = format!("write `max_seq_length` there, {}", range());
            Err(contradiction(path, found, fix))
        }
    }
}

/// The padding token where there is no `config.json`: the one that `tokenizer.json` pads with, or one of the usual names. It
/// matters only to networks without an attention mask, which find the padding by themselves.
fn padding_token(tokenizer: &Path) -> Result<u32> {
    let file: TokenizerFile = read_json("tokenizer.json", tokenizer)?;
    let named = |token: &&AddedToken| matches!(token.content.as_str(), "[PAD]" | "<pad>");
    let added = file.added_tokens.iter().find(named).map(|token| token.id);
    Ok(file
        .padding
        .map(|padding| padding.pad_id)
        .or(added)
        .unwrap_or(0))
}

/// `model_max_length`, unless it says that there is no limit.
fn tokenizer_limit(dir: &Path) -> Result<Option<usize>> {
    let path = dir.join("tokenizer_config.json");
    if !path.is_file() {
        return Ok(None);
    }
    let config: TokenizerConfig = read_json("tokenizer_config.json", &path)?;
    let limit = config
        .model_max_length
        .filter(|limit| (0.0..=NO_LIMIT).contains(limit));
    Ok(limit.map(whole_number))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to lie between 0 and a million"
)]
fn whole_number(limit: f64) -> usize {
    limit as usize
}

fn file_name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or(MODULE_FILES[0])
}
