//! Pooling and normalization, as pure functions over slices: from token states to one vector per text.
//!
//! As in sentence-transformers' `Pooling` and `Normalize` modules: means include special tokens and exclude padding; weights
//! are positions in the whole text, an excluded prompt included; a vector of length 0 stays 0.

use crate::error::{Error, Result};
use crate::settings::{Pooling, PoolingMode};
use std::ops::Range;

/// The least norm that a vector is divided by, as in PyTorch's `normalize`.
const SMALLEST_NORM: f32 = 1e-12;

/// Pools `states`, rows of `width` values, over the rows in `tokens`, of which there is at least one.
pub(crate) fn pool(
    states: &[f32],
    tokens: Range<usize>,
    width: usize,
    pooling: &Pooling,
) -> Vec<f32> {
    let tokens = Tokens {
        states,
        range: tokens,
        width,
    };
    let parts = pooling.modes().iter().map(|mode| tokens.pool(*mode));
    parts.collect::<Vec<_>>().concat()
}

struct Tokens<'a> {
    states: &'a [f32],
    range: Range<usize>,
    width: usize,
}

impl Tokens<'_> {
    fn pool(&self, mode: PoolingMode) -> Vec<f32> {
        match mode {
            PoolingMode::Cls => self.state(self.range.start).to_vec(),
            PoolingMode::LastToken => self.state(self.range.end - 1).to_vec(),
            PoolingMode::Max => self.max(),
            PoolingMode::Mean => self.mean(|_| 1.0, |count| count),
            PoolingMode::MeanSqrtLen => self.mean(|_| 1.0, f32::sqrt),
            PoolingMode::WeightedMean => self.mean(position, |sum| sum),
        }
    }

    fn state(&self, token: usize) -> &[f32] {
        &self.states[token * self.width..(token + 1) * self.width]
    }

    fn max(&self) -> Vec<f32> {
        let mut largest = self.state(self.range.start).to_vec();
        for token in self.range.clone() {
            let pairs = largest.iter_mut().zip(self.state(token));
            pairs.for_each(|(largest, value)| *largest = largest.max(*value));
        }
        largest
    }

    /// The weighted sum of the states, divided by `divisor` of the sum of the weights.
    fn mean(&self, weight: impl Fn(usize) -> f32, divisor: impl Fn(f32) -> f32) -> Vec<f32> {
        let mut sum = vec![0.0; self.width];
        let mut weights = 0.0;
        for token in self.range.clone() {
            let weight = weight(token);
            weights += weight;
            let pairs = sum.iter_mut().zip(self.state(token));
            pairs.for_each(|(total, value)| *total += weight * value);
        }
        let divisor = divisor(weights);
        sum.iter_mut().for_each(|total| *total /= divisor);
        sum
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a text has far fewer than 2^24 tokens"
)]
fn position(token: usize) -> f32 {
    (token + 1) as f32
}

/// Scales `vector` to length 1.
pub(crate) fn normalize(vector: &mut [f32]) {
    let norm = vector
        .iter()
        .map(|value| value * value)
        .sum::<f32>()
        .sqrt()
        .max(SMALLEST_NORM);
    vector.iter_mut().for_each(|value| *value /= norm);
}

/// Refuses NaN and infinities: an index could not rank them.
pub(crate) fn check_finite(vector: &[f32]) -> Result<()> {
    match vector.iter().position(|value| !value.is_finite()) {
        Some(component) => Err(Error::NotFinite {
            component,
            value: vector[component],
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [f32; 6] = [1.0, 2.0, 3.0, 6.0, 100.0, 100.0];

    fn pooled(tokens: Range<usize>, mode: PoolingMode) -> Vec<f32> {
        pool(&STATES, tokens, 2, &mode.into())
    }

    #[test]
    fn mean_leaves_out_padding() {
        assert_eq!(pooled(0..2, PoolingMode::Mean), [2.0, 4.0]);
        assert_eq!(pooled(0..1, PoolingMode::Mean), [1.0, 2.0]);
    }

    #[test]
    fn each_mode_does_what_its_name_says() {
        let root = 2.0_f32.sqrt();
        assert_eq!(pooled(0..2, PoolingMode::Cls), [1.0, 2.0]);
        assert_eq!(pooled(0..2, PoolingMode::LastToken), [3.0, 6.0]);
        assert_eq!(pooled(0..2, PoolingMode::Max), [3.0, 6.0]);
        assert_eq!(
            pooled(0..2, PoolingMode::MeanSqrtLen),
            [4.0 / root, 8.0 / root]
        );
        assert_eq!(
            pooled(0..2, PoolingMode::WeightedMean),
            [7.0 / 3.0, 14.0 / 3.0]
        );
    }

    #[test]
    fn a_prompt_that_is_left_out_moves_the_beginning_and_no_weight() {
        assert_eq!(pooled(1..2, PoolingMode::Cls), [3.0, 6.0]);
        assert_eq!(pooled(1..3, PoolingMode::Mean), [51.5, 53.0]);
        assert_eq!(
            pooled(1..3, PoolingMode::WeightedMean),
            [306.0 / 5.0, 312.0 / 5.0]
        );
    }

    #[test]
    fn several_modes_are_concatenated() {
        let both = Pooling::of(&[PoolingMode::LastToken, PoolingMode::Mean]);
        assert_eq!(pool(&STATES, 0..2, 2, &both), [3.0, 6.0, 2.0, 4.0]);
    }

    #[test]
    fn normalized_vectors_have_length_one_and_zero_stays() {
        let mut vector = [3.0, 4.0];
        normalize(&mut vector);
        assert_eq!(vector, [0.6, 0.8]);
        let mut zero = [0.0; 3];
        normalize(&mut zero);
        assert_eq!(zero, [0.0; 3]);
    }

    #[test]
    fn infinities_and_nan_are_refused_by_place() {
        assert!(check_finite(&[0.0, -1.0]).is_ok());
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(matches!(
                check_finite(&[0.0, value]),
                Err(Error::NotFinite { component: 1, .. })
            ));
        }
    }
}
