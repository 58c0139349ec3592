//! Everything that can go wrong between a text and its vector.
//!
//! Each variant carries facts; its message stands once, in the `#[error]` line, and says what was found, what was expected and
//! what to do. Errors of other crates are boxed, so that none of their types is part of this interface.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

/// Another crate's error: the cause of an [`Error`].
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a model could not be opened, or a text could not be embedded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ONNX Runtime library is not where it should be.
    #[error(
        "the ONNX Runtime library is missing: no file {}; `make setup` in the vinedb repository fetches it, \
         or put a libonnxruntime.so of version 1.17 or later there",
        path.display()
    )]
    MissingRuntime {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file of the model is not where it should be.
    #[error(
        "the model's {file} is missing: no file {}; `make setup` in the vinedb repository fetches the default model, \
         or put the file of the model's own distribution there",
        path.display()
    )]
    MissingModelFile {
        /// Which file of a model folder, such as `tokenizer.json`.
        file: &'static str,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file exists and cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}; nothing was changed", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Something exists where a model is to be made.
    #[error("{} exists already; give the model another name, or remove it first", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// A file of the model is not JSON of the expected shape, or not a tokenizer.
    #[error("cannot make sense of {}: {source}; put the file of the model's own distribution there", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: Cause,
    },
    /// A file of the model lacks something, says something that is not supported, or contradicts another file.
    #[error("{} {found}; {expected}", path.display())]
    ModelConfig {
        /// The file.
        path: PathBuf,
        /// What it says, as the end of a sentence that starts with its name.
        found: String,
        /// What to put there, or which option to set.
        expected: String,
        /// The field of [`ModelOptions`](crate::ModelOptions) that settles it, where one does.
        option: Option<&'static str>,
    },
    /// The pooling is unknown.
    #[error(
        "the pooling {given:?} is unknown; use one of \"cls\", \"max\", \"mean\", \"mean_sqrt_len_tokens\", \"weightedmean\" and \"lasttoken\", \
        a list of these, or \"model\" where the ONNX file pools by itself"
    )]
    UnknownPooling {
        /// The name given.
        given: String,
    },
    /// The ONNX Runtime library does not load.
    #[error("cannot load the ONNX Runtime library {}: {source}; version 1.17 or later for this processor is needed", path.display())]
    RuntimeLoad {
        /// The library.
        path: PathBuf,
        /// What the loader says.
        source: Cause,
    },
    /// Another ONNX Runtime library is already loaded: a process has one.
    #[error(
        "this process already uses the ONNX Runtime library {}, so {} cannot be loaded as well; name the same file for every model",
        loaded.display(), asked.display()
    )]
    RuntimeConflict {
        /// The library in use.
        loaded: PathBuf,
        /// The one asked for.
        asked: PathBuf,
    },
    /// ONNX Runtime cannot load the model.
    #[error("ONNX Runtime cannot load {}: {source}", path.display())]
    ModelLoad {
        /// The ONNX file.
        path: PathBuf,
        /// What ONNX Runtime says.
        source: Cause,
    },
    /// An option is out of its range.
    #[error("the option {name} is {given}, and must be {expected}")]
    Options {
        /// The option.
        name: &'static str,
        /// Its value.
        given: usize,
        /// Its range.
        expected: &'static str,
    },
    /// The queue of queries is full.
    #[error("{queued} queries are queued, and {limit} is the limit: try again in a moment")]
    Overloaded {
        /// How many are queued.
        queued: usize,
        /// How many may.
        limit: usize,
    },
    /// One text of a submission failed; those of other submissions are not affected.
    #[error("text {index} cannot be embedded: {source}")]
    Text {
        /// The text's position in its submission, from 0.
        index: usize,
        /// Why.
        source: Arc<Error>,
    },
    /// The tokenizer refused a text.
    #[error("the tokenizer refused it: {source}")]
    Tokenize {
        /// What the tokenizer says.
        source: Cause,
    },
    /// ONNX Runtime failed on a text.
    #[error("ONNX Runtime failed: {source}")]
    Run {
        /// What ONNX Runtime says.
        source: Cause,
    },
    /// The model's answer has another shape than a batch of vectors.
    #[error(
        "the model answered a tensor of shape {actual:?} where {expected:?} was expected; where another of its outputs is meant, \
         set `output` in vinedb.json"
    )]
    OutputShape {
        /// The shape that the batch and `config.json` call for.
        expected: Vec<usize>,
        /// The shape that came.
        actual: Vec<i64>,
    },
    /// The model's vector holds a NaN or an infinity.
    #[error("the model's vector for it holds {value} at component {component}")]
    NotFinite {
        /// Where, from 0.
        component: usize,
        /// What.
        value: f32,
    },
    /// Tokenizer or model panicked on a text; the session is reopened.
    #[error("the {part} panicked on it: {message}")]
    Panicked {
        /// Tokenizer, model or worker.
        part: &'static str,
        /// What the panic said.
        message: String,
    },
    /// The embedder was dropped, or lost its last session, before the text was embedded.
    #[error("the embedder was closed before the text was embedded")]
    Closed,
    /// The [`Caller`](crate::Caller) left before the text was embedded.
    #[error("the caller left before the text was embedded")]
    Withdrawn,
    /// Values that do not make whole rows.
    #[error("{values} values do not make {rows} rows of dimension {dimension}")]
    Ragged {
        /// How many values were given.
        values: usize,
        /// How many rows.
        rows: usize,
        /// The dimension.
        dimension: usize,
    },
}

impl Error {
    /// The field of [`ModelOptions`](crate::ModelOptions) that settles it, such as `"pooling"`, where one does. A program
    /// that has an option of its own for the field can name that.
    pub fn model_option(&self) -> Option<&'static str> {
        match self {
            Self::ModelConfig { option, .. } => *option,
            Self::UnknownPooling { .. } => Some("pooling"),
            Self::OutputShape { .. } => Some("output"),
            Self::Text { source, .. } => source.model_option(),
            _ => None,
        }
    }

    /// What ONNX Runtime says of a run.
    pub(crate) fn run(source: impl Into<Cause>) -> Self {
        Self::Run {
            source: source.into(),
        }
    }

    /// What a caught panic's payload says.
    pub(crate) fn panicked(part: &'static str, payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned());
        let message = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self::Panicked {
            part,
            message: message.unwrap_or_else(|| "no message".to_owned()),
        }
    }
}
