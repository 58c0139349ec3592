//! The modules after the pooling, with their weights, and the cut to fewer components. Immutable, shared by a model's sessions.

use super::dense::Dense;
use crate::error::Result;
use crate::pool;
use crate::settings::{Activation, Settings, Step};

enum Layer {
    Dense(Dense),
    Normalize,
    Activation(Activation),
}

/// A model's modules after the pooling.
pub(crate) struct Layers {
    layers: Vec<Layer>,
    dimension: usize,
}

impl Layers {
    /// Reads the weights.
    pub(crate) fn open(settings: &Settings) -> Result<Self> {
        let open = |step: &Step| match step {
            Step::Dense(config) => Dense::open(config).map(Layer::Dense),
            Step::Normalize => Ok(Layer::Normalize),
            Step::Activation(function) => Ok(Layer::Activation(*function)),
        };
        let layers = settings.steps.iter().map(open).collect::<Result<_>>()?;
        Ok(Self {
            layers,
            dimension: settings.dimension,
        })
    }

    /// Applies all of them to a pooled vector.
    pub(crate) fn apply(&self, mut vector: Vec<f32>) -> Vec<f32> {
        for layer in &self.layers {
            match layer {
                Layer::Dense(dense) => vector = dense.apply(&vector),
                Layer::Normalize => pool::normalize(&mut vector),
                Layer::Activation(function) => apply(*function, &mut vector),
            }
        }
        vector.truncate(self.dimension);
        vector
    }

    /// Finishes a vector to which the ONNX file applied them already. Normalizing twice changes nothing, and some files leave
    /// it out; the activation of a cross-encoder's logit is never in the file.
    pub(crate) fn finish(&self, mut vector: Vec<f32>) -> Vec<f32> {
        match self.layers.last() {
            Some(Layer::Normalize) => pool::normalize(&mut vector),
            Some(Layer::Activation(function)) => apply(*function, &mut vector),
            Some(Layer::Dense(_)) | None => {}
        }
        vector.truncate(self.dimension);
        vector
    }
}

fn apply(function: Activation, vector: &mut [f32]) {
    vector
        .iter_mut()
        .for_each(|value| *value = function.apply(*value));
}
