//! The settings of one kind of index, measured one after the other: as many candidates as help, and as wide a search.

use std::cmp::Reverse;
use std::time::Instant;

use super::{Rung, Trial};
use crate::error::Result;
use crate::ids::Hit;
use crate::index::Index;
use crate::params::SearchParams;
use crate::progress::{Stage, report};
use crate::spec::Structure;

/// Candidates per match that are tried, for kinds that compress.
const FACTORS: [usize; 6] = [1, 2, 4, 8, 16, 32];

/// A rung that finds less than this beyond the one before it is no gain.
const GAIN: f32 = 0.000_5;

/// So many numbers are compared within some microseconds, less than reading the records that were found: there is nothing to
/// gain from looking at fewer.
const FEW_COMPONENTS: usize = 50_000;

/// How many times as long a step of a ladder takes as the one before it, at most.
const STEP: f32 = 2.0;

/// Rungs without gain after which a ladder ends.
const PATIENCE: usize = 2;

/// The settings of one kind of index, being measured.
pub(super) struct Ladder<'a> {
    index: &'a Index,
    trial: &'a Trial<'a>,
    k: usize,
    /// What comparing everything that the index keeps takes.
    exact_micros: f32,
}

impl<'a> Ladder<'a> {
    pub(super) fn new(index: &'a Index, trial: &'a Trial<'a>, k: usize) -> Result<Self> {
        let mut ladder = Self {
            index,
            trial,
            k,
            exact_micros: f32::INFINITY,
        };
        if index.kind().structure != Structure::Scan || index.kind().refine.is_some() {
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

    pub(super) fn climb(&self) -> Result<Vec<Rung>> {
        let (factors, breadths) = (self.factors(), self.breadths());
        let total = factors.len() * breadths.len();
        let mut rungs = Vec::new();
        for (floor, &factor) in factors.iter().enumerate() {
            let (mut best, mut idle, mut step) = (0.0_f32, 0, 0);
            while let Some(&breadth) = breadths.get(step) {
                let done = floor * breadths.len() + step;
                report(self.trial.watch, Stage::Measuring, done, total)?;
                step += 1;
                let Some((rung, own_micros)) = self.measured(breadth, factor)? else {
                    continue;
                };
                rungs.push(rung);
                idle = if rung.recall < best + GAIN {
                    idle + 1
                } else {
                    0
                };
                best = best.max(rung.recall);
                if best >= 1.0 || idle == PATIENCE {
                    break;
                }
                if own_micros > self.exact_micros {
                    // The last step looks at everything, and is quicker than those before it.
                    step = step.max(breadths.len() - 1);
                }
            }
        }
        rungs.extend(self.exact_rung(&rungs));
        Ok(rungs)
    }

    /// Comparing all vectors, where the index has them and that takes no longer than one step more would.
    fn exact_rung(&self, rungs: &[Rung]) -> Option<Rung> {
        let dearest = rungs.iter().map(|rung| rung.micros).fold(0.0, f32::max);
        let is_near = self.exact_micros < STEP * dearest;
        (is_near && self.index.kind().is_lossless()).then_some(Rung {
            ef_search: None,
            nprobe: None,
            rescore: None,
            recall: 1.0,
            error: 0.0,
            micros: self.exact_micros,
        })
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

    /// A rung, and the microseconds of it that the index itself takes. `None` for a graph's breadth that has no room for the
    /// candidates: the search would take a wider one.
    fn measured(
        &self,
        breadth: Option<usize>,
        factor: Option<usize>,
    ) -> Result<Option<(Rung, f32)>> {
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
        let own_micros = median(&mut times);
        let rung = Rung {
            ef_search: params.ef_search,
            nprobe: params.nprobe,
            rescore: factor,
            recall,
            error,
            micros: own_micros + ratio(compared, 1) * self.trial.candidate_micros,
        };
        Ok(Some((rung, own_micros)))
    }
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
