//! What is in a plain FAISS file.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use engine::{Foreign, Index, Kind, Metric};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// Documents per transaction, and keys read at a time.
pub(super) const CHUNK: usize = 4_096;

/// What an index file of FAISS holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexFile {
    /// Its factory string.
    pub index: Kind,
    /// How it compares vectors.
    pub metric: Metric,
    /// Components of each vector.
    pub dimension: usize,
    /// How many vectors there are.
    pub vectors: usize,
    /// Whether whole vectors are in it; if not, the vectors of an import are what its codes tell of them.
    pub whole: bool,
}

impl IndexFile {
    pub(super) fn of(index: &Index) -> Self {
        Self {
            index: index.kind().clone(),
            metric: index.kind().native_metric(index.metric()),
            dimension: index.dimension(),
            vectors: index.len(),
            whole: index.kind().is_lossless(),
        }
    }

    pub(super) fn found(foreign: &Foreign) -> Self {
        Self {
            index: foreign.kind().clone(),
            metric: foreign.metric(),
            dimension: foreign.dimension(),
            vectors: foreign.ids().len(),
            whole: foreign.kind().is_lossless(),
        }
    }
}

impl fmt::Display for IndexFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            index,
            metric,
            dimension,
            vectors,
            ..
        } = self;
        write!(
            formatter,
            "an index {index} of {vectors} vectors of dimension {dimension}, metric {metric}"
        )
    }
}

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exported {
    /// What is in the file.
    #[serde(flatten)]
    pub file: IndexFile,
    /// Whether the vectors are scaled to length 1, as a collection with the metric cosine has them.
    pub unit_length: bool,
    /// Where the key of each id stands, as JSON Lines of `{"id", "key"}`, and `"start"` and `"end"` of the passage where texts are
    /// cut; absent where the ids are the keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<PathBuf>,
}

/// Reads an index file of FAISS and says what it holds. A file that FAISS does not survive ends the process: do it in one of its
/// own, with bounds on its memory, where the file may be damaged or hostile.
///
/// # Errors
/// A file that cannot be read, or is no index that vinedb knows.
pub fn inspect_index(path: impl AsRef<Path>) -> Result<IndexFile> {
    Ok(IndexFile::found(&Foreign::read(path.as_ref())?))
}
