//! The centroids of a clustering, ready to assign vectors to.
//!
//! Invariant: the same vector has the same nearest centroid whenever it is asked for, so a document's label depends on its vector
//! alone.

use engine::{Index, Kind, Metric, SearchParams, Select};
use storage::Label;

use crate::error::{Error, Result};

/// Row-major vectors, by the numbers of their clusters.
pub(crate) struct Centroids {
    index: Index,
    spherical: bool,
}

impl Centroids {
    /// Of these row-major vectors; `spherical` ones are compared by the cosine.
    pub(crate) fn new(vectors: &[f32], dimension: usize, spherical: bool) -> Result<Self> {
        let metric = if spherical {
            Metric::Cosine
        } else {
            Metric::L2
        };
        let mut index = Index::new(dimension, metric, &Kind::flat())?;
        let numbers: Vec<i64> = (0..).take(vectors.len() / dimension).collect();
        index.add(&numbers, vectors)?;
        Ok(Self { index, spherical })
    }

    /// As [`Centroids::to_bytes`] wrote them.
    pub(crate) fn from_bytes(bytes: &[u8], dimension: usize, spherical: bool) -> Result<Self> {
        let (numbers, _) = bytes.as_chunks();
        let vectors: Vec<f32> = numbers.iter().map(|x| f32::from_le_bytes(*x)).collect();
        Self::new(&vectors, dimension, spherical)
    }

    /// Little-endian floats.
    pub(crate) fn to_bytes(vectors: &[f32]) -> Vec<u8> {
        vectors.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn is_spherical(&self) -> bool {
        self.spherical
    }

    /// The label of each of these row-major vectors: the nearest centroid, of equally near ones the first.
    pub(crate) fn labels(&self, vectors: &[f32]) -> Result<Vec<Label>> {
        let found = self
            .index
            .search(vectors, 1, &SearchParams::default(), Select::All)?;
        let label = |hits: Vec<engine::Hit>| {
            let hit = hits.first().ok_or_else(|| {
                Error::invalid("clusters", 0, "a clustering with at least one cluster")
            })?;
            Ok(Label {
                cluster: u32::try_from(hit.id).unwrap_or(0),
                distance: hit.distance,
            })
        };
        found.into_iter().map(label).collect()
    }
}
