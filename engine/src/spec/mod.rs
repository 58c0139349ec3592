//! Which index is wanted ([`IndexSpec`]): a kind of index, or `auto`, which picks one by the size of the collection.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::metric::Metric;

mod build;
mod check;
mod display;
mod holds;
mod kind;
mod parse;
#[cfg(feature = "faiss")]
mod same;
mod suggest;

pub use kind::{Codes, Kind, Refine, Scalar, Structure, Transform};

/// `auto` scans every vector up to this many numbers in all (vectors times dimension): exact, and fast enough on one core.
pub const AUTO_EXACT_COMPONENTS: usize = 8_000_000;

/// `auto` keeps whole vectors in the graph up to this many numbers in all, and one byte for each beyond it.
pub const AUTO_WHOLE_COMPONENTS: usize = 1 << 30;

const AUTO_M: usize = 32;

/// A collection with fewer vectors than these is no sample of what is to come: nothing is trained on it.
const MIN_SAMPLE: usize = 256;

/// Which index a collection is to have. In configuration a string: `"auto"`, a FAISS factory string, or `"hnsw_rs"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum IndexSpec {
    /// Exact while that is fast enough, then a graph, then a graph over compressed vectors.
    #[default]
    Auto,
    /// This kind, as soon as there are enough vectors to build it from; until then, exact.
    Fixed(Kind),
}

impl IndexSpec {
    /// Reads `"auto"`, a factory string such as `Flat`, `HNSW32`, `IVF1024,PQ16x4fs,RFlat`, or `hnsw_rs`.
    ///
    /// # Errors
    /// [`Error::BadSpec`] for anything else, with the nearest that works.
    pub fn parse(given: &str) -> Result<Self> {
        if given == "auto" {
            Ok(Self::Auto)
        } else {
            given.parse().map(Self::Fixed)
        }
    }

    /// Whether such an index can be made for vectors of this dimension and metric.
    ///
    /// # Errors
    /// [`Error::BadSpec`] with the reason and the nearest that works.
    pub fn check(&self, dimension: usize, metric: Metric) -> Result<()> {
        match self {
            Self::Auto => Ok(()),
            Self::Fixed(kind) => kind.check(dimension, metric),
        }
    }

    /// The kind that an index of `n` vectors has. One with too few vectors to be built from is exact.
    #[must_use]
    pub fn kind_for(&self, n: usize, dimension: usize) -> Kind {
        match self {
            Self::Auto => auto_kind(n.saturating_mul(dimension)),
            Self::Fixed(kind) if n >= self.min_vectors(dimension) => kind.clone(),
            Self::Fixed(_) => Kind::flat(),
        }
    }

    /// With how many vectors of this dimension an index begins to have the kind that was asked for.
    #[must_use]
    pub fn min_vectors(&self, dimension: usize) -> usize {
        match self {
            Self::Fixed(kind) if kind.trains() => kind.min_vectors(dimension).max(MIN_SAMPLE),
            Self::Fixed(kind) => kind.min_vectors(dimension),
            Self::Auto => 0,
        }
    }
}

fn auto_kind(components: usize) -> Kind {
    if components <= AUTO_EXACT_COMPONENTS {
        Kind::flat()
    } else if !Kind::hnsw(AUTO_M).is_built_in() {
        Kind::hnsw_rs_default()
    } else if components <= AUTO_WHOLE_COMPONENTS {
        Kind::hnsw(AUTO_M)
    } else {
        Kind::hnsw(AUTO_M).sq8()
    }
}

impl fmt::Display for IndexSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Fixed(kind) => kind.fmt(f),
        }
    }
}

impl From<Kind> for IndexSpec {
    fn from(kind: Kind) -> Self {
        Self::Fixed(kind)
    }
}

impl From<IndexSpec> for String {
    fn from(spec: IndexSpec) -> Self {
        spec.to_string()
    }
}

impl TryFrom<String> for IndexSpec {
    type Error = Error;

    fn try_from(given: String) -> Result<Self> {
        Self::parse(&given)
    }
}

impl FromStr for IndexSpec {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self> {
        Self::parse(given)
    }
}
