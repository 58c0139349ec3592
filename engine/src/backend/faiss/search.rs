//! Searching, measuring and reading back rows. Everything here takes `&RawIndex` and is single-threaded.

use super::native::{Ask, vinedb_faiss_distances, vinedb_faiss_reconstruct, vinedb_faiss_search};
use super::{RawIndex, failure, native, status};
use crate::error::Result;
use crate::ids::Select;
use crate::index::effort::{Breadth, Effort};

impl RawIndex {
    /// The k nearest of each query: distances and ids, row-major, closest first, id -1 where there are fewer.
    /// k is at most the number of rows. With `products`, whole vectors that were indexed under L2 are measured by inner
    /// product.
    pub(crate) fn search(
        &self,
        queries: &[f32],
        k: usize,
        effort: &Effort,
        select: Select<'_>,
        products: bool,
    ) -> Result<(Vec<f32>, Vec<i64>)> {
        const OPERATION: &str = "search";
        let n = self.rows_in(queries)?;
        if k == 0 || k > self.ids().len() {
            return Err(failure(OPERATION, "k is not from 1 to the number of rows"));
        }
        let total = (queries.len() / self.dimension)
            .checked_mul(k)
            .ok_or_else(|| failure(OPERATION, "the answer is too large"))?;
        let (mut distances, mut ids) = (vec![0.0; total], vec![-1; total]);
        let ask = self.ask(k, effort, select, products);
        // SAFETY: a live handle, n × dimension numbers, a bitmap of the length given that outlives the call (or null),
        // a range within the rows, and room for n × k distances and ids.
        status(OPERATION, unsafe {
            vinedb_faiss_search(
                self.handle.as_ptr(),
                n,
                queries.as_ptr(),
                &raw const ask,
                distances.as_mut_ptr(),
                ids.as_mut_ptr(),
            )
        })?;
        Ok((distances, ids))
    }

    fn ask(&self, k: usize, effort: &Effort, select: Select<'_>, products: bool) -> Ask {
        let breadth = match effort.breadth {
            Breadth::Exact => -1,
            Breadth::Wide(wide) => i64::from(i32::try_from(wide.max(1)).unwrap_or(i32::MAX)),
        };
        let (set, except) = match select {
            Select::All | Select::Between(..) => (None, false),
            Select::Only(set) => (Some(set), false),
            Select::Except(set) => (Some(set), true),
        };
        let range = select.rows(self.ids());
        Ask {
            k: native(k),
            breadth,
            factor: native(effort.factor.max(1)),
            max_codes: native(effort.max_codes),
            bits: set.map_or(std::ptr::null(), |set| set.bits().as_ptr()),
            bytes: set.map_or(0, |set| set.bits().len()),
            first: native(range.start),
            last: native(range.end),
            except,
            products,
            stranger: effort.stranger.map_or(-1, native),
        }
    }

    /// The distance from the query to each of the rows. Not for IVF that keeps codes without a second look.
    pub(crate) fn distances(
        &self,
        query: &[f32],
        rows: &[i64],
        products: bool,
    ) -> Result<Vec<f32>> {
        const OPERATION: &str = "measure distances";
        let inside = 0..native(self.ids().len());
        if query.len() != self.dimension || !rows.iter().all(|row| inside.contains(row)) {
            return Err(failure(
                OPERATION,
                "a row is not in the index, or the query has another dimension",
            ));
        }
        let mut distances = vec![0.0; rows.len()];
        // SAFETY: a live handle, one query of the index's dimension, rows of the index, and room for a distance each.
        status(OPERATION, unsafe {
            vinedb_faiss_distances(
                self.handle.as_ptr(),
                query.as_ptr(),
                products,
                rows.len(),
                rows.as_ptr(),
                distances.as_mut_ptr(),
            )
        })?;
        Ok(distances)
    }

    /// What is kept of these rows, ascending, as vectors (row-major).
    pub(crate) fn reconstruct(&self, rows: &[i64]) -> Result<Vec<f32>> {
        const OPERATION: &str = "read vectors back";
        let inside = 0..native(self.ids().len());
        let ascending = rows.is_sorted_by(|one, two| one < two);
        if !ascending || !rows.iter().all(|row| inside.contains(row)) {
            return Err(failure(
                OPERATION,
                "rows are not in the index or not in order",
            ));
        }
        let mut vectors = vec![0.0; rows.len() * self.dimension];
        // SAFETY: a live handle, ascending rows of the index, and room for a vector each.
        status(OPERATION, unsafe {
            vinedb_faiss_reconstruct(
                self.handle.as_ptr(),
                rows.len(),
                rows.as_ptr(),
                vectors.as_mut_ptr(),
            )
        })?;
        Ok(vectors)
    }
}
