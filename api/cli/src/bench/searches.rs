//! What a bench searches: the collection, the queries, and the ways in which they are asked.

use anyhow::Result;
use vinedb::{Collection, Key, Query, SearchParams, index::with_threads};

use super::timing::{Timing, side_by_side};
use crate::{args, interrupt::Interrupt, progress::Steps};

/// Queries in a batch.
const BATCH: usize = 256;

/// The user asked to stop.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
pub(super) struct Stopped;

/// Parameters that are measured.
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) params: SearchParams,
}

/// A collection, and what is asked of it.
pub(super) struct Bench<'a> {
    pub(super) args: &'a args::Bench,
    pub(super) collection: Collection,
    pub(super) queries: Vec<Vec<f32>>,
    pub(super) interrupt: Interrupt,
    pub(super) steps: Steps,
}

impl Bench<'_> {
    /// A query, by its number.
    pub(super) fn query(&self, number: usize, params: SearchParams) -> Query {
        Query::vector(self.queries[number].clone())
            .top_k(self.args.top_k)
            .params(params)
    }

    /// The share of the true nearest that the setting finds.
    pub(super) fn recall(&self, setting: &Setting, truth: &[Vec<Key>]) -> Result<f64> {
        let (mut found, mut there) = (0, 0);
        for (number, batch) in self.in_batches(setting).iter().enumerate() {
            self.step("comparing", number * BATCH, self.queries.len())?;
            let answers = with_threads(self.args.threads, || self.collection.search_batch(batch))?;
            for (answer, truth) in answers.iter().zip(&truth[number * BATCH..]) {
                let matches = answer.matches.iter();
                found += matches.filter(|found| truth.contains(&found.key)).count();
                there += truth.len();
            }
        }
        Ok(found as f64 / f64::max(there as f64, 1.0))
    }

    /// One query at a time on each thread.
    pub(super) fn single(&self, setting: &Setting) -> Result<Timing> {
        let queries: Vec<Query> = (0..self.queries.len())
            .map(|number| self.query(number, setting.params))
            .collect();
        Timing::of(self.queries.len(), |timed| {
            side_by_side(self.args.threads, queries.len(), |number| {
                self.check()?;
                timed.measure(|| Ok(self.collection.search(&queries[number])?))
            })
        })
    }

    /// Batch after batch.
    pub(super) fn batches(&self, setting: &Setting) -> Result<Timing> {
        let batches = self.in_batches(setting);
        Timing::of(self.queries.len(), |timed| {
            with_threads(self.args.threads, || {
                side_by_side(1, batches.len(), |number| {
                    self.check()?;
                    timed.measure(|| Ok(self.collection.search_batch(&batches[number])?))
                })
            })
        })
    }

    fn in_batches(&self, setting: &Setting) -> Vec<Vec<Query>> {
        let numbers: Vec<usize> = (0..self.queries.len()).collect();
        let batch = |numbers: &[usize]| {
            let query = |&number| self.query(number, setting.params);
            numbers.iter().map(query).collect()
        };
        numbers.chunks(BATCH).map(batch).collect()
    }

    /// Shows a step; an error when the user asked to stop.
    pub(super) fn step(&self, stage: &str, done: usize, total: usize) -> Result<()> {
        let _ = self.steps.step(stage, done, total);
        self.check()
    }

    /// An error when the user asked to stop.
    pub(super) fn check(&self) -> Result<()> {
        if self.interrupt.is_asked() {
            return Err(Stopped.into());
        }
        Ok(())
    }
}
