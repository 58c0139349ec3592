//! k-means (Lloyd's algorithm, as FAISS's `Clustering` has it: random points to start from, empty clusters filled by
//! splitting large ones). The same points, options and machine give the same clusters.

use serde::{Deserialize, Serialize};

use crate::ffi::{self, KmeansSettings};
use crate::{Error, Metric, Result, vectors};

/// How to cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KmeansOptions {
    /// Which points the centroids start from.
    pub seed: u64,
    /// How often points are assigned and centroids moved, 1 to 1,000. Default 25.
    pub iterations: usize,
    /// Cluster by angle: vectors and centroids have length 1 and the inner product decides (Dhillon and Modha,
    /// Machine Learning 42, 2001). Default false: squared Euclidean distance.
    pub spherical: bool,
    /// How often to start anew, 1 to 100; the best run is kept. Default 1.
    pub redo: usize,
}

impl Default for KmeansOptions {
    fn default() -> Self {
        Self {
            seed: 1234,
            iterations: 25,
            spherical: false,
            redo: 1,
        }
    }
}

/// Vectors in groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clustering {
    /// How many numbers a centroid has.
    pub dimension: usize,
    /// The centroids, row-major; of length 1 when spherical.
    pub centroids: Vec<f32>,
    /// The cluster of each vector.
    pub assignments: Vec<u32>,
    /// The distance of each vector to its centroid: squared Euclidean, or the cosine when spherical.
    pub distances: Vec<f32>,
    /// How many vectors each cluster has.
    pub sizes: Vec<usize>,
    /// The sum of distances at each iteration; it falls, or rises when spherical. One 0 when k is the number of vectors,
    /// where each is its own centroid.
    pub objective: Vec<f32>,
}

/// Groups vectors (row-major) around k centroids; all of them take part.
///
/// ```
/// use vinedb_engine::{KmeansOptions, kmeans};
///
/// let points = [0.0, 0.0, 0.0, 1.0, 9.0, 9.0, 9.0, 8.0];
/// let clustering = kmeans(&points, 2, 2, &KmeansOptions::default())?;
/// assert_eq!(clustering.sizes, [2, 2]);
/// assert_eq!(clustering.assignments[0], clustering.assignments[1]);
/// assert_eq!(clustering.distances, [0.25; 4]);
/// # Ok::<(), vinedb_engine::Error>(())
/// ```
///
/// # Errors
/// [`Error::ParameterRange`] for a k of 0 or above the number of vectors, and for options out of range; about the
/// vectors what [`crate::Index::add`] says.
pub fn kmeans(
    points: &[f32],
    dimension: usize,
    k: usize,
    options: &KmeansOptions,
) -> Result<Clustering> {
    vectors::check_dimension(dimension)?;
    let settings = settings(options)?;
    let metric = if options.spherical {
        Metric::Cosine
    } else {
        Metric::L2
    };
    let points = vectors::prepare(points, dimension, metric)?;
    let count = points.len() / dimension;
    in_range("k", k, 1, count.min(MAX_POINTS))?;
    in_range("the number of vectors", count, k, MAX_POINTS)?;
    if !options.spherical {
        vectors::check_norms(&points, dimension, longest(count))?;
    }
    let (centroids, objective, assignments, distances) =
        ffi::kmeans(&points, dimension, k, settings)?;
    let assignments: Vec<u32> = assignments
        .into_iter()
        .map(|cluster| u32::try_from(cluster).unwrap_or(0))
        .collect();
    let mut sizes = vec![0; k];
    for &cluster in &assignments {
        sizes[cluster as usize] += 1;
    }
    Ok(Clustering {
        dimension,
        centroids,
        assignments,
        distances,
        sizes,
        objective,
    })
}

/// How long a point may be for the sum of all squared distances to be a number: FAISS keeps no run whose sum is none.
fn longest(count: usize) -> f32 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a bound, with a factor of 2 to spare"
    )]
    let sum_to_square = 8.0 * count as f32;
    (f32::MAX / sum_to_square).sqrt().min(vectors::MAX_NORM)
}

/// FAISS counts points with an int.
const MAX_POINTS: usize = i32::MAX as usize;

fn settings(options: &KmeansOptions) -> Result<KmeansSettings> {
    Ok(KmeansSettings {
        seed: fold(options.seed),
        iterations: in_range("iterations", options.iterations, 1, 1000)?,
        redo: in_range("redo", options.redo, 1, 100)?,
        spherical: options.spherical,
    })
}

/// FAISS takes a seed of 31 bits (and the clock for a negative one). Seeds below 2³¹ stay what they are.
fn fold(seed: u64) -> i32 {
    let bits = (seed ^ (seed >> 31) ^ (seed >> 62)) & 0x7fff_ffff;
    i32::try_from(bits).unwrap_or(0)
}

fn in_range(parameter: &'static str, given: usize, low: usize, high: usize) -> Result<i32> {
    let refused = || Error::ParameterRange {
        parameter,
        given: given.to_string(),
        expected: format!("a number from {low} to {high}"),
    };
    if !(low..=high).contains(&given) {
        return Err(refused());
    }
    i32::try_from(given).map_err(|_| refused())
}
