//! Training, and taking rows out.

use std::ops::ControlFlow;

use super::native::{vinedb_faiss_remove, vinedb_faiss_train};
use super::steps::{Watched, go_on};
use super::{OwnedIndex, status};
use crate::error::Result;
use crate::ids::IdSet;

impl OwnedIndex {
    /// Trains on the vectors; `step` is called before each step of it, and may end it. When that fails, the index is
    /// half trained, and of no use.
    pub(crate) fn train(
        &mut self,
        vectors: &[f32],
        step: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<()> {
        let n = self.rows_in(vectors)?;
        let mut watched = Watched::new(step);
        // SAFETY: an owned handle, n × dimension numbers; `go_on` gets the `Watched` that it expects, which outlives the
        // call.
        let code = unsafe {
            vinedb_faiss_train(
                self.handle.as_ptr(),
                n,
                vectors.as_ptr(),
                go_on,
                (&raw mut watched).cast(),
            )
        };
        watched.outcome()?;
        status("train an index", code)
    }

    /// Takes out the rows of these ids; how many there were. Not for graphs, nor for what is mapped. When FAISS fails at
    /// it, the index is empty afterwards.
    pub(crate) fn remove(&mut self, ids: &IdSet) -> Result<usize> {
        let mut removed = 0;
        let bits = ids.bits();
        // SAFETY: an owned handle, a bitmap of the length given that outlives the call, and room for the number.
        status("remove vectors", unsafe {
            vinedb_faiss_remove(
                self.handle.as_ptr(),
                bits.as_ptr(),
                bits.len(),
                &raw mut removed,
            )
        })?;
        Ok(removed)
    }
}
