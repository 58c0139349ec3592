//! Distances in plain Rust, for what works without FAISS: loops over sixteen sums side by side, which the compiler makes
//! vector instructions of. They are FAISS's definitions (`faiss/utils/extra_distances-inl.h`), to the rounding of sums in
//! single precision. Vectors are as [`crate::vectors`] prepares them; nothing is checked here.

use std::cmp::Ordering;

use crate::metric::Metric;

/// Sums side by side: enough of them that the processor adds without waiting for the sum before.
const LANES: usize = 16;

/// The distance of two vectors of one dimension as FAISS reports it: for similarities larger is closer.
pub(crate) fn between(metric: Metric, one: &[f32], two: &[f32]) -> f32 {
    match metric {
        Metric::L2 => sum(one, two, |x, y| (x - y) * (x - y)),
        Metric::Cosine | Metric::InnerProduct => dot(one, two),
        Metric::L1 => sum(one, two, |x, y| (x - y).abs()),
        Metric::Linf => fold(one, two, |most, x, y| most.max((x - y).abs()), f32::max),
        Metric::Lp(p) => {
            let p = p.get();
            sum(one, two, |x, y| (x - y).abs().powf(p))
        }
        Metric::Canberra => sum(one, two, |x, y| (x - y).abs() / (x.abs() + y.abs())),
        Metric::BrayCurtis => {
            sum(one, two, |x, y| (x - y).abs()) / sum(one, two, |x, y| (x + y).abs())
        }
        Metric::JensenShannon => sum(one, two, |x, y| {
            let middle = 0.5 * (x + y);
            // Never below 0 but for rounding, which would make a point farther from itself than from another.
            0.5 * (x * (x / middle).ln() + y * (y / middle).ln())
        })
        .max(0.0),
    }
}

/// A distance as a number that is ordered: the smaller, the closer, whatever the metric.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Far(pub(crate) f32);

impl Far {
    pub(crate) fn new(metric: Metric, distance: f32) -> Self {
        // From 0, so that a product of −0 is as far as one of 0.
        Self(0.0 - metric.score(distance))
    }

    /// The distance that it was made of.
    pub(crate) fn distance(self, metric: Metric) -> f32 {
        metric.score(0.0 - self.0)
    }
}

impl Ord for Far {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Far {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Far {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Far {}

pub(crate) fn dot(one: &[f32], two: &[f32]) -> f32 {
    sum(one, two, |x, y| x * y)
}

/// Adds up a term of the components of both.
#[inline(always)]
fn sum(one: &[f32], two: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    fold(one, two, |sum, x, y| sum + term(x, y), |one, two| one + two)
}

/// Folds the components of both into sixteen numbers that start at 0, and these into one.
#[inline(always)]
fn fold(
    one: &[f32],
    two: &[f32],
    step: impl Fn(f32, f32, f32) -> f32,
    join: impl Fn(f32, f32) -> f32,
) -> f32 {
    let (ones, one) = one.as_chunks::<LANES>();
    let (twos, two) = two.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for (one, two) in ones.iter().zip(twos) {
        for lane in 0..LANES {
            lanes[lane] = step(lanes[lane], one[lane], two[lane]);
        }
    }
    for (lane, (&x, &y)) in lanes.iter_mut().zip(one.iter().zip(two)) {
        *lane = step(*lane, x, y);
    }
    lanes.into_iter().fold(0.0, join)
}
