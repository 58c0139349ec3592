//! Stored vectors, page by page, so that no read transaction stays open for long.

use std::ops::ControlFlow;

use storage::Reader;

use crate::error::Result;

/// Vectors read from the store at a time.
pub(crate) const PAGE: usize = 4_096;

/// The next live rows with ids in `(after, last_id]`, at most [`PAGE`] of them: ids, and row-major vectors.
pub(crate) fn page(reader: &Reader<'_>, after: i64, last_id: i64) -> Result<(Vec<i64>, Vec<f32>)> {
    let mut ids = Vec::new();
    let mut vectors = Vec::new();
    reader.for_each_vector(after, &mut |id, vector| {
        if id > last_id {
            return ControlFlow::Break(());
        }
        ids.push(id);
        vectors.extend_from_slice(vector);
        if ids.len() < PAGE {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    Ok((ids, vectors))
}
