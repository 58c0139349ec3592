//! Lloyd's iterations (IEEE Transactions on Information Theory 28, 1982) in Rust alone, where FAISS is not built in: what
//! `ffi::kmeans` does there. A cluster that comes out empty gets half of the largest. Points are assigned in blocks of one
//! size and added up in their order, so the answer does not depend on the number of threads.

use std::ops::ControlFlow;

use crate::backend::flat::Exact;
use crate::backend::scan::Rows;
use crate::error::{Error, Result};
use crate::ids::{Hit, Select};
use crate::kmeans::KmeansSettings;
use crate::metric::Metric;
use crate::sample::sample_rows;
use crate::threads::pool;
use crate::vectors;

/// Lloyd's iterations over the points, finite and of this dimension, 1 <= k <= points: the centroids and the objective
/// before each of their moves. They start from `start` (k × dimension), or from random points where that is empty. `step`
/// is called before each iteration, and ends the work with [`Error::Cancelled`].
pub(crate) fn kmeans(
    points: &[f32],
    dimension: usize,
    k: usize,
    settings: KmeansSettings,
    start: &[f32],
    step: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let count = vectors::count(points, dimension)?;
    if count == k {
        // Each is its own centroid, and nothing moves.
        return Ok((points.to_vec(), vec![0.0]));
    }
    let mut clusters = Clusters {
        dimension,
        spherical: settings.spherical,
        centroids: if start.is_empty() {
            random_points(points, dimension, k, settings.seed)
        } else {
            start.to_vec()
        },
    };
    let mut objective = Vec::new();
    for _ in 0..settings.iterations {
        if step().is_break() {
            return Err(Error::Cancelled);
        }
        let nearest = clusters.nearest(points)?;
        objective.push(nearest.iter().map(|hit| hit.distance).sum());
        clusters.move_to(points, &nearest)?;
    }
    Ok((clusters.centroids, objective))
}

fn random_points(points: &[f32], dimension: usize, k: usize, seed: i32) -> Vec<f32> {
    let rows = sample_rows(points.len() / dimension, k, u64::from(seed.unsigned_abs()));
    let point = |row: usize| points[row * dimension..][..dimension].iter().copied();
    rows.into_iter().flat_map(point).collect()
}

struct Clusters {
    dimension: usize,
    spherical: bool,
    /// Row-major.
    centroids: Vec<f32>,
}

impl Clusters {
    /// The nearest centroid of each point: its number and its distance.
    fn nearest(&self, points: &[f32]) -> Result<Vec<Hit>> {
        const BLOCK: usize = 1024;
        let metric = if self.spherical {
            Metric::InnerProduct
        } else {
            Metric::L2
        };
        let mut rows = Exact::new(self.dimension, metric);
        let numbers: Vec<i64> = (0..).take(self.centroids.len() / self.dimension).collect();
        rows.add(&numbers, &self.centroids);
        let scan = rows.scan(Select::All);
        let found = pool::in_chunks(points, self.dimension, BLOCK, |block| {
            Ok(scan.nearest(&rows, block, 1))
        })?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Moves the centroids to the middles of their points.
    fn move_to(&mut self, points: &[f32], nearest: &[Hit]) -> Result<()> {
        let mut sums = vec![0.0_f64; self.centroids.len()];
        let mut sizes = vec![0_usize; self.centroids.len() / self.dimension];
        for (point, hit) in points.chunks_exact(self.dimension).zip(nearest) {
            let cluster = usize::try_from(hit.id).unwrap_or(0);
            sizes[cluster] += 1;
            let sum = &mut sums[cluster * self.dimension..][..self.dimension];
            for (sum, &x) in sum.iter_mut().zip(point) {
                *sum += f64::from(x);
            }
        }
        let middles = self.centroids.chunks_exact_mut(self.dimension);
        for ((middle, sum), &size) in middles.zip(sums.chunks_exact(self.dimension)).zip(&sizes) {
            for (x, &sum) in middle.iter_mut().zip(sum).filter(|_| size > 0) {
                *x = mean(sum, size);
            }
        }
        self.fill(&mut sizes);
        if self.spherical {
            self.centroids = vectors::normalized(&self.centroids, self.dimension)?;
        }
        Ok(())
    }

    /// Gives each empty cluster half of the largest: two centroids a little to either side of where the one was.
    fn fill(&mut self, sizes: &mut [usize]) {
        const ASIDE: f32 = 1.0 / 1024.0;
        for empty in 0..sizes.len() {
            let largest = (0..sizes.len()).rev().max_by_key(|&cluster| sizes[cluster]);
            let Some(largest) = largest.filter(|_| sizes[empty] == 0) else {
                continue;
            };
            for place in 0..self.dimension {
                let aside = if place.is_multiple_of(2) {
                    ASIDE
                } else {
                    -ASIDE
                };
                let x = self.centroids[largest * self.dimension + place];
                self.centroids[largest * self.dimension + place] = x * (1.0 - aside);
                self.centroids[empty * self.dimension + place] = x * (1.0 + aside);
            }
            sizes[empty] = sizes[largest] / 2;
            sizes[largest] -= sizes[empty];
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "rounding to the precision that vectors have"
)]
fn mean(sum: f64, count: usize) -> f32 {
    (sum / count as f64) as f32
}
