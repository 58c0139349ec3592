//! Reads a model folder as sentence-transformers or Optimum writes it, or one with nothing but the ONNX file and a tokenizer.
//!
//! Invariant: nothing is guessed. Whatever affects vectors and is missing, contradicts another file or is not supported is an
//! error that names the file and what to put there, or the option to set.

use super::file::{contradiction, first_of, unsettled};
use super::modules::{Modules, Step, width_after};
use super::options::{FILE, Given};
use super::output::{Offer, Output, Wanted, Widths};
use super::pooling::Pooling;
use super::prompts::Prompts;
use super::transformer::Transformer;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// What the files of a model say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) model: PathBuf,
    pub(crate) tokenizer: PathBuf,
    /// Components of a token's state.
    pub(crate) width: usize,
    pub(crate) pooling: Pooling,
    /// Whether a prompt's tokens are pooled too.
    pub(crate) include_prompt: bool,
    /// The modules after the pooling.
    pub(crate) steps: Vec<Step>,
    /// Components after the steps.
    pub(crate) full: usize,
    /// Components kept of these.
    pub(crate) dimension: usize,
    pub(crate) max_length: usize,
    pub(crate) lowercase: bool,
    pub(crate) pad_id: u32,
    pub(crate) query_prefix: String,
    pub(crate) document_prefix: String,
    /// The ONNX file's output, where the user names it.
    pub(crate) output: Option<String>,
}

/// How token states of that width become a vector.
struct Making {
    width: usize,
    pooling: Pooling,
    include_prompt: bool,
    steps: Vec<Step>,
}

impl Settings {
    /// Reads the folder `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let given = Given::read(dir)?;
        let modules = Modules::read(dir)?;
        let inner = match &modules {
            Some(modules) => modules.transformer.clone(),
            None => dir.to_owned(),
        };
        let model = first_of(dir, &inner, "model.onnx")?;
        let tokenizer = first_of(&inner, dir, "tokenizer.json")?;
        let transformer = Transformer::read(&inner, &tokenizer, &given, modules.is_some())?;
        let prompts = Prompts::read(dir)?;
        let (query_prefix, document_prefix) = prompts.prefixes(&given)?;
        let making = match modules {
            Some(modules) => Making::of_modules(modules, &inner, &given, transformer.width)?,
            None => Making::of_options(dir, &model, &given, transformer.width)?,
        };
        let pooled = making.width * making.pooling.modes().len().max(1);
        let full = width_after(&making.steps, pooled)?;
        Ok(Self {
            model,
            tokenizer,
            width: making.width,
            pooling: making.pooling,
            include_prompt: making.include_prompt,
            steps: making.steps,
            full,
            dimension: given.dimensions(full, prompts.kept())?,
            max_length: transformer.max_length,
            lowercase: transformer.lowercase,
            pad_id: transformer.pad_id,
            query_prefix,
            document_prefix,
            output: given.options.output,
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

    /// Components of the pooled vector.
    pub(crate) fn pooled(&self) -> usize {
        self.width * self.pooling.modes().len().max(1)
    }

    /// Whether vectors come out with length 1.
    pub(crate) fn normalize(&self) -> bool {
        self.steps.last() == Some(&Step::Normalize) && self.dimension == self.full
    }

    /// The files whose bytes are part of the identity. Weights above 2 GB lie in a file beside the ONNX file.
    pub(crate) fn hashed_files(&self) -> Vec<PathBuf> {
        let external =
            ["model.onnx_data", "model.onnx.data"].map(|name| self.model.with_file_name(name));
        let mut files = vec![self.model.clone(), self.tokenizer.clone()];
        files.extend(external.into_iter().filter(|path| path.is_file()));
        files.extend(self.steps.iter().filter_map(|step| match step {
            Step::Dense(dense) => Some(dense.weights.clone()),
            Step::Normalize | Step::Activation(_) => None,
        }));
        files
    }

    /// The settings that affect vectors, as text. Rare ones are added only where they are set, so that the hash of other models
    /// stays what it was before these were supported.
    pub(crate) fn hashed_text(&self) -> Vec<String> {
        let mut text = vec![
            self.dimension.to_string(),
            self.pooling.to_string(),
            self.normalize().to_string(),
            self.max_length.to_string(),
            self.lowercase.to_string(),
            self.query_prefix.clone(),
            self.document_prefix.clone(),
        ];
        if self.steps.iter().any(|step| *step != Step::Normalize) || self.dimension != self.full {
            text.extend(self.steps.iter().map(Step::to_string));
            text.push(format!("{} of {}", self.dimension, self.full));
        }
        if !self.include_prompt {
            text.push("prompt left out".into());
        }
        text.extend(self.output.iter().map(|name| format!("output {name}")));
        text
    }
}

impl Making {
    /// What `modules.json` says of the network in the folder `inner`, whose `config.json` says `width`.
    fn of_modules(
        modules: Modules,
        inner: &Path,
        given: &Given,
        width: Option<usize>,
    ) -> Result<Self> {
        let options = &given.options;
        let folder = width.map(|width| (width, "config.json"));
        let width = given.settle("width", options.width, folder)?;
        let width =
            width.ok_or_else(|| no_width(&inner.join("config.json"), "has no `hidden_size`"))?;
        let file = modules.pooling;
        if file.width != width {
            let found = format!(
                "has `word_embedding_dimension` {}, where config.json has `hidden_size` {width}",
                file.width
            );
            let fix = "put the two files of one model there";
            return Err(contradiction(&file.path, found, fix));
        }
        let normalize = modules.steps.last() == Some(&Step::Normalize);
        given.settle(
            "normalize",
            options.normalize,
            Some((normalize, "modules.json")),
        )?;
        // The model may do what its files say by itself; which of the two is taken is up to the user.
        let by_itself = options
            .pooling
            .as_ref()
            .filter(|pooling| pooling.modes().is_empty());
        if by_itself.is_none() {
            let folder = Some((file.pooling.clone(), "1_Pooling/config.json"));
            given.settle("pooling", options.pooling.clone(), folder)?;
        }
        Ok(Self {
            width,
            pooling: by_itself.cloned().unwrap_or(file.pooling),
            include_prompt: file.include_prompt,
            steps: modules.steps,
        })
    }

    /// What the options say and, where they leave something out, `config.json` (`hidden`) and the ONNX file `model`.
    fn of_options(dir: &Path, model: &Path, given: &Given, hidden: Option<usize>) -> Result<Self> {
        let options = &given.options;
        let hidden = hidden.map(|hidden| (hidden, "config.json"));
        let (pooling, folder) = match &options.pooling {
            Some(pooling) if hidden.is_some() && !pooling.modes().is_empty() => {
                (pooling.clone(), hidden)
            }
            pooling => {
                let (output, declared) = declared(model, given)?;
                let declared = declared.map(|width| (width, "the ONNX file"));
                match (output, pooling) {
                    (Output::States(_), None) => return Err(no_pooling(dir)),
                    (Output::States(_), Some(pooling)) => (pooling.clone(), hidden.or(declared)),
                    (_, pooling) => {
                        let pooling = pooling.clone().unwrap_or_else(Pooling::by_the_model);
                        (pooling, declared.or(hidden))
                    }
                }
            }
        };
        let width = given.settle("width", options.width, folder)?;
        let normalize = options.normalize.unwrap_or(false);
        Ok(Self {
            width: width
                .ok_or_else(|| no_width(model, "does not declare the width of its output"))?,
            pooling,
            include_prompt: true,
            steps: normalize.then_some(Step::Normalize).into_iter().collect(),
        })
    }
}

/// The output that holds the vectors, as the ONNX file declares it, and its width.
fn declared(model: &Path, given: &Given) -> Result<(Output, Option<usize>)> {
    let options = &given.options;
    let pooling = options.pooling.as_ref();
    let wanted = Wanted {
        output: options.output.as_deref(),
        by_the_model: pooling.is_some_and(|pooling| pooling.modes().is_empty()),
        widths: Widths::default(),
    };
    let offers = Offer::all(model)?;
    let output = wanted.among(&offers, model)?;
    let width = offers.iter().find(|offer| offer.name == output.name());
    Ok((output, width.and_then(Offer::width)))
}

fn no_width(path: &Path, found: &str) -> Error {
    let fix = "set `width` in vinedb.json to the number of components per token or per vector";
    unsettled("width", path, found, fix)
}

fn no_pooling(dir: &Path) -> Error {
    let found = "is missing, and nothing else says how the model's token states become one vector";
    let fix = format!(
        "put the model's own file there, or set `pooling` in {} to what the model was trained with, such as \"mean\" or \"cls\" \
         (\"model\" where another output of the ONNX file is the vector)",
        dir.join(FILE).display()
    );
    unsettled("pooling", &dir.join("modules.json"), found, fix)
}

#[cfg(test)]
mod tests;
