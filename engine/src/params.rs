//! How hard one query searches. A search ignores what does not fit its kind of index; [`SearchParams::check`] tells.

use serde::{Deserialize, Serialize};

use crate::{Error, Kind, Result};

/// The `ef_search` of a query that names none.
pub const DEFAULT_EF_SEARCH: usize = 64;

/// The `nprobe` of a query that names none.
pub const DEFAULT_NPROBE: usize = 16;

/// How hard to search; everything left out has its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchParams {
    /// HNSW: how many candidates a search keeps; more is slower and finds more. Default 64, never below k.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ef_search: Option<usize>,
    /// IVF: how many lists a search reads; more is slower and finds more. Default 16, at most nlist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nprobe: Option<usize>,
    /// Scan everything. Exact for the kinds that keep whole vectors; for SQ8, exact over the bytes it keeps.
    pub exact: bool,
}

impl SearchParams {
    /// Whether these parameters make sense for an index of this kind.
    ///
    /// # Errors
    /// [`Error::ParameterMismatch`] for a parameter of another kind, [`Error::ParameterRange`] for 0.
    pub fn check(&self, kind: Kind) -> Result<()> {
        at_least_one("ef_search", self.ef_search)?;
        at_least_one("nprobe", self.nprobe)?;
        let (ef_search, nprobe, fits) = match kind {
            Kind::Flat => (false, false, "only exact"),
            Kind::Hnsw { .. } => (true, false, "ef_search and exact"),
            Kind::Ivf { .. } => (false, true, "nprobe and exact"),
        };
        let mismatch = |parameter| {
            Err(Error::ParameterMismatch {
                parameter,
                kind,
                fits,
            })
        };
        if self.ef_search.is_some() && !ef_search {
            return mismatch("ef_search");
        }
        if self.nprobe.is_some() && !nprobe {
            return mismatch("nprobe");
        }
        Ok(())
    }
}

fn at_least_one(parameter: &'static str, value: Option<usize>) -> Result<()> {
    match value {
        Some(0) => Err(Error::ParameterRange {
            parameter,
            given: 0,
            expected: "1 or more".to_owned(),
        }),
        _ => Ok(()),
    }
}
