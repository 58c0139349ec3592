//! What an index finds, and in what time, by measurement: recall over a ladder of settings ([`Curve`]), so that a query can
//! ask for recall and have the cheapest setting that reaches it. What is measured is one query at a time, as a stranger to
//! the index. Which queries, and what their true nearest are, is the caller's to say.

mod ladder;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ids::Select;
use crate::index::Index;
use crate::params::SearchParams;
use crate::progress::Watch;
use crate::vectors;
use ladder::Ladder;

/// Rungs that a curve keeps at most; it lies in the header of the index's file.
const MAX_RUNGS: usize = 40;

/// What was measured: rungs, from the cheapest to the one that finds most, each finding more than those before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Recall is the share of this many true nearest that were found: 10, or fewer in an index that has fewer.
    pub k: usize,
    /// How many queries were asked.
    pub queries: usize,
    /// The settings worth having.
    pub rungs: Vec<Rung>,
}

/// One setting, and what came of it. One without any compares everything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Graphs: candidates kept.
    pub ef_search: Option<usize>,
    /// IVF: lists read.
    pub nprobe: Option<usize>,
    /// Kinds that compress: candidates per match that were compared by better codes or whole vectors.
    pub rescore: Option<usize>,
    /// The share of the true nearest that were found, the mean over the queries.
    pub recall: f32,
    /// The standard error of that mean.
    pub error: f32,
    /// Microseconds that a query takes alone, the median over the queries.
    pub micros: f32,
}

/// What an index is measured with.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    /// Queries, row-major.
    pub queries: &'a [f32],
    /// For each query the id under which it lies in the index itself, which is then neither found nor walked through; empty
    /// where none does.
    pub own: &'a [i64],
    /// For each query the ids of its true nearest, without itself, as many for each.
    pub truth: &'a [Vec<i64>],
    /// Which ids may be found.
    pub select: Select<'a>,
    /// Microseconds that comparing one candidate by its whole vector takes where the index does not do that itself.
    pub candidate_micros: f32,
    /// Hears of each rung.
    pub watch: Watch<'a>,
}

impl Rung {
    /// The parameters that search so.
    #[must_use]
    pub fn params(&self) -> SearchParams {
        SearchParams {
            ef_search: self.ef_search,
            nprobe: self.nprobe,
            rescore: self.rescore,
            exact: self.is_exact(),
            ..SearchParams::DEFAULT
        }
    }

    /// Whether everything is compared.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.ef_search.or(self.nprobe).or(self.rescore).is_none()
    }

    /// Whether it finds the share `recall`, one standard error taken off for the chance in the measurement.
    #[must_use]
    pub fn reaches(&self, recall: f32) -> bool {
        self.recall - self.error >= recall
    }
}

impl Curve {
    /// The cheapest rung that reaches `recall`; where none does, the one that finds most. `None` for a curve without rungs.
    #[must_use]
    pub fn rung(&self, recall: f32) -> Option<&Rung> {
        self.rungs
            .iter()
            .find(|rung| rung.reaches(recall))
            .or(self.rungs.last())
    }
}

impl Index {
    /// What was measured by [`Index::calibrate`], if anything was.
    #[must_use]
    pub fn curve(&self) -> Option<&Curve> {
        self.curve.as_ref()
    }

    /// Measures recall and time over a ladder of `ef_search` (10, 16, 24, 32, 48 …) or `nprobe` (1, 2, 4 … nlist), for kinds
    /// that compress times `rescore` (1, 2, 4 … 32), and keeps the settings worth having. A ladder ends when it finds nothing
    /// more, or with its widest step once one before takes longer than comparing everything that the index keeps. Where that
    /// is whole vectors, comparing everything is a setting too, unless it takes far longer than any other. The curve is kept
    /// when the index is saved, and forgotten when it changes.
    ///
    /// A query that lies in a graph is left out of the walk: a walk that comes through the query itself finds its
    /// neighbours far too easily (measured: 0.93 where strangers have 0.77).
    ///
    /// # Errors
    /// [`Error::Cancelled`] when told to stop; [`Error::IdCount`] when there are not as many `own` or `truth` as queries; what
    /// [`Index::add`] says about vectors. The curve is then as it was.
    pub fn calibrate(&mut self, trial: &Trial<'_>) -> Result<()> {
        let rows = vectors::count(trial.queries, self.dimension())?;
        let own = if trial.own.is_empty() {
            rows
        } else {
            trial.own.len()
        };
        if let Some(&ids) = [trial.truth.len(), own]
            .iter()
            .find(|given| **given != rows)
        {
            return Err(Error::IdCount { ids, vectors: rows });
        }
        let k = trial.truth.iter().map(Vec::len).min().unwrap_or(0);
        let rungs = match k {
            0 => Vec::new(),
            k => Ladder::new(self, trial, k)?.climb()?,
        };
        self.curve = Some(Curve {
            k,
            queries: rows,
            rungs: worth_having(rungs),
        });
        Ok(())
    }
}

/// Those that nothing as cheap beats: sorted by time, each finds more than all before it.
fn worth_having(mut rungs: Vec<Rung>) -> Vec<Rung> {
    rungs.sort_by(|one, two| {
        let effort = |rung: &Rung| (rung.ef_search, rung.nprobe, rung.rescore);
        (one.micros.total_cmp(&two.micros)).then(effort(one).cmp(&effort(two)))
    });
    let mut best = f32::NEG_INFINITY;
    rungs.retain(|rung| {
        let gains = rung.recall > best;
        best = best.max(rung.recall);
        gains
    });
    while rungs.len() > MAX_RUNGS {
        let gain = |at: &usize| rungs[*at].recall - rungs[at - 1].recall;
        let least = (1..rungs.len() - 1).min_by(|one, two| gain(one).total_cmp(&gain(two)));
        rungs.remove(least.unwrap_or(0));
    }
    rungs
}
