//! How many clusters there are: the number whose clusters lie furthest apart for their width, by the simplified silhouette
//! over a sample. Numbers are tried along a ladder, then between the best and its neighbours, as in a bisection.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Centroids, KmeansOptions, in_range};
use crate::error::Result;
use crate::ids::Hit;
use crate::progress::{Stage, Watch, report};
use crate::sample::sample_rows;
use crate::vectors;

/// The numbers tried first.
const LADDER: [usize; 11] = [2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];
/// Numbers tried between the best and its neighbours, at most: two of each halving of the widest gap.
const BETWEEN: usize = 8;
/// Vectors that are looked at.
const SAMPLE: usize = 4096;
/// Runs of each number: one bad start would tell against a number.
const RUNS: usize = 3;
const ITERATIONS: usize = 15;

/// A number of clusters, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The number with the best score; 1 where none is above 0, or where there are fewer than four vectors.
    pub k: usize,
    /// Every number tried, ascending.
    pub scores: Vec<Score>,
    /// How many vectors were looked at.
    pub sampled: usize,
}

/// How well a number of clusters fits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The number of clusters.
    pub k: usize,
    /// Its simplified silhouette, from -1 to 1.
    pub score: f32,
}

/// The number of clusters that fits the vectors (row-major) best, from 1 to the square root of how many there are and to 64.
///
/// The criterion is the simplified silhouette (Hruschka, de Castro and Campello, "Evolutionary algorithms for clustering
/// gene-expression data", ICDM 2004): the mean of (b - a) / max(a, b), a being a vector's distance to its own centroid and b
/// to the next one; Euclidean, between vectors of length 1 when spherical. Of equal scores the smaller number wins.
///
/// ```
/// use vinedb_engine::{KmeansOptions, choose_k, unwatched};
///
/// let points: Vec<f32> = (0..90_u8).map(|row| f32::from(row % 3) * 10.0 + f32::from(row) / 90.0).collect();
/// assert_eq!(choose_k(&points, 1, &KmeansOptions::default(), &unwatched)?.k, 3);
/// # Ok::<(), vinedb_engine::Error>(())
/// ```
///
/// # Errors
/// As [`super::kmeans`].
pub fn choose_k(
    points: &[f32],
    dimension: usize,
    options: &KmeansOptions,
    watch: Watch<'_>,
) -> Result<Choice> {
    vectors::check_dimension(dimension)?;
    options.check()?;
    let count = vectors::count(points, dimension)?;
    in_range("the number of vectors", count, 1, usize::MAX)?;
    let rows = sample_rows(
        count,
        SAMPLE.min(options.sample.unwrap_or(SAMPLE)),
        options.seed,
    );
    let sample = super::chosen(points, dimension, &rows);
    let mut trial = Trial {
        sample: &sample,
        dimension,
        options: KmeansOptions {
            iterations: options.iterations.min(ITERATIONS),
            redo: options.redo.max(RUNS),
            sample: None,
            ..*options
        },
        scores: BTreeMap::new(),
        watch,
    };
    trial
        .climb(count.isqrt())
        .map_err(|error| super::at_row(error, &rows))?;
    Ok(Choice {
        k: trial.best().map_or(1, |best| best.k),
        scores: trial.all().collect(),
        sampled: rows.len(),
    })
}

struct Trial<'a> {
    sample: &'a [f32],
    dimension: usize,
    options: KmeansOptions,
    scores: BTreeMap<usize, f32>,
    watch: Watch<'a>,
}

impl Trial<'_> {
    /// Tries numbers up to `most`.
    fn climb(&mut self, most: usize) -> Result<()> {
        let ladder = LADDER.into_iter().filter(|&k| k <= most);
        let total = ladder.clone().count() + BETWEEN;
        for k in ladder {
            self.attempt(k, total)?;
        }
        loop {
            let between = self.between();
            if between.is_empty() {
                break;
            }
            for k in between {
                self.attempt(k, total)?;
            }
        }
        report(self.watch, Stage::Choosing, total, total)
    }

    fn attempt(&mut self, k: usize, total: usize) -> Result<()> {
        let done = self.scores.len();
        let stage = Stage::Choosing;
        let watch = self.watch;
        let each = move |_| watch(crate::Progress { stage, done, total });
        let centroids = Centroids::train(self.sample, self.dimension, k, &self.options, &each)?;
        let score = silhouette(&centroids, self.sample, self.options.spherical)?;
        self.scores.insert(k, score);
        Ok(())
    }

    fn all(&self) -> impl DoubleEndedIterator<Item = Score> {
        self.scores.iter().map(|(&k, &score)| Score { k, score })
    }

    /// The best above 0, the smallest of equals.
    fn best(&self) -> Option<Score> {
        self.all()
            .rev()
            .filter(|tried| tried.score > 0.0)
            .max_by(|one, other| one.score.total_cmp(&other.score))
    }

    /// The middles between the best and the numbers tried next to it, which were not tried yet.
    fn between(&self) -> Vec<usize> {
        let Some(Score { k, .. }) = self.best() else {
            return Vec::new();
        };
        let below = self.scores.range(..k).next_back();
        let above = self.scores.range(k + 1..).next();
        let middles = [below, above].into_iter().flatten();
        middles
            .map(|(other, _)| usize::midpoint(k, *other))
            .filter(|middle| !self.scores.contains_key(middle))
            .collect()
    }
}

/// The mean over all points; 0 where a cluster is empty, which is what equal points make of more clusters than there are
/// different points.
fn silhouette(centroids: &Centroids, points: &[f32], spherical: bool) -> Result<f32> {
    let two = centroids.closest(points, 2)?;
    let used: HashSet<i64> = two
        .iter()
        .flat_map(|hits| hits.first())
        .map(|hit| hit.id)
        .collect();
    if used.len() < centroids.len() {
        return Ok(0.0);
    }
    let sum: f64 = two.iter().map(|hits| width(hits, spherical)).sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a mean of numbers up to 1"
    )]
    let mean = (sum / two.len().max(1) as f64) as f32;
    Ok(mean)
}

/// 0 for a point that is as near to another centroid as to its own.
fn width(hits: &[Hit], spherical: bool) -> f64 {
    let away = |hit: &Hit| {
        let distance = f64::from(hit.distance);
        // The chord between two vectors of length 1.
        let squared = if spherical {
            2.0 - 2.0 * distance
        } else {
            distance
        };
        squared.max(0.0).sqrt()
    };
    match hits {
        [own, next, ..] if away(next) > 0.0 => (away(next) - away(own)) / away(next),
        _ => 0.0,
    }
}
