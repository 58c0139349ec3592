//! One ONNX session: padded tensors in, one vector per text out.
//!
//! Invariant: vectors are finite and of the dimension that the model's files say. Threads do not spin while they wait unless
//! asked to, and a session usually has one: sessions side by side beat threads within one.

mod dense;
mod input;
mod layers;
mod output;

pub(crate) use layers::Layers;

use crate::error::{Error, Result};
use crate::settings::{Output, Settings};
use crate::tokenize::Encoding;
use input::Input;
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use std::sync::Arc;

/// How a model is loaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loading {
    /// Without graph optimization, which takes most of the time of loading.
    pub(crate) quick: bool,
    /// Threads of the session.
    pub(crate) threads: usize,
    /// Whether they spin while they wait for each other.
    pub(crate) spin: bool,
}

/// A loaded model. `run` takes `&mut self`, so a worker thread owns it.
pub(crate) struct ModelSession {
    session: Session,
    inputs: Vec<Input>,
    output: Output,
    settings: Settings,
    layers: Arc<Layers>,
}

impl ModelSession {
    /// Loads the model and checks that its inputs and outputs are those of a text encoder.
    pub(crate) fn open(
        settings: &Settings,
        layers: &Arc<Layers>,
        environment: &Environment,
        loading: Loading,
    ) -> Result<Self> {
        let session = load(settings, environment, loading).map_err(|error| Error::ModelLoad {
            path: settings.model.clone(),
            source: error.into(),
        })?;
        Ok(Self {
            inputs: Input::all(session.inputs(), settings)?,
            output: output::choose(session.outputs(), settings)?,
            settings: settings.clone(),
            layers: Arc::clone(layers),
            session,
        })
    }

    /// Embeds `batch`, in its order. Every text in it has at least one token.
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
        let outputs = self.session.run(inputs).map_err(Error::run)?;
        let (shape, values) = outputs[self.output.name()]
            .try_extract_tensor::<f32>()
            .map_err(Error::run)?;
        let expected = self.output.shape(batch.len(), width, &self.settings);
        output::check_shape(shape, values.len(), expected)?;
        let stride = values.len() / batch.len().max(1);
        let rows = batch.iter().zip(values.chunks_exact(stride));
        rows.map(|(encoding, values)| {
            self.output
                .vector(values, encoding, &self.settings, &self.layers)
        })
        .collect()
    }
}

fn load(settings: &Settings, environment: &Environment, loading: Loading) -> ort::Result<Session> {
    let level = if loading.quick {
        GraphOptimizationLevel::Disable
    } else {
        GraphOptimizationLevel::All
    };
    Session::builder(environment)?
        .with_optimization_level(level)?
        .with_intra_threads(loading.threads)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(loading.spin)?
        .with_inter_op_spinning(false)?
        .with_memory_pattern(false)?
        .with_log_level(ort::logging::LogLevel::Error)?
        .commit_from_file(&settings.model)
}
