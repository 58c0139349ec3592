//! A linear layer after the pooling, as sentence-transformers' `Dense` module: `activation(weight · vector + bias)`.
//!
//! Invariant: weight and bias have the shapes that the module's `config.json` names.

use crate::error::{Error, Result};
use crate::settings::{Activation, DenseConfig, contradiction};
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

/// The layer with its weights: `output` rows of `input` values.
#[derive(Debug, PartialEq)]
pub(crate) struct Dense {
    weight: Vec<f32>,
    bias: Vec<f32>,
    input: usize,
    activation: Activation,
}

impl Dense {
    /// Reads the weights.
    pub(crate) fn open(config: &DenseConfig) -> Result<Self> {
        let path = &config.weights;
        let bytes = std::fs::read(path).map_err(|source| Error::Io {
            path: path.clone(),
            source,
        })?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| Error::Unreadable {
            path: path.clone(),
            source: error.into(),
        })?;
        let read = |name: &str, shape: &[usize]| floats(&tensors, name, shape, path);
        let bias = if config.bias {
            read("linear.bias", &[config.output])?
        } else {
            vec![0.0; config.output]
        };
        Ok(Self {
            weight: read("linear.weight", &[config.output, config.input])?,
            bias,
            input: config.input,
            activation: config.activation,
        })
    }

    /// Applies the layer to a vector of its input's width.
    pub(crate) fn apply(&self, vector: &[f32]) -> Vec<f32> {
        let rows = self.weight.chunks_exact(self.input).zip(&self.bias);
        let answer = rows.map(|(row, bias)| {
            let sum: f32 = row.iter().zip(vector).map(|(a, b)| a * b).sum();
            self.activation.apply(sum + bias)
        });
        answer.collect()
    }
}

/// A tensor of 32-bit floats.
fn floats(tensors: &SafeTensors<'_>, name: &str, shape: &[usize], path: &Path) -> Result<Vec<f32>> {
    let expected =
        || format!("a tensor `{name}` of 32-bit floats and shape {shape:?} was expected");
    let Ok(tensor) = tensors.tensor(name) else {
        let found = format!("holds {:?}", tensors.names());
        return Err(contradiction(path, found, expected()));
    };
    if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
        let found = format!(
            "holds `{name}` of type {:?} and shape {:?}",
            tensor.dtype(),
            tensor.shape()
        );
        return Err(contradiction(path, found, expected()));
    }
    let values = tensor.data().chunks_exact(4);
    Ok(values
        .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect())
}

#[cfg(test)]
mod tests;
