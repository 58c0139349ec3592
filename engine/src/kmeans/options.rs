//! What k-means is asked.

use serde::{Deserialize, Serialize};

/// How to cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KmeansOptions {
    /// Decides which points the centroids start from and which are the sample.
    pub seed: u64,
    /// How often points are assigned and centroids moved, 1 to 1,000. Default 25.
    pub iterations: usize,
    /// Cluster by angle: vectors and centroids have length 1 and the inner product decides (Dhillon and Modha,
    /// Machine Learning 42, 2001). Default false: squared Euclidean distance.
    pub spherical: bool,
    /// How often to start anew, 1 to 100; the run with the best objective is kept. Default 1.
    pub redo: usize,
    /// Where the centroids start. Default: spread by k-means++.
    pub start: Start,
    /// How many points the iterations look at, at most. Default: [`default_sample`].
    pub sample: Option<usize>,
}

/// Where centroids start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// At points that lie apart: each is drawn with a probability that grows with the square of its distance to those
    /// drawn before (Arthur and Vassilvitskii, "k-means++", SODA 2007), from at most 64 candidates per cluster. Above 256
    /// clusters as [`Start::Random`]: it would cost more than the iterations, and matters less.
    #[default]
    PlusPlus,
    /// At random points, as FAISS has it.
    Random,
}

impl Default for KmeansOptions {
    fn default() -> Self {
        Self {
            seed: 1234,
            iterations: 25,
            spherical: false,
            redo: 1,
            start: Start::default(),
            sample: None,
        }
    }
}

/// How many points k-means looks at when nothing else is said: 256 for each of k clusters, which is FAISS's own bound, and
/// 65,536 at least.
#[must_use]
pub fn default_sample(k: usize) -> usize {
    const PER_CLUSTER: usize = 256;
    const ENOUGH: usize = 65_536;
    k.saturating_mul(PER_CLUSTER).max(ENOUGH)
}
