//! What a write brings to a backend: documents with their vectors, and what of a batch was there already.

use std::ops::{Range, RangeInclusive};

use storage::{Key, Metadata};

/// A document with its vectors.
pub(crate) struct Row {
    pub(crate) key: Key,
    pub(crate) text: Option<String>,
    pub(crate) metadata: Metadata,
    /// The bytes of the text that have a vector each; none where the document as a whole has one.
    pub(crate) passages: Vec<Range<usize>>,
    /// Row-major.
    pub(crate) vectors: Vec<f32>,
}

/// A row that need not be written as long as the backend holds its version `id`.
pub(crate) struct Unchanged {
    pub(crate) id: i64,
    pub(crate) row: Row,
}

/// Documents to be written, all or none.
pub(crate) struct Batch {
    pub(crate) rows: Vec<Row>,
    /// What the backend held already, exactly so, at the write numbered `sequence`.
    pub(crate) unchanged: Vec<Unchanged>,
    pub(crate) sequence: u64,
}

/// What came of a batch.
pub(crate) struct Stored {
    /// The ids of the new versions, in the order of the batch's rows.
    pub(crate) ids: Vec<i64>,
    pub(crate) updated: usize,
    pub(crate) unchanged: usize,
}

/// What the backend holds under a key.
pub(crate) struct Version {
    pub(crate) id: i64,
    pub(crate) key: Key,
    pub(crate) metadata: Metadata,
    pub(crate) passages: Vec<Range<usize>>,
    pub(crate) vectors: Vec<f32>,
}

/// The versions under the keys of a batch, where the text is the same, as of the write numbered `sequence`.
pub(crate) struct Versions {
    pub(crate) sequence: u64,
    pub(crate) found: Vec<Option<Version>>,
}

/// A text and its vector.
pub(crate) type Worded = (String, Vec<f32>);

/// The ids of the vectors of the document `id`, of which the last is its own.
pub(crate) fn vector_ids(id: i64, passages: usize) -> RangeInclusive<i64> {
    let others = passages.saturating_sub(1);
    id - i64::try_from(others).unwrap_or(0)..=id
}
