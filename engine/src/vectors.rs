//! What a vector must be before FAISS sees it: the right dimension, finite, short enough that no distance overflows;
//! for cosine, of length 1. FAISS walks off its tables over NaN, so nothing goes around this.

use std::borrow::Cow;

use crate::{Error, Metric, Result};

/// The largest dimension of an index.
pub const MAX_DIMENSION: usize = 65_536;

/// The largest length of a vector (but for cosine, which has none): four times its square is still a number. Less for
/// `lp` with a large p, and for `jensenshannon`.
pub const MAX_NORM: f32 = 1e18;

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

/// The vectors as FAISS is to have them: checked, and for cosine copied and scaled to length 1.
pub(crate) fn prepare(vectors: &[f32], dimension: usize, metric: Metric) -> Result<Cow<'_, [f32]>> {
    count(vectors, dimension)?;
    if metric == Metric::Cosine {
        return normalized(vectors, dimension).map(Cow::Owned);
    }
    check_norms(vectors, dimension, longest(metric, dimension))?;
    if metric.is_for_nonnegative() {
        check_nonnegative(vectors, dimension, metric)?;
    }
    match metric {
        Metric::Canberra | Metric::BrayCurtis | Metric::JensenShannon => Ok(Cow::Owned(
            vectors.iter().map(|&x| without_zero(x)).collect(),
        )),
        _ => Ok(Cow::Borrowed(vectors)),
    }
}

/// These metrics divide by components, and FAISS has 0/0 be NaN there, where it should count as 0. So zeros become numbers
/// too small to matter (`extra_distances-inl.h`).
fn without_zero(x: f32) -> f32 {
    if x == 0.0 { TINY } else { x }
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
/// overflows and none but zero vanishes.
pub(crate) fn normalized(vectors: &[f32], dimension: usize) -> Result<Vec<f32>> {
    let mut copies = Vec::with_capacity(vectors.len());
    for (row, vector) in vectors.chunks_exact(dimension).enumerate() {
        let square = square_in_double(vector);
        if !square.is_finite() {
            check_finite(row, vector)?;
        }
        let scale = if square == 0.0 {
            1.0
        } else {
            square.sqrt().recip()
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounding to the precision that vectors have"
        )]
        copies.extend(vector.iter().map(|&x| (f64::from(x) * scale) as f32));
    }
    Ok(copies)
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
