//! A weight matrix in 8 bits: symmetric, with one scale per column.
//!
//! Invariant: processors without VNNI multiply 8-bit numbers in pairs of neighbouring rows and add the two products in 16
//! bits that saturate (`vpmaddubsw`). No pair here reaches that limit whatever the other factor, an unsigned byte, is, so
//! that a model gives the same vectors on every processor.

/// What two neighbours of equal sign may amount to: 128 · 255 is the largest multiple of 255 below 2¹⁵.
const PAIR: i16 = 128;
/// Scales that are tried per column.
const TRIALS: u8 = 8;

/// A matrix in 8 bits: `weights[row][column] * scales[column]` is nearly what it was.
#[derive(Debug, PartialEq)]
pub(crate) struct Quantized {
    pub(crate) weights: Vec<i8>,
    pub(crate) scales: Vec<f32>,
}

/// Quantizes a matrix of finite values, given row by row.
pub(crate) fn quantize(values: &[f32], columns: usize) -> Quantized {
    let mut quantized = Quantized {
        weights: vec![0; values.len()],
        scales: Vec::with_capacity(columns),
    };
    for column in 0..columns {
        let places = || (column..values.len()).step_by(columns);
        let exact: Vec<f32> = places().map(|place| values[place]).collect();
        let (scale, weights) = best(&exact);
        quantized.scales.push(scale);
        for (place, weight) in places().zip(weights) {
            quantized.weights[place] = weight;
        }
    }
    quantized
}

/// Between the scale at which the largest value fits and the one at which every pair does, the scale with the least
/// squared error, pairs that are too large being cut.
fn best(exact: &[f32]) -> (f32, Vec<i8>) {
    let fits = exact
        .iter()
        .fold(0_f32, |most, value| most.max(value.abs()))
        / 127.0;
    if fits < f32::MIN_POSITIVE {
        return (1.0, vec![0; exact.len()]);
    }
    let safe = largest_pair(exact) / (f32::from(PAIR) - 1.0);
    let width = (safe - fits).max(0.0);
    let trials = if width > 0.0 { TRIALS } else { 0 };
    let candidates = (0..=trials).map(|trial| {
        let scale = fits + width * f32::from(trial) / f32::from(TRIALS);
        let weights = rounded(exact, scale);
        (error(exact, &weights, scale), scale, weights)
    });
    let (_, scale, weights) = candidates
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .expect("there is a first candidate");
    (scale, weights)
}

fn largest_pair(exact: &[f32]) -> f32 {
    let sum = |pair: &[f32]| match *pair {
        [a, b] if (a < 0.0) == (b < 0.0) => (a + b).abs(),
        _ => 0.0,
    };
    exact.chunks(2).map(sum).fold(0.0, f32::max)
}

fn rounded(exact: &[f32], scale: f32) -> Vec<i8> {
    let mut weights: Vec<i8> = exact.iter().map(|value| to_i8(value / scale)).collect();
    for pair in weights.chunks_exact_mut(2) {
        let (a, b) = (i16::from(pair[0]), i16::from(pair[1]));
        let excess = (a + b).abs() - PAIR;
        if (a < 0) == (b < 0) && excess > 0 {
            let first = (excess + 1) / 2;
            pair[0] = toward_zero(a, first);
            pair[1] = toward_zero(b, excess - first);
        }
    }
    weights
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the value lies within ±127, and a cast of floats saturates"
)]
fn to_i8(value: f32) -> i8 {
    value.round_ties_even().clamp(-127.0, 127.0) as i8
}

fn toward_zero(value: i16, by: i16) -> i8 {
    i8::try_from(value - by * value.signum()).expect("it was an i8 and only gets smaller")
}

/// The sum of squares, in 64 bits so that the order of terms hardly matters.
fn error(exact: &[f32], weights: &[i8], scale: f32) -> f64 {
    let off = |(value, &weight): (&f32, &i8)| f64::from(value - f32::from(weight) * scale).powi(2);
    exact.iter().zip(weights).map(off).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_column_that_needs_no_pairs_uses_the_whole_range() {
        let quantized = quantize(&[127.0, 0.5, -20.0, -1.0, 3.0, 0.0], 2);
        assert_eq!(quantized.scales, [1.0, 1.0 / 127.0]);
        assert_eq!(quantized.weights, [127, 64, -20, -127, 3, 0]);
    }

    #[test]
    fn a_column_of_zeros_stays_one() {
        let quantized = quantize(&[0.0, 1.0, -0.0, 1.0], 2);
        assert_eq!(quantized.weights, [0, 64, 0, 64]);
        assert_eq!(quantized.scales[0], 1.0);
    }

    proptest! {
        #[test]
        fn no_pair_saturates_and_every_value_is_near(values in prop::collection::vec(-3_f32..3.0, 1..40)) {
            let Quantized { weights, scales } = quantize(&values, 1);
            for pair in weights.chunks(2) {
                let positive: i32 = pair.iter().map(|&weight| 255 * i32::from(weight.max(0))).sum();
                let negative: i32 = pair.iter().map(|&weight| 255 * i32::from(weight.min(0))).sum();
                prop_assert!(positive <= i32::from(i16::MAX) && negative >= i32::from(i16::MIN));
            }
            let most = values.iter().fold(0_f32, |most, value| most.max(value.abs()));
            let squares: f32 = values.iter().zip(&weights).map(|(value, &weight)| (value - f32::from(weight) * scales[0]).powi(2)).sum();
            // No worse than the safe scale, which is at most twice the largest value over 127 with a step for rounding.
            prop_assert!(squares <= values.len() as f32 * (most / 127.0 * 1.02).powi(2));
        }
    }
}
