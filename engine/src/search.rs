//! How a search goes: how far it looks, in which parts, and what comes of it. It answers with min(k, what the selection
//! allows) hits always: where a graph or the lists nearby do not yield that many, it scans. The index stays as it is.

use crate::batch;
use crate::ffi::Breadth;
use crate::params::{DEFAULT_EF_SEARCH, DEFAULT_NPROBE};
use crate::spec::Structure;
use crate::{Error, Hit, Index, Result, SearchParams, Select, vectors};

impl Index {
    /// The k vectors nearest to each query (row-major), closest first, then by id; fewer only where fewer are allowed.
    /// k may be 0 or above the number of vectors. Parameters that do not fit the kind are ignored. One query runs on the
    /// calling thread; more are spread over as many threads as [`crate::with_threads`] allows.
    ///
    /// `exact` is a true scan: over whole vectors, or for SQ8 over the bytes it keeps. So are searches where scanning
    /// costs less than walking the graph: small indexes and selections, very large k or `ef_search`. A graph finds less of
    /// the nearest the fewer it is allowed: under a selection widen `ef_search` by the inverse of the share selected.
    ///
    /// # Errors
    /// What [`Index::add`] says about vectors.
    pub fn search(
        &self,
        queries: &[f32],
        k: usize,
        params: &SearchParams,
        select: Select<'_>,
    ) -> Result<Vec<Vec<Hit>>> {
        let queries = vectors::prepare(queries, self.dimension(), self.metric())?;
        let candidates = self.candidates(select);
        let k = k.min(candidates);
        if k == 0 || queries.is_empty() {
            return Ok(vec![Vec::new(); queries.len() / self.dimension()]);
        }
        let breadth = self.breadth(params, k, candidates);
        batch::run(
            &queries,
            self.dimension(),
            self.bytes_per_query(k, breadth),
            |chunk| self.search_chunk(chunk, k, breadth, select),
        )
    }

    /// Whether [`Index::search`] with these arguments would scan all that is allowed, and so be exact (for SQ8, over its
    /// bytes) whatever the kind.
    #[must_use]
    pub fn scans(&self, k: usize, params: &SearchParams, select: Select<'_>) -> bool {
        let candidates = self.candidates(select);
        let k = k.min(candidates);
        k == 0 || self.breadth(params, k, candidates) == Breadth::Exact
    }

    /// Exact distances to just these ids, closest first, at most k. Ids that are not inside are left out, those given
    /// twice count once. `None` for kinds that do not keep whole vectors (SQ8).
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`], [`Error::NotFinite`] or [`Error::NormTooLarge`] about the query.
    pub fn scan(&self, query: &[f32], k: usize, ids: &[i64]) -> Result<Option<Vec<Hit>>> {
        if query.len() != self.dimension() {
            return Err(Error::DimensionMismatch {
                expected: self.dimension(),
                actual: query.len(),
            });
        }
        let query = vectors::prepare(query, self.dimension(), self.metric())?;
        if !self.kind().is_lossless() {
            return Ok(None);
        }
        if ids.is_sorted() {
            return self
                .scan_rows(&query, k, &self.rows(ids.iter().copied()))
                .map(Some);
        }
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        self.scan_rows(&query, k, &self.rows(sorted.into_iter()))
            .map(Some)
    }

    /// An upper bound of how many vectors a search may return.
    fn candidates(&self, select: Select<'_>) -> usize {
        match select {
            Select::Only(set) => set.len().min(self.len()),
            Select::All | Select::Except(_) => self.len(),
        }
    }

    /// A graph search costs about ef × m distances, and FAISS's queue ef² steps; a scan costs a distance per candidate.
    fn breadth(&self, params: &SearchParams, k: usize, candidates: usize) -> Breadth {
        if params.exact {
            return Breadth::Exact;
        }
        match self.kind().structure {
            Structure::Scan => Breadth::Exact,
            Structure::Hnsw { m } | Structure::Nsg { r: m } | Structure::HnswRs { m, .. } => {
                let ef = params.ef_search.unwrap_or(DEFAULT_EF_SEARCH).max(k);
                let graph = ef.saturating_mul(ef.saturating_add(m * self.dimension()));
                if graph >= candidates.saturating_mul(self.dimension()) {
                    Breadth::Exact
                } else {
                    Breadth::Wide(ef)
                }
            }
            Structure::Ivf { nlist, .. } => {
                Breadth::Wide(params.nprobe.unwrap_or(DEFAULT_NPROBE).min(nlist))
            }
        }
    }

    /// What FAISS allocates for a query: results, and for IVF the lists to read.
    fn bytes_per_query(&self, k: usize, breadth: Breadth) -> usize {
        const PAIR: usize = size_of::<f32>() + size_of::<i64>();
        let lists = match (self.kind().structure, breadth) {
            (Structure::Ivf { nlist, .. }, Breadth::Exact) => nlist,
            (Structure::Ivf { .. }, Breadth::Wide(nprobe)) => nprobe,
            _ => 0,
        };
        k.saturating_mul(2)
            .saturating_add(lists)
            .saturating_mul(PAIR)
    }

    fn search_chunk(
        &self,
        queries: &[f32],
        k: usize,
        breadth: Breadth,
        select: Select<'_>,
    ) -> Result<Vec<Vec<Hit>>> {
        if let (Breadth::Exact, Some(rows)) = (breadth, self.few_rows(select)) {
            return queries
                .chunks_exact(self.dimension())
                .map(|query| self.scan_rows(query, k, &rows))
                .collect();
        }
        let (distances, ids) = self.raw().search(queries, k, breadth, select)?;
        let answers = distances.chunks_exact(k).zip(ids.chunks_exact(k));
        let queries = queries.chunks_exact(self.dimension());
        answers
            .zip(queries)
            .map(|((distances, ids), query)| {
                let hits = self.hits(distances, ids, k);
                if breadth != Breadth::Exact && hits.len() < k {
                    return self.exact(query, k, select);
                }
                Ok(hits)
            })
            .collect()
    }

    /// One query, everything scanned.
    fn exact(&self, query: &[f32], k: usize, select: Select<'_>) -> Result<Vec<Hit>> {
        let mut answers = self.search_chunk(query, k, Breadth::Exact, select)?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// The rows of a selection so small that looking them up costs less than asking about every row.
    fn few_rows(&self, select: Select<'_>) -> Option<Vec<i64>> {
        const WORTH: usize = 8;
        match select {
            Select::Only(set) if set.len().saturating_mul(WORTH) < self.len() => {
                Some(self.rows(set.iter()))
            }
            Select::All | Select::Only(_) | Select::Except(_) => None,
        }
    }

    /// The rows of ascending ids, each once, without those that are not inside.
    fn rows(&self, ids: impl Iterator<Item = i64>) -> Vec<i64> {
        let all = self.raw().ids();
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

    fn scan_rows(&self, query: &[f32], k: usize, rows: &[i64]) -> Result<Vec<Hit>> {
        let distances = self.raw().distances(query, rows)?;
        let all = self.raw().ids();
        let ids: Vec<i64> = rows
            .iter()
            .filter_map(|&row| all.get(usize::try_from(row).ok()?).copied())
            .collect();
        Ok(self.hits(&distances, &ids, k))
    }

    /// Pairs in order, FAISS's -1 dropped, at most k.
    fn hits(&self, distances: &[f32], ids: &[i64], k: usize) -> Vec<Hit> {
        let pairs = distances.iter().zip(ids).filter(|(_, id)| **id >= 0);
        let mut hits: Vec<Hit> = pairs.map(|(&distance, &id)| Hit { id, distance }).collect();
        let closer = |one: &Hit, two: &Hit| {
            let (one_score, two_score) = (
                self.metric().score(one.distance),
                self.metric().score(two.distance),
            );
            two_score.total_cmp(&one_score).then(one.id.cmp(&two.id))
        };
        if k < hits.len() {
            hits.select_nth_unstable_by(k, closer);
            hits.truncate(k);
        }
        hits.sort_unstable_by(closer);
        hits
    }
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
