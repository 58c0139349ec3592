//! What long work tells while it runs, and how it is told to stop: each step is reported to a function of the caller's,
//! whose answer decides whether there is a next one. Nothing is printed or timed here.

use std::fmt;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How far some work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Steps of the stage that are done.
    pub done: usize,
    /// Steps that the stage has; 0 where nobody knows.
    pub total: usize,
}

/// What is being done, and what its steps are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Vectors are read to learn from: vectors.
    Sampling,
    /// Numbers of clusters are tried: numbers.
    Choosing,
    /// k-means: iterations, of all its runs together.
    Clustering,
    /// Vectors are put into clusters: vectors.
    Assigning,
    /// What was found is put into words: clusters.
    Describing,
    /// An index learns from a sample: iterations.
    Training,
    /// Vectors are added to an index: vectors.
    Adding,
    /// An index is measured: rungs of its ladder.
    Measuring,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sampling => "sampling",
            Self::Choosing => "choosing",
            Self::Clustering => "clustering",
            Self::Assigning => "assigning",
            Self::Describing => "describing",
            Self::Training => "training",
            Self::Adding => "adding",
            Self::Measuring => "measuring",
        })
    }
}

/// Hears of each step; [`ControlFlow::Break`] ends the work with [`Error::Cancelled`]. It may be called from another
/// thread than the one that asked for the work.
pub type Watch<'a> = &'a (dyn Fn(Progress) -> ControlFlow<()> + Sync);

/// A [`Watch`] for whoever wants neither to know nor to stop: `&unwatched`.
pub fn unwatched(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Tells of a step.
///
/// # Errors
/// [`Error::Cancelled`] when the answer is to stop.
pub fn report(watch: Watch<'_>, stage: Stage, done: usize, total: usize) -> Result<()> {
    match watch(Progress { stage, done, total }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Cancelled),
    }
}
