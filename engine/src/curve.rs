//! What an index finds, and in what time, by measurement: recall over a ladder of settings ([`Curve`]), so that a query can
//! ask for recall and have the cheapest setting that reaches it. What is measured is one query at a time, as a stranger to
//! the index. Which queries, and what their true nearest are, is the caller's to say.

use std::cmp::Reverse;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::progress::report;
use crate::spec::Structure;
use crate::{Error, Hit, Index, Result, SearchParams, Select, Stage, Watch, vectors};

/// Rungs that a curve keeps at most; it lies in the header of the index's file.
const MAX_RUNGS: usize = 40;

/// Candidates per match that are tried, for kinds that compress.
const FACTORS: [usize; 6] = [1, 2, 4, 8, 16, 32];

/// A rung that finds less than this beyond the one before it is no gain.
const GAIN: f32 = 0.000_5;

/// So many numbers are compared within some microseconds, less than reading the records that were found: there is nothing to
/// gain from looking at fewer.
const FEW_COMPONENTS: usize = 50_000;

/// Rungs without gain after which a ladder ends.
const PATIENCE: usize = 2;

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

/// One setting, and what came of it.
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
            ..SearchParams::DEFAULT
        }
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
    /// more or takes longer than comparing everything. It is kept when the index is saved, and forgotten when it changes.
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

/// The settings of one kind of index, being measured.
struct Ladder<'a> {
    index: &'a Index,
    trial: &'a Trial<'a>,
    k: usize,
    /// What comparing everything that the index keeps takes.
    exact_micros: f32,
}

impl<'a> Ladder<'a> {
    fn new(index: &'a Index, trial: &'a Trial<'a>, k: usize) -> Result<Self> {
        let mut ladder = Self {
            index,
            trial,
            k,
            exact_micros: f32::INFINITY,
        };
        if !matches!(index.kind().structure, Structure::Scan) {
            ladder.exact_micros = ladder.exact_time()?;
        }
        Ok(ladder)
    }

    /// A few queries suffice: each looks at the same.
    fn exact_time(&self) -> Result<f32> {
        const QUERIES: usize = 5;
        let mut times = Vec::new();
        for query in self.trial.queries.chunks_exact(self.index.dimension()) {
            let started = Instant::now();
            self.index
                .search(query, self.k, &SearchParams::EXACT, self.trial.select)?;
            times.push(micros(started));
            if times.len() == QUERIES {
                break;
            }
        }
        Ok(median(&mut times))
    }

    fn climb(&self) -> Result<Vec<Rung>> {
        let (factors, breadths) = (self.factors(), self.breadths());
        let total = factors.len() * breadths.len();
        let mut rungs = Vec::new();
        for (floor, &factor) in factors.iter().enumerate() {
            let (mut best, mut idle) = (0.0_f32, 0);
            for (step, &breadth) in breadths.iter().enumerate() {
                let done = floor * breadths.len() + step;
                report(self.trial.watch, Stage::Measuring, done, total)?;
                let Some(rung) = self.measured(breadth, factor)? else {
                    continue;
                };
                rungs.push(rung);
                idle = if rung.recall < best + GAIN {
                    idle + 1
                } else {
                    0
                };
                best = best.max(rung.recall);
                if best >= 1.0 || idle == PATIENCE || rung.micros > self.exact_micros {
                    break;
                }
            }
        }
        Ok(rungs)
    }

    /// How many candidates per match to try: `None` where nothing is looked at twice.
    fn factors(&self) -> Vec<Option<usize>> {
        let kind = self.index.kind();
        if kind.is_lossless() && kind.refine.is_none() {
            return vec![None];
        }
        FACTORS.iter().copied().map(Some).collect()
    }

    /// How far to look: `None` where everything is looked at always.
    fn breadths(&self) -> Vec<Option<usize>> {
        let mut breadths = self.all_breadths();
        let components = self.index.len().saturating_mul(self.index.dimension());
        if self.index.kind().is_lossless() && components <= FEW_COMPONENTS {
            breadths.drain(..breadths.len().saturating_sub(1));
        }
        breadths
    }

    fn all_breadths(&self) -> Vec<Option<usize>> {
        match self.index.kind().structure {
            Structure::Scan => vec![None],
            Structure::Ivf { nlist, .. } => {
                let doubling = std::iter::successors(Some(1_usize), |n| n.checked_mul(2));
                let below = doubling.take_while(|&nprobe| nprobe < nlist);
                below.chain([nlist]).map(Some).collect()
            }
            Structure::Hnsw { .. } | Structure::Nsg { .. } | Structure::HnswRs { .. } => {
                self.graph_breadths()
            }
        }
    }

    /// 10, 16, 24, 32, 48, 64 … and the first with which the index would rather scan.
    fn graph_breadths(&self) -> Vec<Option<usize>> {
        let octaves = (4..).flat_map(|octave| [2_usize << (octave - 1), 3 << (octave - 1)]);
        let mut breadths = Vec::new();
        for ef in std::iter::once(10)
            .chain(octaves)
            .take_while(|&ef| ef <= self.index.len().max(16))
        {
            breadths.push(Some(ef));
            let params = self.params(Some(ef), None);
            if self.index.scans(self.k, &params, self.trial.select) {
                break;
            }
        }
        breadths
    }

    fn params(&self, breadth: Option<usize>, factor: Option<usize>) -> SearchParams {
        let lists = matches!(self.index.kind().structure, Structure::Ivf { .. });
        SearchParams {
            ef_search: breadth.filter(|_| !lists),
            nprobe: breadth.filter(|_| lists),
            rescore: factor,
            ..SearchParams::DEFAULT
        }
    }

    fn found(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        own: Option<i64>,
    ) -> Result<Vec<Hit>> {
        let (index, select) = (self.index, self.trial.select);
        match own {
            Some(own) => index.search_as_stranger(query, k, params, select, own),
            None => Ok(index
                .search(query, k, params, select)?
                .pop()
                .unwrap_or_default()),
        }
    }

    /// `None` for a graph's breadth that has no room for the candidates: the search would take a wider one.
    fn measured(&self, breadth: Option<usize>, factor: Option<usize>) -> Result<Option<Rung>> {
        let refines = self.index.kind().refine.is_some();
        let wanted = self.k * factor.unwrap_or(1);
        let candidates = if refines { self.k } else { wanted };
        let params = self.params(breadth, factor);
        if params.ef_search.is_some_and(|ef| ef < wanted) {
            return Ok(None);
        }
        let (mut shares, mut times) = (Vec::new(), Vec::new());
        // Steps of our own, as a stranger's are there, take another time than the crate's.
        let retraced = matches!(self.index.kind().structure, Structure::HnswRs { .. });
        let queries = self.trial.queries.chunks_exact(self.index.dimension());
        for (row, (query, truth)) in queries.zip(self.trial.truth).enumerate() {
            let own = self.trial.own.get(row).copied();
            let started = Instant::now();
            let mut hits = self.found(query, candidates, &params, own.filter(|_| !retraced))?;
            times.push(micros(started));
            if retraced {
                hits = self.found(query, candidates, &params, own)?;
            }
            let found = truth
                .iter()
                .take(self.k)
                .filter(|id| hits.iter().any(|hit| hit.id == **id));
            shares.push(ratio(found.count(), self.k));
        }
        let (recall, error) = mean_and_error(&shares);
        let compared = match self.index.kind().is_lossless() {
            true => 0,
            false => candidates,
        };
        Ok(Some(Rung {
            ef_search: params.ef_search,
            nprobe: params.nprobe,
            rescore: factor,
            recall,
            error,
            micros: median(&mut times) + ratio(compared, 1) * self.trial.candidate_micros,
        }))
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

fn micros(started: Instant) -> f32 {
    started.elapsed().as_secs_f32() * 1e6
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of queries and candidates are small"
)]
fn ratio(part: usize, whole: usize) -> f32 {
    part as f32 / whole as f32
}

/// The middle of the numbers; 0 for none.
fn median(numbers: &mut [f32]) -> f32 {
    numbers.sort_unstable_by_key(|number| Reverse(number.to_bits()));
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}

/// The mean, and its standard error: the deviation of a sample over the root of its size.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what comes of shares is kept as a share is"
)]
fn mean_and_error(numbers: &[f32]) -> (f32, f32) {
    let n = f64::from(ratio(numbers.len(), 1));
    let mean = numbers.iter().copied().map(f64::from).sum::<f64>() / n;
    if numbers.len() < 2 {
        return (mean as f32, 0.0);
    }
    let squares = |&number: &f32| (f64::from(number) - mean).powi(2);
    let variance = numbers.iter().map(squares).sum::<f64>() / (n - 1.0);
    (mean as f32, (variance / n).sqrt() as f32)
}
