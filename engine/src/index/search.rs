//! How a search goes: how far it looks, in which parts, and what comes of it. It answers with min(k, what the selection
//! allows) hits always: where a graph or the lists nearby do not yield that many, it scans. The index stays as it is.

use crate::error::Result;
use crate::ids::{Hit, Select};
use crate::index::Index;
use crate::index::effort::{Breadth, Effort};
use crate::params::SearchParams;
use crate::spec::Structure;
use crate::threads::pool;
use crate::threads::pool::Together;
use crate::vectors;

impl Index {
    /// The k vectors nearest to each query (row-major), closest first, then by id; fewer only where fewer are allowed.
    /// k may be 0 or above the number of vectors. Parameters that do not fit the kind are ignored. One query runs on the
    /// calling thread; more are spread over as many threads as [`crate::with_threads`] allows.
    ///
    /// `exact` is a true scan: over whole vectors, or over the best codes that the kind keeps. So are searches where scanning
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
        let effort = self.effort(params, k, candidates);
        pool::run(
            &queries,
            self.dimension(),
            self.bytes_per_query(k, &effort),
            self.together(&effort),
            |chunk| self.search_chunk(chunk, k, &effort, select),
        )
    }

    /// Whether [`Index::search`] with these arguments would scan all that is allowed, and so be exact (over what the kind
    /// keeps).
    #[must_use]
    pub fn scans(&self, k: usize, params: &SearchParams, select: Select<'_>) -> bool {
        let candidates = self.candidates(select);
        let k = k.min(candidates);
        k == 0 || self.effort(params, k, candidates).breadth == Breadth::Exact
    }

    /// An upper bound of how many vectors a search may return.
    pub(crate) fn candidates(&self, select: Select<'_>) -> usize {
        match select {
            Select::Only(set) => set.len().min(self.len()),
            Select::Between(..) => select.rows(self.ids()).len(),
            Select::All | Select::Except(_) => self.len(),
        }
    }

    /// What a query finds that lies in the index under the id `own`, as if it did not.
    pub(crate) fn search_as_stranger(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        select: Select<'_>,
        own: i64,
    ) -> Result<Vec<Hit>> {
        let query = vectors::prepare(query, self.dimension(), self.metric())?;
        let candidates = self.candidates(select);
        let is_walked = matches!(
            self.kind().structure,
            Structure::Hnsw { .. } | Structure::Nsg { .. } | Structure::HnswRs { .. }
        );
        let (k, with_own) = (k.min(candidates), k.saturating_add(1).min(candidates));
        if k == 0 {
            return Ok(Vec::new());
        }
        let others = |mut hits: Vec<Hit>| {
            hits.retain(|hit| hit.id != own);
            hits.truncate(k);
            hits
        };
        let mut effort = self.effort(params, k, candidates);
        let mut wanted = k;
        if is_walked && effort.breadth != Breadth::Exact {
            effort.stranger = self.ids().binary_search(&own).ok();
        } else {
            wanted = with_own;
            effort = self.effort(params, wanted, candidates);
        }
        let mut answers = self.search_chunk(&query, wanted, &effort, select)?;
        let hits = others(answers.pop().unwrap_or_default());
        if hits.len() < k && wanted < with_own {
            // The walk found too few, and so everything was compared, the query's own row with it.
            return Ok(others(self.exact(&query, with_own, select)?));
        }
        Ok(hits)
    }

    fn together(&self, effort: &Effort) -> Together {
        match (effort.breadth, &self.kind().structure) {
            (Breadth::Wide(_), Structure::Hnsw { .. } | Structure::Nsg { .. }) => Together::Walked,
            _ => Together::Scanned,
        }
    }

    fn search_chunk(
        &self,
        queries: &[f32],
        k: usize,
        effort: &Effort,
        select: Select<'_>,
    ) -> Result<Vec<Vec<Hit>>> {
        let exact = effort.breadth == Breadth::Exact;
        if let Some(rows) = exact.then(|| self.few_rows(select)).flatten() {
            return queries
                .chunks_exact(self.dimension())
                .map(|query| self.scan_rows(query, k, &rows))
                .collect();
        }
        let products = self.reading().products();
        let (distances, ids) = self.raw().search(queries, k, effort, select, products)?;
        let answers = distances.chunks_exact(k).zip(ids.chunks_exact(k));
        let queries = queries.chunks_exact(self.dimension());
        answers
            .zip(queries)
            .map(|((distances, ids), query)| {
                let hits = self.hits(distances, ids, k);
                if !exact && hits.len() < k {
                    return self.exact(query, k, select);
                }
                Ok(hits)
            })
            .collect()
    }

    /// One query, everything scanned.
    fn exact(&self, query: &[f32], k: usize, select: Select<'_>) -> Result<Vec<Hit>> {
        let mut answers = self.search_chunk(query, k, &Effort::everything(), select)?;
        Ok(answers.pop().unwrap_or_default())
    }
}
