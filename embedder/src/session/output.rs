//! What comes out of a session: token states, pooled here, or vectors that the model pooled itself.
//!
//! Invariant: an output is taken only when the user named it, or when its name or its being the only one of its shape leaves
//! no doubt; what is taken is checked against the shape that the model's files call for, and for infinities.

use super::layers::Layers;
use crate::error::{Error, Result};
use crate::pool;
use crate::settings::Settings;
use crate::tokenize::Encoding;
use ort::value::{Outlet, TensorElementType};

/// Where the vectors come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// `[batch, sequence, width]`, pooled here.
    States(String),
    /// `[batch, width]`, pooled by the model; the later modules are applied here.
    Pooled(String),
    /// `[batch, dimension]`, from the model with its later modules.
    Finished(String),
}

/// The widths that outputs may have.
#[derive(Debug, Clone, Copy)]
struct Widths {
    states: usize,
    pooled: usize,
    finished: usize,
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

/// Token states under their usual names, then the only output of their rank; failing that, or where the model is said to
/// pool by itself, the vector that it pooled. `pooler_output` is never meant: it is BERT's head for next-sentence prediction.
fn choose(offers: &[Offer], widths: Widths, by_the_model: bool) -> Option<Output> {
    let find = |rank: usize, names: &[&str], width: usize| {
        let fits = |offer: &&Offer| offer.may_be(rank, width) || offer.is_unknown();
        let named = names
            .iter()
            .find_map(|name| offers.iter().filter(fits).find(|offer| offer.name == *name));
        let is_other = |offer: &&Offer| offer.may_be(rank, width) && offer.name != "pooler_output";
        named.or_else(|| only(offers.iter().filter(is_other)))
    };
    let vector = |width| find(2, &["sentence_embedding"], width).map(|offer| offer.name.clone());
    let states = || {
        find(3, &["last_hidden_state", "token_embeddings"], widths.states)
            .map(|offer| Output::States(offer.name.clone()))
    };
    let states = if by_the_model { None } else { states() };
    states
        .or_else(|| vector(widths.finished).map(Output::Finished))
        .or_else(|| vector(widths.pooled).map(Output::Pooled))
}

/// The output that the user named, by its rank and width.
fn named(offers: &[Offer], widths: Widths, name: &str) -> Option<Output> {
    let offer = offers.iter().find(|offer| offer.name == name)?;
    let name = name.to_owned();
    match offer {
        _ if offer.may_be(3, widths.states) => Some(Output::States(name)),
        _ if offer.may_be(2, widths.finished) => Some(Output::Finished(name)),
        _ if offer.may_be(2, widths.pooled) => Some(Output::Pooled(name)),
        _ => None,
    }
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let item = items.next()?;
    items.next().is_none().then_some(item)
}

impl Output {
    /// The session's output that holds the vectors.
    pub(crate) fn choose(outlets: &[Outlet], settings: &Settings) -> Result<Self> {
        let offers: Vec<Offer> = outlets.iter().map(Offer::new).collect();
        let widths = Widths {
            states: settings.width,
            pooled: settings.pooled(),
            finished: settings.full,
        };
        let chosen = match &settings.output {
            Some(name) => named(&offers, widths, name),
            None => choose(&offers, widths, settings.pooling.modes().is_empty()),
        };
        chosen.ok_or_else(|| no_output(&offers, settings))
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::States(name) | Self::Pooled(name) | Self::Finished(name) => name,
        }
    }

    /// What the output's shape must be, for so many texts of so many tokens.
    pub(crate) fn shape(&self, rows: usize, tokens: usize, settings: &Settings) -> Vec<usize> {
        match self {
            Self::States(_) => vec![rows, tokens, settings.width],
            Self::Pooled(_) => vec![rows, settings.pooled()],
            Self::Finished(_) => vec![rows, settings.full],
        }
    }

    /// One text's vector from its part of the output.
    pub(crate) fn vector(
        &self,
        values: &[f32],
        text: &Encoding,
        settings: &Settings,
        layers: &Layers,
    ) -> Result<Vec<f32>> {
        let pooled = match self {
            Self::States(_) => pool::pool(
                values,
                text.prompt..text.ids.len(),
                settings.width,
                &settings.pooling,
            ),
            Self::Pooled(_) | Self::Finished(_) => values.to_vec(),
        };
        pool::check_finite(&pooled)?;
        let vector = match self {
            Self::States(_) | Self::Pooled(_) => layers.apply(pooled),
            Self::Finished(_) => layers.finish(pooled),
        };
        pool::check_finite(&vector)?;
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
    let (width, full) = (settings.width, settings.full);
    let asked = settings
        .output
        .as_ref()
        .map_or_else(String::new, |name| format!(", and `{name}` was asked for"));
    if width == 1 {
        let fix =
            "export the model with one 32-bit float output of shape [batch, 1], named `logits`";
        return settings.refuse_model(format!("has the outputs {}{asked}", list.join(", ")), fix);
    }
    let expected = format!(
        "export the model with one 32-bit float output of shape [batch, sequence, {width}], named `last_hidden_state`, or \
         [batch, {full}], named `sentence_embedding`, or name the one to take as `output` in vinedb.json; {width} is \
         config.json's `hidden_size`"
    );
    settings.refuse_model(
        format!("has the outputs {}{asked}", list.join(", ")),
        expected,
    )
}

#[cfg(test)]
mod tests;
