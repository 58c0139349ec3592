//! What comes out of a session: token states, pooled here, or vectors that the model pooled itself.
//!
//! Invariant: an output is checked against the shape that the model's files call for, and for NaN and infinities.

use super::layers::Layers;
use crate::error::{Error, Result};
use crate::pool;
use crate::settings::{Offer, Output, Settings, Wanted, Widths};
use crate::tokenize::Encoding;
use ort::value::{Outlet, TensorElementType};

/// The session's output that holds the vectors.
pub(crate) fn choose(outlets: &[Outlet], settings: &Settings) -> Result<Output> {
    let wanted = Wanted {
        output: settings.output.as_deref(),
        by_the_model: settings.pooling.modes().is_empty(),
        widths: Widths {
            states: Some(settings.width),
            pooled: Some(settings.pooled()),
            finished: Some(settings.full),
        },
    };
    let offers: Vec<Offer> = outlets.iter().map(offer).collect();
    wanted.among(&offers, &settings.model)
}

fn offer(outlet: &Outlet) -> Offer {
    let shape = outlet.dtype().tensor_shape();
    Offer {
        name: outlet.name().to_owned(),
        float: outlet.dtype().tensor_type() == Some(TensorElementType::Float32),
        shape: shape.map(|shape| shape.to_vec()).unwrap_or_default(),
    }
}

impl Output {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_compared_exactly() {
        assert!(check_shape(&[2, 3, 8], 48, vec![2, 3, 8]).is_ok());
        assert!(check_shape(&[2, 8], 16, vec![2, 3, 8]).is_err());
        assert!(check_shape(&[2, 3, -8], 48, vec![2, 3, 8]).is_err());
    }
}
