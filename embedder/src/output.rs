//! What comes out of a session: token states, pooled here, or vectors that the model pooled itself.
//!
//! Invariant: an output is taken only when its name or its being the only one of its shape leaves no doubt; what is
//! taken is checked against the shape that `config.json` calls for, and for infinities.

use crate::error::{Error, Result};
use crate::pool;
use crate::settings::Settings;
use ort::value::{Outlet, TensorElementType};

/// Where the vectors come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// `[batch, sequence, dimension]`, pooled here.
    States(String),
    /// `[batch, dimension]`, pooled by the model.
    Pooled(String),
}

/// What the session says of one output, without ONNX Runtime's types. No rank means that it is not known.
#[derive(Debug)]
struct Offer {
    name: String,
    float: bool,
    shape: Vec<i64>,
}

impl Offer {
    fn new(outlet: &Outlet) -> Self {
        Self {
            name: outlet.name().to_owned(),
            float: outlet.dtype().tensor_type() == Some(TensorElementType::Float32),
            shape: outlet
                .dtype()
                .tensor_shape()
                .map(|shape| shape.to_vec())
                .unwrap_or_default(),
        }
    }

    /// Whether it may be a float tensor of that rank whose rows are vectors.
    fn may_be(&self, rank: usize, dimension: usize) -> bool {
        let width = self.shape.last().copied().unwrap_or(-1);
        self.float
            && self.shape.len() == rank
            && (width < 0 || usize::try_from(width) == Ok(dimension))
    }

    fn is_unknown(&self) -> bool {
        self.float && self.shape.is_empty()
    }
}

/// Token states under their usual names, then the only output of their rank; failing that, the vector that the model
/// pooled. `pooler_output` is never meant: it is BERT's head for next-sentence prediction.
fn choose(offers: &[Offer], dimension: usize) -> Option<Output> {
    let find = |rank: usize, names: &[&str]| {
        let fits = |offer: &&Offer| offer.may_be(rank, dimension) || offer.is_unknown();
        let named = names
            .iter()
            .find_map(|name| offers.iter().filter(fits).find(|offer| offer.name == *name));
        named.or_else(|| {
            only(
                offers
                    .iter()
                    .filter(|offer| offer.may_be(rank, dimension) && offer.name != "pooler_output"),
            )
        })
    };
    let states = find(3, &["last_hidden_state", "token_embeddings"])
        .map(|offer| Output::States(offer.name.clone()));
    states.or_else(|| {
        find(2, &["sentence_embedding"]).map(|offer| Output::Pooled(offer.name.clone()))
    })
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let item = items.next()?;
    items.next().is_none().then_some(item)
}

impl Output {
    /// The session's output that holds the vectors.
    pub(crate) fn choose(outlets: &[Outlet], settings: &Settings) -> Result<Self> {
        let offers: Vec<Offer> = outlets.iter().map(Offer::new).collect();
        choose(&offers, settings.dimension).ok_or_else(|| no_output(&offers, settings))
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::States(name) | Self::Pooled(name) => name,
        }
    }

    /// What the output's shape must be.
    pub(crate) fn shape(&self, rows: usize, width: usize, dimension: usize) -> Vec<usize> {
        match self {
            Self::States(_) => vec![rows, width, dimension],
            Self::Pooled(_) => vec![rows, dimension],
        }
    }

    /// One text's vector from its part of the output.
    pub(crate) fn vector(
        &self,
        values: &[f32],
        tokens: usize,
        settings: &Settings,
    ) -> Result<Vec<f32>> {
        let mut vector = match self {
            Self::States(_) => pool::pool(values, tokens, settings.dimension, settings.pooling),
            Self::Pooled(_) => values.to_vec(),
        };
        pool::check_finite(&vector)?;
        if settings.normalize {
            pool::normalize(&mut vector);
        }
        Ok(vector)
    }
}

/// Refuses an output of another shape, and an empty one.
pub(crate) fn check_shape(actual: &[i64], values: usize, expected: Vec<usize>) -> Result<()> {
    let same = actual
        .iter()
        .map(|&size| usize::try_from(size))
        .eq(expected.iter().map(|&size| Ok(size)));
    if same && values > 0 {
        Ok(())
    } else {
        Err(Error::OutputShape {
            expected,
            actual: actual.to_vec(),
        })
    }
}

fn no_output(offers: &[Offer], settings: &Settings) -> Error {
    let list: Vec<String> = offers
        .iter()
        .map(|offer| format!("`{}` {:?}", offer.name, offer.shape))
        .collect();
    let dimension = settings.dimension;
    let expected = format!(
        "export the model with one 32-bit float output of shape [batch, sequence, {dimension}], named \
         `last_hidden_state`, or [batch, {dimension}], named `sentence_embedding`; {dimension} is config.json's `hidden_size`"
    );
    settings.refuse_model(format!("has the outputs {}", list.join(", ")), expected)
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
