//! Adding in pieces: rows are stored first, and a graph links them all at once at the end.

use std::ffi::c_void;
use std::ops::ControlFlow;

use super::native::{
    Handle, StepCallback, vinedb_faiss_link, vinedb_faiss_reach, vinedb_faiss_store,
};
use super::steps::{Watched, go_on};
use super::{OwnedIndex, failure, status};
use crate::error::Result;

/// Rows between two steps of [`OwnedIndex::link`]. Mirrors `LINKED_PER_STEP` in shim/build_hnsw.cpp.
const LINKED_PER_STEP: usize = 1024;

/// Hears how many rows were gone over, and says whether to go on.
type Step<'a> = dyn FnMut(usize) -> ControlFlow<()> + 'a;

impl OwnedIndex {
    /// Adds one row per id, which [`OwnedIndex::link`] has to follow before anything else is done with the index. When FAISS
    /// fails at it, the index is empty afterwards.
    pub(crate) fn store(&mut self, ids: &[i64], vectors: &[f32]) -> Result<()> {
        const OPERATION: &str = "store vectors";
        let n = self.rows_in(vectors)?;
        if usize::try_from(n) != Ok(ids.len()) {
            return Err(failure(OPERATION, "there is not one id per vector"));
        }
        // SAFETY: an owned handle, n ids and n × dimension numbers.
        status(OPERATION, unsafe {
            vinedb_faiss_store(self.handle.as_ptr(), n, vectors.as_ptr(), ids.as_ptr())
        })
    }

    /// Links what was stored. When it fails, the index is empty afterwards.
    pub(crate) fn link(&mut self, step: &mut Step<'_>) -> Result<()> {
        self.watched("link vectors", step, |handle, go_on, context| {
            // SAFETY: an owned handle, and what `watched` passes on.
            unsafe { vinedb_faiss_link(handle, go_on, context) }
        })
    }

    /// Adds links to the rows of a graph, but the first `known`, that a short walk misses.
    pub(crate) fn reach(&mut self, known: usize, step: &mut Step<'_>) -> Result<()> {
        let known = i64::try_from(known).unwrap_or(i64::MAX);
        self.watched("look for vectors", step, |handle, go_on, context| {
            // SAFETY: an owned handle, and what `watched` passes on.
            unsafe { vinedb_faiss_reach(handle, known, go_on, context) }
        })
    }

    /// `step` is called as the work goes on, with how many rows it went over, and ends it with
    /// [`crate::Error::Cancelled`].
    fn watched(
        &mut self,
        operation: &'static str,
        step: &mut Step<'_>,
        work: impl FnOnce(*mut Handle, StepCallback, *mut c_void) -> i32,
    ) -> Result<()> {
        let mut rows = 0;
        let mut count = || {
            let answer = step(rows);
            rows += LINKED_PER_STEP;
            answer
        };
        let mut watched = Watched::new(&mut count);
        // `go_on` gets the `Watched` that it expects, which outlives the call.
        let code = work(self.handle.as_ptr(), go_on, (&raw mut watched).cast());
        watched.outcome()?;
        status(operation, code)
    }
}
