//! How near two vectors are. Cosine is inner product over vectors of length 1; [`crate::vectors`] makes them so.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// How the distance between two vectors is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Squared Euclidean distance; smaller is closer.
    L2,
    /// Cosine of the angle, from -1 to 1; larger is closer. A zero vector has 0 to everything.
    Cosine,
    /// Inner product; larger is closer.
    InnerProduct,
}

impl Metric {
    /// The distance as a score, of which the larger is the closer: L2 negated, the others as they are.
    #[must_use]
    pub fn score(self, distance: f32) -> f32 {
        match self {
            Self::L2 => -distance,
            Self::Cosine | Self::InnerProduct => distance,
        }
    }

    /// The metric's name, as in configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::Cosine => "cosine",
            Self::InnerProduct => "inner_product",
        }
    }

    pub(crate) fn native(self) -> faiss::MetricType {
        match self {
            Self::L2 => faiss::MetricType::L2,
            Self::Cosine | Self::InnerProduct => faiss::MetricType::InnerProduct,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self, Error> {
        [Self::L2, Self::Cosine, Self::InnerProduct]
            .into_iter()
            .find(|metric| metric.name() == given)
            .ok_or_else(|| Error::BadMetric {
                given: given.to_owned(),
            })
    }
}
