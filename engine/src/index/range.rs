//! All vectors within a distance. Kinds that scan measure every row once; the others are searched for more and more
//! neighbours, until one lies beyond.

use crate::error::{Error, Result};
use crate::ids::{Hit, Select};
use crate::index::Index;
use crate::index::rows::best;
use crate::params::SearchParams;
use crate::spec::Structure;

/// Rows that are measured at once.
const BLOCK: usize = 1 << 16;

/// How many neighbours are asked for first.
const FIRST: usize = 64;

impl Index {
    /// All vectors whose distance from the query is at most the radius (for cosine and inner product: whose similarity
    /// is at least that), closest first, then by id; of more than `limit`, the closest. Distances are those that a search
    /// reports: for a kind that compresses, the codes'. What a search of the kind misses is missed here too, but under
    /// `exact`.
    ///
    /// # Errors
    /// [`Error::ParameterRange`] for a radius that is no number; what [`Index::add`] says about vectors.
    pub fn range(
        &self,
        query: &[f32],
        radius: f32,
        limit: usize,
        params: &SearchParams,
        select: Select<'_>,
    ) -> Result<Vec<Hit>> {
        let prepared = self.prepare_one(query)?;
        if radius.is_nan() {
            return Err(Error::ParameterRange {
                parameter: "radius",
                given: radius.to_string(),
                expected: "a number".to_owned(),
            });
        }
        let scans = params.exact
            || self.kind().structure == Structure::Scan && self.kind().refine.is_none();
        if scans && self.measures_rows() {
            return self.measured(&prepared, radius, limit, select);
        }
        self.searched(query, radius, limit, params, select)
    }

    fn is_within(&self, hit: &Hit, radius: f32) -> bool {
        self.metric().score(hit.distance) >= self.metric().score(radius)
    }

    /// Every allowed row is measured; what is kept never exceeds the limit by more than a block.
    fn measured(
        &self,
        query: &[f32],
        radius: f32,
        limit: usize,
        select: Select<'_>,
    ) -> Result<Vec<Hit>> {
        let mut kept: Vec<Hit> = Vec::new();
        let ids = self.ids();
        let range = select.rows(ids);
        for start in range.clone().step_by(BLOCK) {
            let end = (start + BLOCK).min(range.end);
            let allowed = (start..end).filter(|&row| select.allows(ids[row]));
            let rows: Vec<i64> = allowed.filter_map(|row| i64::try_from(row).ok()).collect();
            let hits = self.scan_rows(query, rows.len(), &rows)?;
            kept.extend(hits.into_iter().filter(|hit| self.is_within(hit, radius)));
            if kept.len() > limit {
                kept = best(kept, limit, self.metric());
            }
        }
        Ok(best(kept, limit, self.metric()))
    }

    fn searched(
        &self,
        query: &[f32],
        radius: f32,
        limit: usize,
        params: &SearchParams,
        select: Select<'_>,
    ) -> Result<Vec<Hit>> {
        let most = limit.min(self.candidates(select));
        let mut k = FIRST.min(most);
        loop {
            let mut hits = self
                .search(query, k, params, select)?
                .pop()
                .unwrap_or_default();
            let reached =
                hits.len() < k || hits.last().is_some_and(|hit| !self.is_within(hit, radius));
            if reached || k >= most {
                hits.retain(|hit| self.is_within(hit, radius));
                return Ok(hits);
            }
            k = k.saturating_mul(4).min(most);
        }
    }
}
