//! k-means++: points to start from that lie apart. Random ones often fall twice into one group and never into another, and
//! Lloyd's iterations do not get over that.

use crate::sample::{Random, sample_rows};

/// More clusters than this start at random.
pub(super) const MANY: usize = 256;

/// Points that one is drawn from, per cluster and at least.
const CANDIDATES: usize = 64;
const FEWEST_CANDIDATES: usize = 4096;

/// k of the points, drawn one after another with a probability that grows with the squared distance to the nearest one
/// drawn before; at random where all candidates are drawn or equal to one that is.
pub(super) fn spread(points: &[f32], dimension: usize, k: usize, seed: u64) -> Vec<f32> {
    let most = k.saturating_mul(CANDIDATES).max(FEWEST_CANDIDATES);
    let rows = sample_rows(points.len() / dimension, most, seed);
    let point = |place: usize| &points[rows[place] * dimension..][..dimension];
    let mut random = Random::new(!seed);
    let mut away = vec![f32::INFINITY; rows.len()];
    let mut drawn = Vec::with_capacity(k * dimension);
    let mut next = random.below(rows.len());
    for _ in 0..k {
        let center = point(next);
        drawn.extend_from_slice(center);
        for (place, away) in away.iter_mut().enumerate() {
            *away = away.min(squared_distance(center, point(place)));
        }
        next = draw(&away, &mut random);
    }
    drawn
}

/// A place, as likely as its weight is of all weights.
fn draw(weights: &[f32], random: &mut Random) -> usize {
    let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
    if total <= 0.0 {
        return random.below(weights.len());
    }
    let mut left = random.share() * total;
    let chosen = weights.iter().position(|&weight| {
        left -= f64::from(weight);
        left < 0.0
    });
    // Rounding may leave a little at the end: then it is the last that has a weight.
    chosen
        .or_else(|| weights.iter().rposition(|&weight| weight > 0.0))
        .unwrap_or(0)
}

/// Eight sums side by side, which the compiler makes vector instructions of.
fn squared_distance(one: &[f32], other: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (ones, others) = (one.chunks_exact(8), other.chunks_exact(8));
    let rest = ones.remainder().iter().zip(others.remainder());
    let rest: f32 = rest.map(|(x, y)| (x - y) * (x - y)).sum();
    for (one, other) in ones.zip(others) {
        for (sum, (x, y)) in sums.iter_mut().zip(one.iter().zip(other)) {
            *sum += (x - y) * (x - y);
        }
    }
    sums.iter().sum::<f32>() + rest
}
