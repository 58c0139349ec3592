//! One ONNX session: padded tensors in, one vector per text out.
//!
//! Inputs are given by the names that the session has; the output is token states, pooled here, or a vector that the
//! model pooled itself. Invariant: what comes out has the dimension of `config.json` and is finite. One thread per
//! session, none of them spinning: sessions side by side beat threads within one.

use crate::error::{Error, Result};
use crate::pool;
use crate::settings::Settings;
use crate::tokenize::Encoding;
use ort::environment::Environment;
use ort::session::Session;
use ort::session::SessionInputValue;
use ort::value::{Outlet, Tensor, TensorElementType};
use std::borrow::Cow;

/// A loaded model. `run` needs it exclusively, so that a worker thread owns it.
pub(crate) struct ModelSession {
    session: Session,
    inputs: Vec<Input>,
    output: Output,
    settings: Settings,
}

/// What goes into one of the session's inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Ids,
    Mask,
    Types,
}

struct Input {
    name: String,
    role: Role,
    narrow: bool,
}

/// Where the vectors come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Output {
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

impl ModelSession {
    /// Loads the model on one thread and checks that its inputs and outputs are those of a text encoder.
    pub(crate) fn open(settings: &Settings, environment: &Environment) -> Result<Self> {
        let session = load(settings, environment).map_err(|error| Error::ModelLoad {
            path: settings.model.clone(),
            source: error.into(),
        })?;
        let inputs = session
            .inputs()
            .iter()
            .map(|outlet| Input::new(outlet, settings))
            .collect::<Result<Vec<_>>>()?;
        if !inputs.iter().any(|input| input.role == Role::Ids) {
            return Err(refuse(
                settings,
                "has no input `input_ids`",
                "export the model with its tokens' ids as that input",
            ));
        }
        let offers: Vec<Offer> = session.outputs().iter().map(Offer::new).collect();
        let output =
            choose(&offers, settings.dimension).ok_or_else(|| no_output(&offers, settings))?;
        Ok(Self {
            session,
            inputs,
            output,
            settings: settings.clone(),
        })
    }

    /// The vectors of `batch`, in its order. No text in it is without tokens.
    pub(crate) fn run(&mut self, batch: &[&Encoding]) -> Result<Vec<Vec<f32>>> {
        let width = batch
            .iter()
            .map(|encoding| encoding.ids.len())
            .max()
            .unwrap_or(0);
        let inputs = self
            .inputs
            .iter()
            .map(|input| input.tensor(batch, width, self.settings.pad_id));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let outputs = self.session.run(inputs).map_err(run_error)?;
        let (shape, values) = outputs[self.output.name()]
            .try_extract_tensor::<f32>()
            .map_err(run_error)?;
        let expected = self
            .output
            .shape(batch.len(), width, self.settings.dimension);
        check_shape(shape, values.len(), expected)?;
        let stride = values.len() / batch.len().max(1);
        let rows = batch.iter().zip(values.chunks_exact(stride));
        rows.map(|(encoding, values)| {
            self.output
                .vector(values, encoding.ids.len(), &self.settings)
        })
        .collect()
    }
}

fn load(settings: &Settings, environment: &Environment) -> ort::Result<Session> {
    Session::builder(environment)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_memory_pattern(false)?
        .with_log_level(ort::logging::LogLevel::Error)?
        .commit_from_file(&settings.model)
}

impl Input {
    fn new(outlet: &Outlet, settings: &Settings) -> Result<Self> {
        let role = match outlet.name() {
            "input_ids" => Role::Ids,
            "attention_mask" => Role::Mask,
            "token_type_ids" => Role::Types,
            other => {
                let fix = "only `input_ids`, `attention_mask` and `token_type_ids` are supported: export the model with these";
                return Err(refuse(settings, format!("has an input `{other}`"), fix));
            }
        };
        let name = outlet.name().to_owned();
        match outlet.dtype().tensor_type() {
            Some(TensorElementType::Int64) => Ok(Self {
                name,
                role,
                narrow: false,
            }),
            Some(TensorElementType::Int32) => Ok(Self {
                name,
                role,
                narrow: true,
            }),
            other => {
                let found = format!("has an input `{name}` of type {other:?}");
                Err(refuse(
                    settings,
                    found,
                    "export the model with inputs of 64-bit or 32-bit integers",
                ))
            }
        }
    }

    /// The batch as this input takes it: `[texts, width]`, padded at the right.
    fn tensor(
        &self,
        batch: &[&Encoding],
        width: usize,
        pad: u32,
    ) -> Result<(Cow<'static, str>, SessionInputValue<'static>)> {
        let shape = [batch.len(), width];
        let values = padded(batch, width, self.role, pad);
        let tensor = if self.narrow {
            let values: Vec<i32> = values
                .into_iter()
                .map(|value| i32::try_from(value).unwrap_or(i32::MAX))
                .collect();
            Tensor::from_array((shape, values)).map(SessionInputValue::from)
        } else {
            Tensor::from_array((shape, values)).map(SessionInputValue::from)
        };
        Ok((Cow::Owned(self.name.clone()), tensor.map_err(run_error)?))
    }
}

/// Rows of `width` values: ids with `pad`, the mask 1 and 0, types with 0 behind the text.
fn padded(batch: &[&Encoding], width: usize, role: Role, pad: u32) -> Vec<i64> {
    let mut values = Vec::with_capacity(batch.len() * width);
    for (row, encoding) in batch.iter().enumerate() {
        let fill = match role {
            Role::Ids => {
                values.extend(encoding.ids.iter().copied().map(i64::from));
                i64::from(pad)
            }
            Role::Types => {
                values.extend(encoding.type_ids.iter().copied().map(i64::from));
                0
            }
            Role::Mask => {
                values.resize(values.len() + encoding.ids.len(), 1);
                0
            }
        };
        values.resize((row + 1) * width, fill);
    }
    values
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
    fn name(&self) -> &str {
        match self {
            Self::States(name) | Self::Pooled(name) => name,
        }
    }

    fn shape(&self, rows: usize, width: usize, dimension: usize) -> Vec<usize> {
        match self {
            Self::States(_) => vec![rows, width, dimension],
            Self::Pooled(_) => vec![rows, dimension],
        }
    }

    /// One text's vector from its part of the output.
    fn vector(&self, values: &[f32], tokens: usize, settings: &Settings) -> Result<Vec<f32>> {
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

fn check_shape(actual: &[i64], values: usize, expected: Vec<usize>) -> Result<()> {
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

fn run_error(error: ort::Error) -> Error {
    Error::Run {
        source: error.into(),
    }
}

fn refuse(settings: &Settings, found: impl Into<String>, expected: impl Into<String>) -> Error {
    Error::ModelConfig {
        path: settings.model.clone(),
        found: found.into(),
        expected: expected.into(),
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
    refuse(
        settings,
        format!("has the outputs {}", list.join(", ")),
        expected,
    )
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
