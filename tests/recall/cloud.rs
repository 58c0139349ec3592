//! Seeded points to search among: around centers, most of their spread along a few directions, as embeddings have it.

use super::DIMENSION;
use crate::sample::Rng;

const CENTERS: usize = 40;

/// Points around centers that every call has in common, spread along a few directions.
pub(super) struct Cloud {
    rng: Rng,
    centers: Vec<Vec<f32>>,
    directions: Vec<Vec<f32>>,
}

impl Cloud {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng(7);
        let mut some = |count, scale: f32| {
            let vectors = 0..count;
            vectors
                .map(|_| (0..DIMENSION).map(|_| normal(&mut rng) * scale).collect())
                .collect()
        };
        Self {
            centers: some(CENTERS, 1.0),
            directions: some(6, 0.5),
            rng: Rng(seed),
        }
    }

    fn point(&mut self) -> Vec<f32> {
        let mut point = self.centers[self.rng.place(CENTERS)].clone();
        for direction in &self.directions {
            let along = normal(&mut self.rng);
            point
                .iter_mut()
                .zip(direction)
                .for_each(|(x, d)| *x += along * d);
        }
        for x in &mut point {
            *x += normal(&mut self.rng) * 0.1;
        }
        point
    }

    pub(super) fn points(&mut self, count: usize) -> Vec<Vec<f32>> {
        (0..count).map(|_| self.point()).collect()
    }
}

/// About normal.
fn normal(rng: &mut Rng) -> f32 {
    let uniform =
        |rng: &mut Rng| f32::from(u16::try_from(rng.below(1 << 16)).unwrap()) / 32_768.0 - 1.0;
    (0..4).map(|_| uniform(rng)).sum::<f32>() * 0.87
}
