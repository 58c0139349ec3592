//! What a vector must be before FAISS sees it: the right dimension, finite, short enough that no distance overflows;
//! for cosine, of length 1. FAISS walks off its tables over NaN, so nothing goes around this.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::threads;
use crate::threads::pool::side_by_side;

/// The largest dimension of an index.
pub const MAX_DIMENSION: usize = 65_536;

/// The largest length of a vector (but for cosine, which has none): four times its square is still a number. Less for
/// `lp` with a large p, and for `jensenshannon`.
pub const MAX_NORM: f32 = 1e18;

/// Components that a thread scales at a time; fewer are not worth a second thread.
const SCALED_TOGETHER: usize = 1 << 18;

pub(crate) fn check_dimension(dimension: usize) -> Result<()> {
    if (1..=MAX_DIMENSION).contains(&dimension) {
        return Ok(());
    }
    Err(Error::DimensionRange {
        given: dimension,
        maximum: MAX_DIMENSION,
    })
}

/// The number of vectors in a row-major slice.
pub(crate) fn count(vectors: &[f32], dimension: usize) -> Result<usize> {
    if vectors.len().is_multiple_of(dimension) {
        return Ok(vectors.len() / dimension);
    }
    if vectors.len() < dimension {
        return Err(Error::DimensionMismatch {
            expected: dimension,
            actual: vectors.len(),
        });
    }
    Err(Error::RaggedVectors {
        length: vectors.len(),
        dimension,
    })
}

/// Refuses what [`prepare`] refuses.
pub(crate) fn check(vectors: &[f32], dimension: usize, metric: Metric) -> Result<()> {
    count(vectors, dimension)?;
    if metric == Metric::Cosine {
        let mut rows = vectors.chunks_exact(dimension).enumerate();
        return rows.try_for_each(|(row, vector)| check_finite(row, vector));
    }
    check_norms(vectors, dimension, longest(metric, dimension))?;
    match metric.is_for_nonnegative() {
        true => check_nonnegative(vectors, dimension, metric),
        false => Ok(()),
    }
}

/// Vectors (row-major) as an index of this metric keeps them: checked, and for cosine copied and scaled to length 1. A zero
/// vector stays zero.
///
/// # Errors
/// [`Error::DimensionMismatch`] or [`Error::RaggedVectors`] for a number of floats that is no multiple of the dimension;
/// [`Error::NotFinite`], [`Error::NormTooLarge`] and [`Error::Negative`] for vectors that the metric cannot measure.
pub fn prepare(vectors: &[f32], dimension: usize, metric: Metric) -> Result<Cow<'_, [f32]>> {
    if metric == Metric::Cosine {
        count(vectors, dimension)?;
        return normalized(vectors, dimension).map(Cow::Owned);
    }
    check(vectors, dimension, metric)?;
    match metric {
        Metric::Canberra | Metric::BrayCurtis | Metric::JensenShannon => Ok(Cow::Owned(
            vectors.iter().map(|&x| without_zero(x)).collect(),
        )),
        _ => Ok(Cow::Borrowed(vectors)),
    }
}

/// These metrics divide by components, so that FAISS makes 0/0 NaN, where it should count as 0, and logarithms of denormal
/// quotients infinite (`extra_distances-inl.h`). So components below 1e-30 count as 0, and 0 becomes that number, which is
/// too small to matter.
fn without_zero(x: f32) -> f32 {
    if x.abs() < TINY { TINY } else { x }
}

/// What stands for 0 under the metrics that divide.
const TINY: f32 = 1e-30;

/// A vector read back, as it was given (for cosine, scaled to length 1).
pub(crate) fn restored(vector: &[f32], metric: Metric) -> Vec<f32> {
    match metric {
        Metric::Canberra | Metric::BrayCurtis | Metric::JensenShannon => {
            let with_zero = |&x: &f32| if x == TINY { 0.0 } else { x };
            vector.iter().map(with_zero).collect()
        }
        _ => vector.to_vec(),
    }
}

/// How long a vector may be for every distance to be a number. A component is no longer than its vector, and a difference
/// of two of them no longer than both.
pub(crate) fn longest(metric: Metric, dimension: usize) -> f32 {
    match metric {
        Metric::Lp(p) => {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a bound, with a factor to spare"
            )]
            let sum = f32::MAX / 4.0 / dimension as f32;
            (sum.powf(p.get().recip()) / 2.0).min(MAX_NORM)
        }
        // Numbers are divided by others as small as 1e-30.
        Metric::JensenShannon => 1e6,
        _ => MAX_NORM,
    }
}

fn check_nonnegative(vectors: &[f32], dimension: usize, metric: Metric) -> Result<()> {
    match vectors.iter().position(|&x| x < 0.0) {
        Some(place) => Err(Error::Negative {
            row: place / dimension,
            component: place % dimension,
            metric,
        }),
        None => Ok(()),
    }
}

/// Refuses vectors that are not finite or longer than `maximum`.
pub(crate) fn check_norms(vectors: &[f32], dimension: usize, maximum: f32) -> Result<()> {
    for (row, vector) in vectors.chunks_exact(dimension).enumerate() {
        let square = square(vector);
        if square.is_nan() || square > maximum * maximum {
            check_finite(row, vector)?;
            return Err(Error::NormTooLarge { row, maximum });
        }
    }
    Ok(())
}

/// Copies scaled to length 1; a zero vector stays zero. In double precision, where no finite vector of single precision
/// overflows and none but zero vanishes. Many are scaled by as many threads as the caller may use.
pub(crate) fn normalized(vectors: &[f32], dimension: usize) -> Result<Vec<f32>> {
    let mut copies = vec![0.0; vectors.len()];
    let block = (SCALED_TOGETHER / dimension).max(1) * dimension;
    let blocks = vectors.chunks(block).zip(copies.chunks_mut(block));
    let threads = threads::allowed().min(blocks.len());
    let blocks = Mutex::new(blocks);
    let scaled = side_by_side(threads, || {
        loop {
            let next = blocks.lock().unwrap_or_else(PoisonError::into_inner).next();
            match next {
                Some((vectors, copies)) => scale(vectors, copies, dimension)?,
                None => return Ok(()),
            }
        }
    });
    match scaled {
        Ok(()) => Ok(copies),
        Err(error) => vectors
            .chunks_exact(dimension)
            .enumerate()
            .try_for_each(|(row, vector)| check_finite(row, vector))
            .and(Err(error)),
    }
}

/// Fills `copies`; rows in errors are counted from the first of these vectors.
fn scale(vectors: &[f32], copies: &mut [f32], dimension: usize) -> Result<()> {
    let rows = vectors.chunks_exact(dimension);
    for (row, (vector, copy)) in rows.zip(copies.chunks_exact_mut(dimension)).enumerate() {
        let square = square_in_double(vector);
        if !square.is_finite() {
            check_finite(row, vector)?;
        }
        let scale = if square == 0.0 {
            1.0
        } else {
            square.sqrt().recip()
        };
        for (to, x) in copy.iter_mut().zip(vector) {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "rounding to the precision that vectors have"
            )]
            let scaled = (f64::from(*x) * scale) as f32;
            *to = scaled;
        }
    }
    Ok(())
}

fn check_finite(row: usize, vector: &[f32]) -> Result<()> {
    match vector.iter().position(|x| !x.is_finite()) {
        Some(component) => Err(Error::NotFinite { row, component }),
        None => Ok(()),
    }
}

/// Eight sums side by side, which the compiler makes vector instructions of.
fn square(vector: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let chunks = vector.chunks_exact(8);
    let rest: f32 = chunks.remainder().iter().map(|x| x * x).sum();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += x * x;
        }
    }
    sums.iter().sum::<f32>() + rest
}

fn square_in_double(vector: &[f32]) -> f64 {
    let double = |x: &f32| f64::from(*x) * f64::from(*x);
    let mut sums = [0.0_f64; 8];
    let chunks = vector.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().map(double).sum();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += double(x);
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Enough for several threads; 10 components, so that blocks end within no vector.
    fn many() -> Vec<f32> {
        let number = |number: usize| f32::from(u16::try_from(number * 31 % 1_009).unwrap()) - 500.0;
        (0..3 * SCALED_TOGETHER / 10 * 10).map(number).collect()
    }

    #[test]
    fn many_vectors_are_scaled_as_each_by_itself() {
        let (vectors, mut each) = (many(), Vec::new());
        for vector in vectors.chunks_exact(10) {
            each.extend(normalized(vector, 10).unwrap());
        }
        assert!(normalized(&vectors, 10).unwrap() == each);
        let length: f32 = each[..10].iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-6, "{length}");
    }

    #[test]
    fn of_bad_vectors_the_first_is_named() {
        let mut vectors = many();
        for row in [70_007, 50_003, 30_001] {
            vectors[row * 10 + 4] = f32::INFINITY;
        }
        for refused in [
            prepare(&vectors, 10, Metric::Cosine).map(drop),
            check(&vectors, 10, Metric::Cosine),
            check(&vectors, 10, Metric::L2),
        ] {
            let refused = refused.unwrap_err();
            assert!(
                matches!(
                    refused,
                    Error::NotFinite {
                        row: 30_001,
                        component: 4
                    }
                ),
                "{refused}"
            );
        }
    }
}
