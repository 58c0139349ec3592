//! Rows by their ids: measured one by one, and read back. What a search finds is put in order here too.

use std::cmp::Ordering;

use crate::error::{Error, Result};
use crate::ids::{Hit, Select};
use crate::index::Index;
use crate::index::reading::Reading;
use crate::metric::Metric;
use crate::spec::{Codes, Structure};
use crate::vectors;

impl Index {
    /// Exact distances to just these ids, closest first, at most k. Ids that are not inside are left out, those given
    /// twice count once. `None` for kinds that do not keep whole vectors ([`crate::Kind::is_lossless`]).
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`], [`Error::NotFinite`] or [`Error::NormTooLarge`] about the query.
    pub fn scan(&self, query: &[f32], k: usize, ids: &[i64]) -> Result<Option<Vec<Hit>>> {
        let query = self.prepare_one(query)?;
        if !self.kind().is_lossless() {
            return Ok(None);
        }
        self.scan_rows(&query, k, &self.rows_of(ids)).map(Some)
    }

    /// What the index keeps of these ids, as vectors of its dimension, in the order asked for; `None` for ids that are not
    /// inside. Whole vectors for the kinds that keep them (for cosine scaled to length 1), else the nearest that the
    /// codes tell, with transforms undone.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for LSH, for `ITQ` and for whitening `PCAW`, which leave nothing to read back, unless a
    /// second look (`RFlat`, `Refine(…)`) does.
    pub fn reconstruct(&self, ids: &[i64]) -> Result<Vec<Option<Vec<f32>>>> {
        if !self.kind().can_reconstruct() {
            return Err(Error::Unsupported {
                kind: self.kind().clone(),
                operation: "give vectors back",
                instead: "keep the vectors beside it, or add RFlat",
            });
        }
        let rows = self.rows_of(ids);
        if rows.is_empty() {
            return Ok(vec![None; ids.len()]);
        }
        let all = self.ids();
        let kept = self.raw().reconstruct(&rows)?;
        let mut sorted = kept.chunks_exact(self.dimension()).zip(&rows);
        let mut found: Vec<(i64, Vec<f32>)> = Vec::with_capacity(rows.len());
        for (vector, &row) in &mut sorted {
            let id = usize::try_from(row).ok().and_then(|row| all.get(row));
            found.extend(id.map(|&id| (id, vectors::restored(vector, self.metric()))));
        }
        let vector = |id: &i64| {
            let place = found.binary_search_by_key(id, |(id, _)| *id).ok()?;
            Some(found[place].1.clone())
        };
        Ok(ids.iter().map(vector).collect())
    }

    pub(crate) fn prepare_one<'a>(&self, query: &'a [f32]) -> Result<std::borrow::Cow<'a, [f32]>> {
        if query.len() != self.dimension() {
            return Err(Error::DimensionMismatch {
                expected: self.dimension(),
                actual: query.len(),
            });
        }
        vectors::prepare(query, self.dimension(), self.metric())
    }

    /// How FAISS's distances are read.
    pub(crate) fn reading(&self) -> Reading {
        Reading::of(self.kind(), self.metric(), self.dimension())
    }

    /// Whether FAISS can measure a row without a search: not one in inverted lists whose codes hang on their lists.
    pub(crate) fn measures_rows(&self) -> bool {
        let kind = self.kind();
        let lists = matches!(kind.structure, Structure::Ivf { .. });
        let whole = kind.codes == Codes::Flat && kind.transforms.is_empty();
        !lists || whole || kind.refine.is_some()
    }

    /// The rows of a selection so small that looking them up costs less than asking about every row.
    pub(crate) fn few_rows(&self, select: Select<'_>) -> Option<Vec<i64>> {
        const WORTH: usize = 8;
        if !self.measures_rows() {
            return None;
        }
        match select {
            Select::Only(set) if set.len().saturating_mul(WORTH) < self.len() => {
                Some(self.rows(set.iter()))
            }
            Select::Between(..) => {
                let range = select.rows(self.ids());
                let few = range.len().saturating_mul(WORTH) < self.len();
                few.then(|| range.filter_map(|row| i64::try_from(row).ok()).collect())
            }
            Select::All | Select::Only(_) | Select::Except(_) => None,
        }
    }

    /// The rows of ids in any order, ascending, each once, without those that are not inside.
    fn rows_of(&self, ids: &[i64]) -> Vec<i64> {
        if ids.is_sorted() {
            return self.rows(ids.iter().copied());
        }
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        self.rows(sorted.into_iter())
    }

    /// The rows of ascending ids, each once, without those that are not inside.
    fn rows(&self, ids: impl Iterator<Item = i64>) -> Vec<i64> {
        let all = self.ids();
        let mut from = 0;
        ids.filter_map(|id| {
            from += gallop(&all[from..], id);
            let row = i64::try_from(from)
                .ok()
                .filter(|_| all.get(from) == Some(&id))?;
            from += 1;
            Some(row)
        })
        .collect()
    }

    pub(crate) fn scan_rows(&self, query: &[f32], k: usize, rows: &[i64]) -> Result<Vec<Hit>> {
        let products = self.reading().products();
        let distances = self.raw().distances(query, rows, products)?;
        let all = self.ids();
        let ids: Vec<i64> = rows
            .iter()
            .filter_map(|&row| all.get(usize::try_from(row).ok()?).copied())
            .collect();
        Ok(self.hits(&distances, &ids, k))
    }

    /// Pairs in order, FAISS's -1 dropped, at most k.
    pub(crate) fn hits(&self, distances: &[f32], ids: &[i64], k: usize) -> Vec<Hit> {
        let reading = self.reading();
        let pairs = distances.iter().zip(ids).filter(|(_, id)| **id >= 0);
        let hits = pairs.map(|(&distance, &id)| Hit {
            id,
            distance: (self.metric()).reported(reading.distance(distance), self.dimension()),
        });
        best(hits.collect(), k, self.metric())
    }
}

/// The k closest, in order: by distance, then by id.
pub(crate) fn best(mut hits: Vec<Hit>, k: usize, metric: Metric) -> Vec<Hit> {
    let closer = |one: &Hit, two: &Hit| -> Ordering {
        let (one_score, two_score) = (metric.score(one.distance), metric.score(two.distance));
        two_score.total_cmp(&one_score).then(one.id.cmp(&two.id))
    };
    if k < hits.len() {
        hits.select_nth_unstable_by(k, closer);
        hits.truncate(k);
    }
    hits.sort_unstable_by(closer);
    hits
}

/// How many of the ascending ids lie below `id`, found in steps that double from the front: sorted look-ups are near.
fn gallop(ids: &[i64], id: i64) -> usize {
    let mut step = 1;
    while ids.get(step - 1).is_some_and(|&there| there < id) {
        step *= 2;
    }
    let (low, high) = (step / 2, (step - 1).min(ids.len()));
    low + ids[low..high.max(low)].partition_point(|&there| there < id)
}
