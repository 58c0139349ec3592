//! How a search goes: how far it looks, in which parts, and what comes of it. It answers with min(k, what the selection
//! allows) hits always: where a graph or the lists nearby do not yield that many, it scans. The index stays as it is.

use crate::batch;
use crate::ffi::{Breadth, Effort};
use crate::params::{DEFAULT_EF_SEARCH, DEFAULT_NPROBE, DEFAULT_RESCORE};
use crate::spec::{Codes, Structure};
use crate::{Hit, Index, Result, SearchParams, Select, vectors};

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
        batch::run(
            &queries,
            self.dimension(),
            self.bytes_per_query(k, &effort),
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
            Select::Between(..) => self.raw().row_range(select).len(),
            Select::All | Select::Except(_) => self.len(),
        }
    }

    /// What these parameters come to for this kind: how far a search looks, and how many candidates it looks at again.
    fn effort(&self, params: &SearchParams, k: usize, candidates: usize) -> Effort {
        let factor = match self.kind().refine {
            Some(_) => params.rescore.unwrap_or(DEFAULT_RESCORE).max(1),
            None => 1,
        };
        let breadth = if params.exact {
            Breadth::Exact
        } else {
            self.breadth(params, k.saturating_mul(factor).min(self.len()), candidates)
        };
        Effort {
            breadth,
            factor,
            max_codes: params.max_codes.unwrap_or(0),
        }
    }

    /// A graph search costs about ef × m distances, and FAISS's queue ef² steps; a scan costs a distance per candidate.
    /// `wanted` are the answers of the part that is searched, before a second look.
    fn breadth(&self, params: &SearchParams, wanted: usize, candidates: usize) -> Breadth {
        match self.kind().structure {
            Structure::Scan if self.kind().refine.is_some() => Breadth::Wide(1),
            Structure::Scan => Breadth::Exact,
            Structure::Hnsw { m } | Structure::Nsg { r: m } | Structure::HnswRs { m, .. } => {
                let ef = params.ef_search.unwrap_or(DEFAULT_EF_SEARCH).max(wanted);
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

    /// What FAISS allocates for a query: results, candidates for a second look, the lists to read, tables of distances.
    fn bytes_per_query(&self, k: usize, effort: &Effort) -> usize {
        const PAIR: usize = size_of::<f32>() + size_of::<i64>();
        let lists = match (self.kind().structure, effort.breadth) {
            (Structure::Ivf { nlist, .. }, Breadth::Exact) => nlist,
            (Structure::Ivf { .. }, Breadth::Wide(nprobe)) => nprobe,
            _ => 0,
        };
        let tables = match self.kind().codes {
            Codes::Pq { m, bits } => (m << bits) * size_of::<f32>(),
            // Numbers of 1 and of 4 bytes, for each list where the codes are of residuals.
            Codes::PqFastScan { m, residual } => {
                m * 16 * 5 * if residual { lists.max(1) } else { 1 }
            }
            Codes::Flat | Codes::Scalar(_) | Codes::RaBitQ | Codes::Lsh { .. } => 0,
        };
        let answers = k.saturating_mul(effort.factor).min(self.len()) + k;
        let vector = self.kind().inner_dimension(self.dimension()) * size_of::<f32>();
        answers
            .saturating_mul(2)
            .saturating_add(lists)
            .saturating_mul(PAIR)
            .saturating_add(tables + vector)
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
        let everything = Effort {
            breadth: Breadth::Exact,
            factor: 1,
            max_codes: 0,
        };
        let mut answers = self.search_chunk(query, k, &everything, select)?;
        Ok(answers.pop().unwrap_or_default())
    }
}
