//! What a pooled vector goes through on its way out: the later modules, with their weights, and the cut to fewer components.
//!
//! Shared by a model's sessions; nothing in it changes.

use crate::dense::Dense;
use crate::error::Result;
use crate::modules::Step;
use crate::pool;
use crate::settings::Settings;

enum Layer {
    Dense(Dense),
    Normalize,
}

/// The later modules of a model.
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
        };
        let layers = settings.steps.iter().map(open).collect::<Result<_>>()?;
        Ok(Self {
            layers,
            dimension: settings.dimension,
        })
    }

    /// Takes a pooled vector through all of them.
    pub(crate) fn apply(&self, mut vector: Vec<f32>) -> Vec<f32> {
        for layer in &self.layers {
            match layer {
                Layer::Dense(dense) => vector = dense.apply(&vector),
                Layer::Normalize => pool::normalize(&mut vector),
            }
        }
        vector.truncate(self.dimension);
        vector
    }

    /// Finishes a vector that the ONNX file took through them already. A second normalisation changes nothing, and some files
    /// leave it out.
    pub(crate) fn finish(&self, mut vector: Vec<f32>) -> Vec<f32> {
        if let Some(Layer::Normalize) = self.layers.last() {
            pool::normalize(&mut vector);
        }
        vector.truncate(self.dimension);
        vector
    }
}
