//! How what FAISS reports is read as a distance of the metric. They differ for cosine on the kinds that know L2 alone.

use crate::metric::Metric;
use crate::spec::{Codes, Kind, Refine};

/// What FAISS reports, and so what to make of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Reading {
    /// The metric's own distances.
    Direct,
    /// Whole vectors of length 1, found by L2 and measured by inner product: the metric's own, for the zero vector too.
    Products,
    /// Squared L2 between vectors of length 1, as far as their codes tell: cosine is 1 - d / 2.
    SquaredL2,
    /// How many of this many hyperplanes part two vectors: an angle of pi times the share (Charikar, STOC 2002).
    Hamming(usize),
}

impl Reading {
    pub(crate) fn of(kind: &Kind, metric: Metric, dimension: usize) -> Self {
        if metric != Metric::Cosine || kind.native_metric(metric) != Metric::L2 {
            return Self::Direct;
        }
        match (kind.refine, kind.codes) {
            _ if kind.is_lossless() => Self::Products,
            (None, Codes::Lsh { bits, .. }) => {
                Self::Hamming(bits.unwrap_or_else(|| kind.inner_dimension(dimension)))
            }
            (None | Some(Refine::Flat | Refine::Scalar(_)), _) => Self::SquaredL2,
        }
    }

    /// Whether FAISS's whole vectors are to be measured by inner product.
    pub(crate) fn products(self) -> bool {
        self == Self::Products
    }

    /// The distance of the metric.
    pub(crate) fn distance(self, reported: f32) -> f32 {
        match self {
            Self::Direct | Self::Products => reported,
            Self::SquaredL2 => 1.0 - reported / 2.0,
            Self::Hamming(bits) => cosine(reported, bits),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a cosine, in the precision that distances have"
)]
fn cosine(parted: f32, bits: usize) -> f32 {
    (std::f64::consts::PI * f64::from(parted) / bits as f64).cos() as f32
}
