//! What is to be pulled.

use embedder::{ModelOptions, convert::Precision};

use crate::{error::Error, source::Sources};

/// Where downloads lie until they are whole, beside the models.
pub(crate) const PARTS: &str = ".parts";
/// Where an ONNX export lies, in the order that they are looked for.
pub(crate) const ONNX: [&str; 2] = ["model.onnx", "onnx/model.onnx"];

/// A model to be pulled.
#[derive(Debug, Clone)]
pub struct Pull {
    /// A repository of the hub, `owner/name`, or the name of a model of the [`catalogue()`](crate::catalogue()).
    pub repository: String,
    /// Of a repository: a branch, tag or commit; `main` where it is `None`.
    pub revision: Option<String>,
    /// The name that the model gets here; its own where it is `None`.
    pub name: Option<String>,
    /// In what the model is to compute. Where it is `None`: in 8 bits, which is faster, and as it is where it is quantized
    /// already.
    pub precision: Option<Precision>,
    /// What the model's own files leave out, such as the pooling of a bare ONNX export.
    pub options: ModelOptions,
    /// Whether bars are drawn on the terminal.
    pub progress: bool,
    /// Where it comes from.
    pub sources: Sources,
}

impl Pull {
    /// The newest of a repository, or a model of the catalogue, under its own name.
    #[must_use]
    pub fn new(repository: impl Into<String>) -> Self {
        Self {
            repository: repository.into(),
            revision: None,
            name: None,
            precision: None,
            options: ModelOptions::default(),
            progress: false,
            sources: Sources::default(),
        }
    }

    pub(crate) fn refused(&self, reason: String) -> Error {
        Error::Pull {
            repository: self.repository.clone(),
            reason,
            option: None,
        }
    }
}
