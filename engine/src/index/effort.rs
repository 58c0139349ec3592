//! What a query's parameters come to for an index of its kind: how far it looks, how many candidates it looks at again,
//! what memory that takes.

use crate::index::Index;
use crate::params::{DEFAULT_EF_SEARCH, DEFAULT_NPROBE, DEFAULT_RESCORE, SearchParams};
use crate::spec::{Codes, Structure};

/// How far a search looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breadth {
    /// At everything.
    Exact,
    /// HNSW's and NSG's efSearch or IVF's nprobe.
    Wide(usize),
}

/// What a search spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effort {
    pub(crate) breadth: Breadth,
    /// Candidates per answer for the second look, where the kind has one; else 1.
    pub(crate) factor: usize,
    /// IVF: no more vectors than these are looked at; 0 for no limit.
    pub(crate) max_codes: usize,
    /// Graphs: a row that is neither found nor walked through.
    pub(crate) stranger: Option<usize>,
}

impl Effort {
    /// Everything is compared, once.
    pub(crate) fn everything() -> Self {
        Self {
            breadth: Breadth::Exact,
            factor: 1,
            max_codes: 0,
            stranger: None,
        }
    }
}

impl Index {
    /// What these parameters come to for this kind: how far a search looks, and how many candidates it looks at again.
    pub(crate) fn effort(&self, params: &SearchParams, k: usize, candidates: usize) -> Effort {
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
            stranger: None,
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
    pub(crate) fn bytes_per_query(&self, k: usize, effort: &Effort) -> usize {
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
}
