//! Which output of an ONNX file holds the vectors.
//!
//! Invariant: an output is taken only when the user named it, or when its name or its being the only one of its shape leaves
//! no doubt.

use super::file::unsettled;
use crate::error::{Error, Result};
use crate::onnx::{Element, ValueInfo, outputs};
use std::path::Path;

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

/// An output that a model offers, in no other crate's types. No rank means that its shape is not known.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) name: String,
    /// Whether its elements are 32-bit floats.
    pub(crate) float: bool,
    /// Sizes below 0 are settled by each batch.
    pub(crate) shape: Vec<i64>,
}

/// The widths that outputs may have; any, where nothing says it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Widths {
    pub(crate) states: Option<usize>,
    pub(crate) pooled: Option<usize>,
    pub(crate) finished: Option<usize>,
}

/// What is looked for among a model's outputs.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// Name or position, where the user says it.
    pub(crate) output: Option<&'a str>,
    /// Whether the model is said to pool by itself.
    pub(crate) by_the_model: bool,
    pub(crate) widths: Widths,
}

impl Output {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::States(name) | Self::Pooled(name) | Self::Finished(name) => name,
        }
    }
}

impl Offer {
    /// What the file at `path` declares.
    pub(crate) fn all(path: &Path) -> Result<Vec<Self>> {
        Ok(outputs(path)?.into_iter().map(Self::declared).collect())
    }

    fn declared(output: ValueInfo) -> Self {
        let tensor = output.kind.and_then(|kind| kind.tensor);
        let element = tensor.as_ref().map(|tensor| tensor.element);
        let shape = tensor.and_then(|tensor| tensor.shape).unwrap_or_default();
        Self {
            name: output.name,
            float: element.and_then(Element::of) == Some(Element::F32),
            shape: shape
                .dims
                .iter()
                .map(|dim| dim.size.unwrap_or(-1))
                .collect(),
        }
    }

    /// Components per row, where the shape says it.
    pub(crate) fn width(&self) -> Option<usize> {
        let width = self.shape.last().copied()?;
        usize::try_from(width).ok().filter(|width| *width > 0)
    }

    /// Whether it may be a float tensor of that rank whose rows are vectors.
    fn may_be(&self, rank: usize, width: Option<usize>) -> bool {
        let own = self.shape.last().copied().unwrap_or(-1);
        let fits = own < 0 || width.is_none_or(|width| usize::try_from(own) == Ok(width));
        self.float && self.shape.len() == rank && fits
    }

    fn is_unknown(&self) -> bool {
        self.float && self.shape.is_empty()
    }
}

impl Wanted<'_> {
    /// The one that holds the vectors, of those that the file at `path` offers.
    pub(crate) fn among(&self, offers: &[Offer], path: &Path) -> Result<Output> {
        self.choice(offers)
            .ok_or_else(|| self.refusal(offers, path))
    }

    fn choice(&self, offers: &[Offer]) -> Option<Output> {
        match self.output {
            Some(name) => self.named(offers, name),
            None if self.by_the_model => self.vectors(offers),
            None => self.states(offers).or_else(|| self.vectors(offers)),
        }
    }

    /// Token states under their usual names, else the only output of their rank.
    fn states(&self, offers: &[Offer]) -> Option<Output> {
        let names = ["last_hidden_state", "token_embeddings"];
        find(offers, 3, &names, self.widths.states).map(Output::States)
    }

    /// The vector that the model pooled.
    fn vectors(&self, offers: &[Offer]) -> Option<Output> {
        let vector = |width| find(offers, 2, &["sentence_embedding"], width);
        let finished = vector(self.widths.finished).map(Output::Finished);
        finished.or_else(|| vector(self.widths.pooled).map(Output::Pooled))
    }

    /// The output that the user named, by its rank and width. A name wins over a position, since names may be numbers.
    fn named(&self, offers: &[Offer], name: &str) -> Option<Output> {
        let named = offers.iter().find(|offer| offer.name == name);
        let offer = named.or_else(|| offers.get(name.parse::<usize>().ok()?))?;
        let name = offer.name.clone();
        if offer.may_be(3, self.widths.states) && !self.by_the_model {
            Some(Output::States(name))
        } else if offer.may_be(2, self.widths.finished) {
            Some(Output::Finished(name))
        } else if offer.may_be(2, self.widths.pooled) {
            Some(Output::Pooled(name))
        } else {
            None
        }
    }

    fn refusal(&self, offers: &[Offer], path: &Path) -> Error {
        let list: Vec<String> = offers
            .iter()
            .map(|offer| format!("`{}` {:?}", offer.name, offer.shape))
            .collect();
        let asked = self.output.map_or_else(String::new, |output| {
            format!(", and `{output}` was asked for")
        });
        let found = format!("has the outputs {}{asked}", list.join(", "));
        if self.widths.states == Some(1) {
            let fix = "set `output` in vinedb.json to the one of shape [batch, 1], or export the model with one that is named `logits`";
            return unsettled("output", path, found, fix);
        }
        let pooled_here = Self {
            by_the_model: false,
            ..*self
        };
        if self.by_the_model && matches!(pooled_here.choice(offers), Some(Output::States(_))) {
            let fix = "the one to take has a row per token: set `pooling` in vinedb.json to what makes one of token states, such as \"mean\"";
            return unsettled("pooling", path, found, fix);
        }
        let width =
            |width: Option<usize>| width.map_or("width".to_owned(), |width| width.to_string());
        let (states, finished) = (width(self.widths.states), width(self.widths.finished));
        let fix = format!(
            "set `output` in vinedb.json to the name or the position, from 0, of the one to take, or export the model with one \
             32-bit float output: `last_hidden_state` of shape [batch, sequence, {states}] or `sentence_embedding` of shape \
             [batch, {finished}], as config.json's `hidden_size` or the option `width` says"
        );
        unsettled("output", path, found, fix)
    }
}

/// The name of the offer of that rank: one of these names, else the only one. `pooler_output` is never meant: it is BERT's
/// head for next-sentence prediction.
fn find(offers: &[Offer], rank: usize, names: &[&str], width: Option<usize>) -> Option<String> {
    let fits = |offer: &&Offer| offer.may_be(rank, width) || offer.is_unknown();
    let named = names
        .iter()
        .find_map(|name| offers.iter().filter(fits).find(|offer| offer.name == *name));
    let is_other = |offer: &&Offer| offer.may_be(rank, width) && offer.name != "pooler_output";
    let offer = named.or_else(|| only(offers.iter().filter(is_other)))?;
    Some(offer.name.clone())
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let item = items.next()?;
    items.next().is_none().then_some(item)
}

#[cfg(test)]
mod tests;
