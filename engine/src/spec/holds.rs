//! What vectors a kind can hold. Half precision ends at 65,504: a component beyond it would be kept as infinity, whose
//! distances are no numbers, and the vector would never be found.

use super::kind::{Codes, Kind, Refine, Scalar, Structure, Transform};
use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::vectors;

/// The largest number of half precision.
const HALF_MAX: f32 = 65_504.0;

/// What a kind takes at most.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    None,
    /// Of each component's magnitude.
    Component(f32),
    /// Of a vector's length: a rotation may gather all of it in one component.
    Length(f32),
}

impl Kind {
    /// Whether an index of this kind, dimension and metric takes these vectors (row-major), as
    /// [`Index::add`](crate::Index::add) and [`Index::train`](crate::Index::train) ask first.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`], [`Error::RaggedVectors`], [`Error::NotFinite`], [`Error::NormTooLarge`],
    /// [`Error::Negative`], [`Error::ComponentTooLarge`].
    pub fn check_vectors(&self, vectors: &[f32], dimension: usize, metric: Metric) -> Result<()> {
        vectors::check(vectors, dimension, metric)?;
        self.check_held(vectors, dimension, metric)
    }

    /// The part of [`Kind::check_vectors`] that depends on the kind.
    pub(crate) fn check_held(
        &self,
        vectors: &[f32],
        dimension: usize,
        metric: Metric,
    ) -> Result<()> {
        if metric == Metric::Cosine {
            return Ok(()); // they are kept at length 1
        }
        match self.bound() {
            Bound::None => Ok(()),
            Bound::Length(maximum) => vectors::check_norms(vectors, dimension, maximum),
            Bound::Component(maximum) => {
                let place = vectors.iter().position(|x| x.abs() > maximum);
                place.map_or(Ok(()), |place| {
                    Err(Error::ComponentTooLarge {
                        row: place / dimension,
                        component: place % dimension,
                        maximum,
                        kind: self.clone(),
                    })
                })
            }
        }
    }

    fn bound(&self) -> Bound {
        if self.refine == Some(Refine::Scalar(Scalar::Fp16)) {
            return Bound::Component(HALF_MAX);
        }
        if self.codes != Codes::Scalar(Scalar::Fp16) {
            return Bound::None;
        }
        // Lists keep the difference to their centroid, and PCA that to the mean: each up to twice as large.
        let mut maximum = match self.structure {
            Structure::Ivf { .. } => HALF_MAX / 2.0,
            _ => HALF_MAX,
        };
        let mut rotated = false;
        for transform in &self.transforms {
            match transform {
                // Of length or variance 1 from here on.
                Transform::L2norm | Transform::Itq { .. } | Transform::Pca { whiten: true, .. } => {
                    return Bound::None;
                }
                Transform::Pca { .. } => (maximum, rotated) = (maximum / 2.0, true),
                Transform::Opq { .. } | Transform::RandomRotation { .. } => rotated = true,
                Transform::Pad { .. } => {}
            }
        }
        if rotated {
            Bound::Length(maximum)
        } else {
            Bound::Component(maximum)
        }
    }
}
