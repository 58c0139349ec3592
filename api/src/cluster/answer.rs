//! What clustering found: the HTTP answer.

use engine::Score;
use serde::{Deserialize, Serialize};
use storage::Key;

use crate::document::Document;
use crate::error::{Error, Result};

/// What clustering found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clusters {
    /// The clusters, largest first: a cluster's number, in labels and filters, is its position here, from 0.
    pub clusters: Vec<Cluster>,
    /// Documents that were clustered. One that is written or deleted meanwhile is not among them.
    pub documents: usize,
    /// Documents that the centroids were learnt from.
    pub sampled: usize,
    /// What k-means makes small, or large when `spherical`: the sum of the sample's distances to their centroids, at each
    /// iteration of the best run.
    pub objective: Vec<f32>,
    /// How often documents were assigned and centroids moved.
    pub iterations: usize,
    /// How often it was started anew.
    pub redo: usize,
    /// Seed of all that is random; the same seed gives the same clusters.
    pub seed: u64,
    /// Whether distances are cosines, where larger is closer, rather than squared Euclidean.
    pub spherical: bool,
    /// Why there are so many clusters, when that was left to the documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// The documents that were asked to be placed on a plane.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub map: Vec<Place>,
}

impl Clusters {
    /// The centroids, row-major.
    pub(super) fn vectors(&self, dimension: usize) -> Result<Vec<f32>> {
        if self.clusters.is_empty() {
            return Err(Error::invalid("clusters", "none", "one at least"));
        }
        let mut vectors = Vec::with_capacity(self.clusters.len() * dimension);
        for (number, cluster) in self.clusters.iter().enumerate() {
            let centroid = &cluster.centroid;
            let field = || format!("the centroid of cluster {number}");
            if centroid.len() != dimension {
                return Err(Error::DimensionMismatch {
                    field: field(),
                    given: centroid.len(),
                    expected: dimension,
                    source_of_dimension: String::new(),
                });
            }
            if let Some(component) = centroid.iter().position(|value| !value.is_finite()) {
                return Err(Error::NotFinite {
                    field: field(),
                    value: centroid[component],
                    component,
                });
            }
            vectors.extend_from_slice(centroid);
        }
        Ok(vectors)
    }
}

/// A document's place on the plane in which the documents differ most, the first two principal components of the sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The document's key.
    pub key: Key,
    /// Its cluster, by its position among the clusters, from 0.
    pub cluster: usize,
    /// Along the direction of the largest spread; the middle of the sample is at 0.
    pub x: f32,
    /// Along the direction of the second largest.
    pub y: f32,
}

/// How the number of clusters came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What a number is judged by.
    pub criterion: Criterion,
    /// Every number that was tried, ascending; the best score won.
    pub scores: Vec<Score>,
    /// Documents that were looked at for this.
    pub sampled: usize,
}

/// What a number of clusters is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// The mean of (b - a) / max(a, b), a being a document's distance to its own centroid and b to the next: from -1 to 1,
    /// larger where clusters lie apart (Hruschka, de Castro and Campello, ICDM 2004).
    SimplifiedSilhouette,
}

/// One cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// A name by which filters know it once it is saved: made of its words, or set by the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Documents in it.
    pub size: usize,
    /// Its share of all documents, from 0 to 1.
    pub share: f32,
    /// The words that tell it from the other clusters, the most telling first; none where documents have no text.
    pub words: Vec<String>,
    /// The documents nearest to its centroid, nearest first.
    pub nearest: Vec<Member>,
    /// Its centre; of length 1 when spherical.
    pub centroid: Vec<f32>,
}

/// A document of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The document's key.
    pub key: Key,
    /// Its distance to the centroid: squared Euclidean, or the cosine when spherical.
    pub distance: f32,
    /// The document.
    pub document: Document,
}
