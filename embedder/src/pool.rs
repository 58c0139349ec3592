//! From token states to one vector per text: mean or first token, then length 1. Pure functions over slices.
//!
//! As in sentence-transformers' `Pooling` and `Normalize` modules: the mean counts special tokens and leaves out padding;
//! a vector of length 0 stays 0.

use crate::error::{Error, Result};
use crate::identity::Pooling;

/// The smallest length that a vector is divided by, as in PyTorch's `normalize`.
const SMALLEST_NORM: f32 = 1e-12;

/// The vector of a text whose token states are `states`: `tokens` or more rows of `dimension` values, padding last.
/// `tokens` is at least 1.
pub(crate) fn pool(states: &[f32], tokens: usize, dimension: usize, pooling: Pooling) -> Vec<f32> {
    match pooling {
        Pooling::Cls => states[..dimension].to_vec(),
        Pooling::Mean => mean(&states[..tokens * dimension], tokens, dimension),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a text has far fewer than 2^24 tokens"
)]
fn mean(states: &[f32], tokens: usize, dimension: usize) -> Vec<f32> {
    let mut sum = vec![0.0; dimension];
    for row in states.chunks_exact(dimension) {
        sum.iter_mut()
            .zip(row)
            .for_each(|(total, value)| *total += value);
    }
    sum.iter_mut().for_each(|total| *total /= tokens as f32);
    sum
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

    #[test]
    fn mean_leaves_out_padding() {
        assert_eq!(pool(&STATES, 2, 2, Pooling::Mean), [2.0, 4.0]);
        assert_eq!(pool(&STATES, 1, 2, Pooling::Mean), [1.0, 2.0]);
    }

    #[test]
    fn cls_takes_the_first_token() {
        assert_eq!(pool(&STATES, 2, 2, Pooling::Cls), [1.0, 2.0]);
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
