//! The plane in which vectors differ most, to draw them on: their first two principal components (Pearson, Philosophical
//! Magazine 2, 1901), found by orthogonal iteration (Golub and Van Loan, Matrix Computations, 8.2.4).

use engine::{Metric, prepare, sample_rows};

use crate::error::Result;

/// Vectors that the plane is found from, at most: more of them would not move it visibly.
const LOOKED_AT: usize = 8_192;
/// Rounds of the iteration; a picture needs no more.
const ROUNDS: usize = 30;

/// A plane through the middle of some vectors, along the two directions in which they differ most.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plane {
    middle: Vec<f64>,
    axes: [Vec<f64>; 2],
    metric: Metric,
}

impl Plane {
    /// The plane of these vectors, row after row. Where they are compared by angle (`angular`), their lengths do not count.
    /// The same vectors give the same plane; where they differ in fewer than two directions, an axis is zero.
    ///
    /// # Errors
    /// What [`prepare`] refuses.
    pub(super) fn of(points: &[f32], dimension: usize, angular: bool) -> Result<Self> {
        let metric = if angular { Metric::Cosine } else { Metric::L2 };
        let points = prepare(points, dimension, metric)?;
        let rows = sample_rows(points.len() / dimension, LOOKED_AT, 1).into_iter();
        let rows = rows.map(|row| &points[row * dimension..][..dimension]);
        let looked_at: Vec<f32> = rows.flatten().copied().collect();
        let cloud = Cloud {
            middle: mean(&looked_at, dimension),
            points: &looked_at,
        };
        let first = cloud.principal(None);
        let second = cloud.principal(Some(&first));
        Ok(Self {
            middle: cloud.middle,
            axes: [first, second],
            metric,
        })
    }

    /// Where these vectors lie on the plane; the middle is at 0, 0.
    ///
    /// # Errors
    /// As [`Plane::of`].
    pub(super) fn project(&self, points: &[f32]) -> Result<Vec<[f32; 2]>> {
        let dimension = self.middle.len();
        let points = prepare(points, dimension, self.metric)?;
        let place = |row: &[f32]| {
            let row = centred(row, &self.middle);
            self.axes.each_ref().map(|axis| single(dot(&row, axis)))
        };
        Ok(points.chunks_exact(dimension).map(place).collect())
    }
}

/// Points, and the middle that they are seen from.
struct Cloud<'a> {
    middle: Vec<f64>,
    points: &'a [f32],
}

impl Cloud<'_> {
    fn rows(&self) -> impl Iterator<Item = Vec<f64>> {
        let rows = self.points.chunks_exact(self.middle.len());
        rows.map(|row| centred(row, &self.middle))
    }

    /// The direction of unit length in which the points differ most, at right angles to `other`.
    fn principal(&self, other: Option<&[f64]>) -> Vec<f64> {
        let mut axis = self.farthest(other);
        for _ in 0..ROUNDS {
            let mut next = vec![0.0; axis.len()];
            for row in self.rows() {
                let along = dot(&row, &axis);
                next.iter_mut()
                    .zip(&row)
                    .for_each(|(sum, x)| *sum += along * x);
            }
            axis = unit_apart(next, other);
        }
        // Of the two directions that are as good, the one whose largest component is above 0.
        let largest = axis.iter().max_by(|a, b| a.abs().total_cmp(&b.abs()));
        if largest.is_some_and(|largest| *largest < 0.0) {
            axis.iter_mut().for_each(|x| *x = -*x);
        }
        axis
    }

    /// Where the iteration starts: towards the point farthest out, which differs from the middle for sure.
    fn farthest(&self, other: Option<&[f64]>) -> Vec<f64> {
        let out =
            |row: &Vec<f64>| dot(row, row) - other.map_or(0.0, |other| dot(row, other).powi(2));
        let row = self.rows().max_by(|one, two| out(one).total_cmp(&out(two)));
        unit_apart(row.unwrap_or_else(|| vec![0.0; self.middle.len()]), other)
    }
}

fn mean(points: &[f32], dimension: usize) -> Vec<f64> {
    let mut sums = vec![0.0; dimension];
    for row in points.chunks_exact(dimension) {
        sums.iter_mut()
            .zip(row)
            .for_each(|(sum, x)| *sum += f64::from(*x));
    }
    let rows = (points.len() / dimension).max(1) as f64;
    sums.iter().map(|sum| sum / rows).collect()
}

fn centred(row: &[f32], middle: &[f64]) -> Vec<f64> {
    row.iter()
        .zip(middle)
        .map(|(x, m)| f64::from(*x) - m)
        .collect()
}

/// Made orthogonal to `other` and scaled to length 1; zero where nothing but rounding is left.
fn unit_apart(mut axis: Vec<f64>, other: Option<&[f64]>) -> Vec<f64> {
    let before = dot(&axis, &axis);
    if let Some(other) = other {
        let along = dot(&axis, other);
        axis.iter_mut()
            .zip(other)
            .for_each(|(x, o)| *x -= along * o);
    }
    let square = dot(&axis, &axis);
    if square <= before * 1e-20 {
        return vec![0.0; axis.len()];
    }
    let scale = square.sqrt().recip();
    axis.iter_mut().for_each(|x| *x *= scale);
    axis
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding to the precision that vectors have"
)]
fn single(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a line through space, with some width, about (5, 5, 5): far along (1, 1, 0), less along (0, 0, 1).
    fn cloud() -> Vec<f32> {
        let point = |step: i16| {
            let wide = if step % 2 == 0 { 3.0 } else { -3.0 };
            [5.0 + f32::from(step), 5.0 + f32::from(step), 5.0 + wide]
        };
        (-50..=50).flat_map(point).collect()
    }

    #[test]
    fn the_axes_are_those_of_the_largest_spread() {
        let plane = Plane::of(&cloud(), 3, false).unwrap();
        let places = plane.project(&[15.0, 15.0, 5.0, 5.0, 5.0, 9.0]).unwrap();
        let middle = 5.0 + 3.0 / 101.0;
        let expected = [[200_f32.sqrt(), 5.0 - middle], [0.0, 9.0 - middle]];
        for (place, expected) in places.iter().zip(expected) {
            let off = place.iter().zip(expected).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f32::max) < 1e-2, "{places:?}");
        }
    }

    #[test]
    fn lengths_do_not_count_where_angles_are_compared() {
        let points = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.5, 0.5, 0.0];
        let longer: Vec<f32> = points.iter().map(|x| x * 7.0).collect();
        let plane = Plane::of(&points, 3, true).unwrap();
        let (here, there) = (
            plane.project(&points).unwrap(),
            plane.project(&longer).unwrap(),
        );
        let apart = here.iter().flatten().zip(there.iter().flatten());
        assert!(apart.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < 1e-6);
    }

    #[test]
    fn where_nothing_differs_all_are_in_the_middle() {
        for points in [vec![], vec![3.0, 4.0], vec![1e18, 0.0, 1e18, 0.0]] {
            let plane = Plane::of(&points, 2, false).unwrap();
            let places = plane.project(&points).unwrap();
            assert!(
                places.iter().all(|place| *place == [0.0, 0.0]),
                "{places:?}"
            );
        }
        let line = Plane::of(&[0.0, 0.0, 1e18, 0.0], 2, false).unwrap();
        assert_eq!(line.project(&[1e18, 0.0]).unwrap(), [[5e17, 0.0]]);
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        assert!(Plane::of(&[1.0, 2.0, 3.0], 2, false).is_err());
        assert!(Plane::of(&[f32::NAN, 0.0], 2, false).is_err());
    }
}
