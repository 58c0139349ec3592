//! Reads a model folder as sentence-transformers or Optimum writes it, and gathers what its files say.
//!
//! Invariant: nothing is guessed. What changes vectors and is missing, contradicts another file or is not supported is an
//! error that names the file and what to put there. Weights and tokenizer are only located here, not opened. Which file says
//! what is the matter of `modules.rs`, `transformer.rs` and `prompts.rs`; what none of them says, that of `given.rs`.

mod cross_encoder;
mod dense;
mod file;
mod modules;
mod options;
mod pooling;
mod prompts;
mod transformer;

pub(crate) use dense::{Activation, DenseConfig};
pub(crate) use file::{contradiction, read_json};
pub(crate) use modules::Step;
pub use options::ModelOptions;
pub use pooling::{Pooling, PoolingMode};

use crate::error::{Error, Result};
use file::first_of;
use modules::{Modules, width_after};
use options::Given;
use prompts::Prompts;
use std::path::{Path, PathBuf};
use transformer::Transformer;

/// What the files of a model say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) model: PathBuf,
    pub(crate) tokenizer: PathBuf,
    /// Components of a token's state.
    pub(crate) width: usize,
    pub(crate) pooling: Pooling,
    /// Whether the tokens of a prompt are pooled with those of the text.
    pub(crate) include_prompt: bool,
    /// What the pooled vector goes through.
    pub(crate) steps: Vec<Step>,
    /// Components after the steps.
    pub(crate) full: usize,
    /// Components that are kept of these.
    pub(crate) dimension: usize,
    pub(crate) max_length: usize,
    pub(crate) lowercase: bool,
    pub(crate) pad_id: u32,
    pub(crate) query_prefix: String,
    pub(crate) document_prefix: String,
    /// The ONNX file's output, where the user names it.
    pub(crate) output: Option<String>,
}

/// How a vector is made of token states.
struct Making {
    pooling: Pooling,
    include_prompt: bool,
    steps: Vec<Step>,
}

impl Settings {
    /// Reads the folder `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let given = Given::read(dir)?;
        let modules = Modules::read(dir)?;
        let inner = modules.as_ref().map_or(dir, |modules| &modules.transformer);
        let model = first_of(dir, inner, "model.onnx")?;
        let tokenizer = first_of(inner, dir, "tokenizer.json")?;
        let transformer = Transformer::read(inner, &given, modules.is_some())?;
        let prompts = Prompts::read(dir)?;
        let (query_prefix, document_prefix) = prompts.prefixes(&given)?;
        let making = Making::of(dir, modules, &given, transformer.width)?;
        let pooled = transformer.width * making.pooling.modes().len().max(1);
        let full = width_after(&making.steps, pooled)?;
        Ok(Self {
            model,
            tokenizer,
            width: transformer.width,
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

    /// The settings that change vectors, as text. What few models have is added only where it is there, so that the hash of
    /// the others stays what it was before these were known.
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
    /// What `modules.json` says, or without it the options.
    fn of(dir: &Path, modules: Option<Modules>, given: &Given, width: usize) -> Result<Self> {
        let options = &given.options;
        let Some(modules) = modules else {
            let pooling = options.pooling.clone();
            return Ok(Self {
                pooling: pooling.ok_or_else(|| no_pooling(dir))?,
                include_prompt: true,
                steps: options
                    .normalize
                    .filter(|on| *on)
                    .map(|_| Step::Normalize)
                    .into_iter()
                    .collect(),
            });
        };
        let file = modules.pooling;
        if file.width != width {
            let found = format!(
                "has `word_embedding_dimension` {}, where config.json has `hidden_size` {width}",
                file.width
            );
            return Err(contradiction(
                &file.path,
                found,
                "put the two files of one model there",
            ));
        }
        let normalize = modules.steps.last() == Some(&Step::Normalize);
        given.settle(
            "normalize",
            options.normalize,
            Some((normalize, "modules.json")),
        )?;
        let folder = Some((file.pooling.clone(), "1_Pooling/config.json"));
        // The model may do what its files say by itself; which of the two is taken is for the user to say.
        let by_itself = options
            .pooling
            .as_ref()
            .is_some_and(|pooling| pooling.modes().is_empty());
        if !by_itself {
            given.settle("pooling", options.pooling.clone(), folder)?;
        }
        Ok(Self {
            pooling: if by_itself {
                Pooling::by_the_model()
            } else {
                file.pooling
            },
            include_prompt: file.include_prompt,
            steps: modules.steps,
        })
    }
}

fn no_pooling(dir: &Path) -> Error {
    let path = dir.join("modules.json");
    let found = "is missing, and nothing else says how the model's token states become one vector";
    let fix = format!(
        "put the model's own file there, or write {} with {{\"pooling\": \"mean\"}} or whatever the model was trained with \
         ({{\"pooling\": \"model\"}} where its ONNX file does it)",
        dir.join(options::FILE).display()
    );
    contradiction(&path, found, fix)
}

#[cfg(test)]
mod tests;
