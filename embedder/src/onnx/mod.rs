//! Reads and writes ONNX files without losing fields that it does not know.
//!
//! Invariant: whatever a rewrite does not touch round-trips byte for byte, fields of later versions of the format included.
//! `convert` gives the graphs their meaning.

mod model;
mod outputs;
mod proto;
mod tensor;
mod wire;

pub(crate) use model::{Model, field};
pub(crate) use outputs::outputs;
#[cfg(test)]
pub(crate) use proto::Entry;
pub(crate) use proto::{Attribute, Node, Tensor, ValueInfo};
pub(crate) use tensor::{Element, f32s, from_raw, shape};
pub(crate) use wire::{Field, split};

use crate::error::Error;
use std::path::Path;

/// Why a model is not converted, as the parts of a sentence that starts with the name of its file.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) found: String,
    pub(crate) expected: String,
}

impl Refusal {
    pub(crate) fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// As the error about the file at `path`.
    pub(crate) fn at(self, path: &Path) -> Error {
        Error::ModelConfig {
            path: path.to_owned(),
            found: self.found,
            expected: self.expected,
            option: None,
        }
    }
}
