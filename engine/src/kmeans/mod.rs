//! k-means: Lloyd's algorithm, whose iterations are FAISS's, or our own without it. Here is decided what points take part, where they start
//! ([`start`]), which run is the best, what number of clusters fits ([`choose`]), and which cluster each point belongs to.
//! The same points, options and machine give the same clusters, on any number of threads.

mod centroids;
mod choose;
mod options;
mod start;

use std::borrow::Cow;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

pub use centroids::{Centroids, Nearest};
pub use choose::{Choice, Score, choose_k};
pub use options::{KmeansOptions, Start, default_sample};

#[cfg(feature = "faiss")]
use crate::backend::faiss::kmeans as iterate;
#[cfg(not(feature = "faiss"))]
use crate::backend::lloyd::kmeans as iterate;
use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::progress::{Progress, Stage, Watch, report};
use crate::threads::with_threads;
use crate::vectors;

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
    /// The sum of the sample's distances at each iteration of the best run; it falls, or rises when spherical. One 0 when k
    /// is the number of vectors looked at, where each is its own centroid.
    pub objective: Vec<f32>,
    /// How many vectors the iterations looked at.
    pub sampled: usize,
    /// What was asked for.
    pub options: KmeansOptions,
}

/// Groups vectors (row-major) around k centroids. The iterations look at a sample of [`KmeansOptions::sample`] vectors; all
/// vectors are then assigned to the nearest centroid, exactly. `watch` hears of each iteration; [`crate::unwatched`] is
/// one that does nothing.
///
/// ```
/// use vinedb_engine::{KmeansOptions, kmeans, unwatched};
///
/// let points = [0.0, 0.0, 0.0, 1.0, 9.0, 9.0, 9.0, 8.0];
/// let clustering = kmeans(&points, 2, 2, &KmeansOptions::default(), &unwatched)?;
/// assert_eq!(clustering.sizes, [2, 2]);
/// assert_eq!(clustering.assignments[0], clustering.assignments[1]);
/// assert_eq!(clustering.distances, [0.25; 4]);
/// # Ok::<(), vinedb_engine::Error>(())
/// ```
///
/// # Errors
/// [`Error::ParameterRange`] for a k of 0 or above the number of vectors looked at, and for options out of range;
/// [`Error::Cancelled`] when `watch` says so; about the vectors what [`crate::Index::add`] says.
pub fn kmeans(
    points: &[f32],
    dimension: usize,
    k: usize,
    options: &KmeansOptions,
    watch: Watch<'_>,
) -> Result<Clustering> {
    let centroids = Centroids::train(points, dimension, k, options, watch)?;
    let nearest = centroids.assign(points)?;
    let mut sizes = vec![0; k];
    for near in &nearest {
        sizes[near.cluster as usize] += 1;
    }
    Ok(Clustering {
        dimension,
        assignments: nearest.iter().map(|near| near.cluster).collect(),
        distances: nearest.iter().map(|near| near.distance).collect(),
        sizes,
        sampled: centroids.sampled,
        options: *options,
        centroids: centroids.vectors,
        objective: centroids.objective,
    })
}

/// The rows chosen; nothing is copied where that is all of them.
fn chosen<'a>(points: &'a [f32], dimension: usize, rows: &[usize]) -> Cow<'a, [f32]> {
    if rows.len() * dimension == points.len() {
        return Cow::Borrowed(points);
    }
    let row = |&row: &usize| &points[row * dimension..][..dimension];
    Cow::Owned(rows.iter().flat_map(row).copied().collect())
}

/// The error about a row of the sample, as one about the row it was taken from.
fn at_row(error: Error, rows: &[usize]) -> Error {
    match error {
        Error::NotFinite { row, component } => Error::NotFinite {
            row: rows[row],
            component,
        },
        Error::NormTooLarge { row, maximum } => Error::NormTooLarge {
            row: rows[row],
            maximum,
        },
        other => other,
    }
}

/// The run with the best objective, the first of equals: its centroids and its objective.
fn best_run(
    points: &[f32],
    dimension: usize,
    k: usize,
    options: &KmeansOptions,
    watch: Watch<'_>,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let total = options.iterations * options.redo;
    let mut best: Option<(Vec<f32>, Vec<f32>)> = None;
    for run in 0..options.redo {
        let mut done = run * options.iterations;
        let mut step = || {
            let stage = Stage::Clustering;
            let answer = watch(Progress { stage, done, total });
            done += 1;
            answer
        };
        let mut attempt = || one_run(points, dimension, k, options.of_run(run), &mut step);
        let found = if points.len().saturating_mul(k) < WORTH_THREADS {
            with_threads(1, &mut attempt)
        } else {
            attempt()
        }?;
        let better = |best: &(Vec<f32>, Vec<f32>)| options.is_better(&found.1, &best.1);
        if best.as_ref().is_none_or(better) {
            best = Some(found);
        }
    }
    report(watch, Stage::Clustering, total, total)?;
    Ok(best.unwrap_or_default())
}

/// How the iterations go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KmeansSettings {
    /// Which points the centroids start from where none are given; not negative.
    pub(crate) seed: i32,
    /// None at all leave the centroids where they start.
    pub(crate) iterations: u16,
    /// Inner product decides, and centroids are scaled to length 1.
    pub(crate) spherical: bool,
}

fn one_run(
    points: &[f32],
    dimension: usize,
    k: usize,
    options: KmeansOptions,
    step: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let settings = KmeansSettings {
        seed: fold(options.seed),
        iterations: u16::try_from(options.iterations).unwrap_or(MAX_ITERATIONS),
        spherical: options.spherical,
    };
    let start = match options.start {
        Start::PlusPlus if k <= start::MANY => start::spread(points, dimension, k, options.seed),
        Start::PlusPlus | Start::Random => Vec::new(),
    };
    iterate(points, dimension, k, settings, &start, step)
}

impl KmeansOptions {
    fn metric(&self) -> Metric {
        if self.spherical {
            Metric::Cosine
        } else {
            Metric::L2
        }
    }

    fn check(&self) -> Result<()> {
        in_range("iterations", self.iterations, 1, MAX_ITERATIONS.into())?;
        in_range("redo", self.redo, 1, 100)?;
        in_range("sample", self.sample.unwrap_or(1), 1, usize::MAX)
    }

    /// The points as FAISS is to have them: checked, of length 1 when spherical.
    fn prepare<'a>(&self, points: &'a [f32], dimension: usize) -> Result<Cow<'a, [f32]>> {
        let prepared = vectors::prepare(points, dimension, self.metric())?;
        if !self.spherical {
            vectors::check_norms(&prepared, dimension, longest(points.len() / dimension))?;
        }
        Ok(prepared)
    }

    /// With the seed of a run: those of FAISS's own `nredo`.
    fn of_run(mut self, run: usize) -> Self {
        const BETWEEN_RUNS: u64 = 15_486_557;
        self.seed = self.seed.wrapping_add(BETWEEN_RUNS * run as u64);
        self
    }

    /// Whether one run's objective ended better than another's.
    fn is_better(&self, one: &[f32], other: &[f32]) -> bool {
        match (one.last(), other.last()) {
            (Some(one), Some(other)) if self.spherical => one > other,
            (Some(one), Some(other)) => one < other,
            _ => false,
        }
    }
}

/// How long a point may be for the sum of all squared distances to be a number.
fn longest(count: usize) -> f32 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a bound, with a factor of 2 to spare"
    )]
    let sum_to_square = 8.0 * count as f32;
    (f32::MAX / sum_to_square).sqrt().min(vectors::MAX_NORM)
}

/// Multiplications of an iteration, below which it takes longer to wake threads than to do without.
const WORTH_THREADS: usize = 1 << 22;

/// FAISS counts points with an int.
const MAX_POINTS: usize = i32::MAX as usize;

const MAX_ITERATIONS: u16 = 1000;

/// FAISS takes a seed of 31 bits (and the clock for a negative one). Seeds below 2³¹ stay what they are.
fn fold(seed: u64) -> i32 {
    let bits = (seed ^ (seed >> 31) ^ (seed >> 62)) & 0x7fff_ffff;
    i32::try_from(bits).unwrap_or(0)
}

fn in_range(parameter: &'static str, given: usize, low: usize, high: usize) -> Result<()> {
    if (low..=high).contains(&given) {
        return Ok(());
    }
    Err(Error::ParameterRange {
        parameter,
        given: given.to_string(),
        expected: format!("a number from {low} to {high}"),
    })
}
