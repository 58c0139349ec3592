//! The state of a collection. It is the HTTP body.

use embedder::Identity;
use engine::Curve;
use serde::{Deserialize, Serialize};

use crate::config::CollectionConfig;

/// The state of a collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stats {
    /// The collection's name.
    pub name: String,
    /// Documents in it.
    pub documents: u64,
    /// Passages that they are cut into, each with a vector; absent where texts are not chunked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passages: Option<u64>,
    /// How it was created.
    pub config: CollectionConfig,
    /// Components of each vector.
    pub dimension: usize,
    /// The model that it is locked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Identity>,
    /// Which kind of search a query gets, over how many vectors, and how long it takes: measured when the index was sealed, or
    /// now where none is. While there are too few vectors for the index that was asked for, also how many it takes.
    pub explanation: String,
    /// The index and files in this process; absent where another engine holds the documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalStats>,
}

/// The state of a collection's index and files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LocalStats {
    /// The kind of the sealed index, a FAISS factory string; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// The settings of the sealed index that are worth having, with their measured recall and latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curve: Option<Curve>,
    /// Vectors in the sealed index.
    pub sealed: usize,
    /// Vectors added since, which are compared one by one.
    pub fresh: usize,
    /// Deleted vectors that the indexes still hold.
    pub deleted: usize,
    /// How often the index was sealed.
    pub generation: u64,
    /// How many writes the collection has seen.
    pub sequence: u64,
    /// Memory of the indexes, in bytes.
    pub memory_bytes: usize,
    /// Size of the collection's folder on disk, in bytes.
    pub disk_bytes: u64,
}
