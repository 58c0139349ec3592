//! Training: what an index learns from a sample before vectors are added. Which sample it is, is the caller's choice
//! ([`crate::Sample`]).

use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::ids::Select;
use crate::index::Index;
use crate::index::effort::Effort;
use crate::progress::{Progress, Stage, Watch, report, unwatched};
use crate::spec::{Codes, Kind, Structure, Transform};
use crate::vectors;

/// FAISS's own number for inverted lists (`Level1Quantizer` in IndexIVF.cpp).
const LIST_ITERATIONS: usize = 10;

impl Index {
    /// Learns from a sample of the vectors to come (row-major): the lists' centroids for IVF, ranges for SQ8, centroids
    /// for PQ, directions for PCA, OPQ and ITQ. Does nothing for kinds that need none, and for an index that is trained.
    /// The same sample trains the same index.
    ///
    /// # Errors
    /// [`Error::TooFewTrainingVectors`]: IVF takes 39 vectors per list. [`Error::DegenerateSample`]: `PCAW` takes vectors that
    /// vary in as many directions as it keeps. [`Error::ReadOnly`] for a mapped index. What
    /// [`Index::add`] says about vectors.
    pub fn train(&mut self, sample: &[f32]) -> Result<()> {
        self.train_with(sample, &unwatched)
    }

    /// As [`Index::train`], telling `watch` of each step: a transform, an iteration of the lists' k-means, other codes.
    /// Transforms and product quantisers are a step each, however long they take: FAISS cannot be stopped within.
    ///
    /// # Errors
    /// As [`Index::train`]; [`Error::Cancelled`] when told to stop. The index is then as it was, also where `watch` panics.
    pub fn train_with(&mut self, sample: &[f32], watch: Watch<'_>) -> Result<()> {
        self.raw_mut()?;
        if self.is_trained() {
            return vectors::check(sample, self.dimension(), self.metric());
        }
        let sample = vectors::prepare(sample, self.dimension(), self.metric())?;
        self.kind()
            .check_held(&sample, self.dimension(), self.metric())?;
        let given = sample.len() / self.dimension();
        let minimum = self.kind().min_vectors(self.dimension());
        if given < minimum {
            return Err(Error::TooFewTrainingVectors {
                kind: self.kind().clone(),
                given,
                minimum,
            });
        }
        let total = steps(self.kind());
        let mut done = 0;
        let mut step = || {
            let answer = watch(Progress {
                stage: Stage::Training,
                done: done.min(total),
                total,
            });
            done += 1;
            answer
        };
        self.or_empty(|index| {
            index.raw_mut()?.train(&sample, &mut step)?;
            index.check_finds(&sample)?;
            report(watch, Stage::Training, total, total)
        })?;
        self.set_trained_on(given);
        Ok(())
    }

    /// Tries what whitening learned on some of the sample. It divides by the spread along each direction: where that is 0,
    /// nothing is a number afterwards, and where it is rounding alone, rounding decides what is near.
    fn check_finds(&self, sample: &[f32]) -> Result<()> {
        const TRIED: usize = 4;
        let whitens = |one: &Transform| matches!(one, Transform::Pca { whiten: true, .. });
        if !self.kind().transforms.iter().any(whitens) {
            return Ok(());
        }
        let given = sample.len() / self.dimension();
        let tried = given.min(TRIED);
        // A kind that is built at one go takes no few.
        let rows = if self.kind().can_grow() { tried } else { given };
        let ids: Vec<i64> = (0..).take(rows).collect();
        let mut trial = self.raw().try_clone()?;
        trial.add(&ids, &sample[..rows * self.dimension()])?;
        for query in sample.chunks_exact(self.dimension()).take(tried) {
            let nearest = nearest_distance(&trial, query)?;
            let rounded = nearest_distance(&trial, &rounded_otherwise(query))?;
            let moved = (nearest - rounded).abs();
            let is_steady = moved <= 0.5 * (1.0 + nearest.abs());
            if !is_steady && !matches!(self.kind().codes, Codes::Lsh { .. }) || !nearest.is_finite()
            {
                return Err(Error::DegenerateSample {
                    kind: self.kind().clone(),
                });
            }
        }
        Ok(())
    }
}

/// NaN where nothing is found.
fn nearest_distance(trial: &Backend, query: &[f32]) -> Result<f32> {
    let (distances, ids) = trial.search(query, 1, &Effort::everything(), Select::All, false)?;
    let found = distances.first().zip(ids.first());
    Ok(found.map_or(
        f32::NAN,
        |(&distance, &id)| {
            if id < 0 { f32::NAN } else { distance }
        },
    ))
}

/// Each component one unit in the last place away, by turns up and down.
fn rounded_otherwise(vector: &[f32]) -> Vec<f32> {
    let places = vector.iter().enumerate();
    let turned = |(place, x): (usize, &f32)| match place % 3 {
        0 => x * (1.0 + f32::EPSILON),
        _ => x * (1.0 - f32::EPSILON),
    };
    places.map(turned).collect()
}

/// How many steps training has.
fn steps(kind: &Kind) -> usize {
    let transforms = kind.transforms.iter();
    let transforms = transforms.filter(|transform| transform.trains()).count();
    let refine = kind.refine.is_some_and(|refine| match refine.codes() {
        Codes::Scalar(scalar) => scalar.trains(),
        _ => false,
    });
    let core = match kind.structure {
        Structure::Ivf { .. } => LIST_ITERATIONS,
        _ => usize::from(kind.codes.trains()),
    };
    transforms + core + usize::from(refine)
}
