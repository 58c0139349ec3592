//! vinedb: an embedded vector similarity search database.
//!
//! One folder on disk holds a database. Text goes in, a BERT-family ONNX model makes it a vector, FAISS searches vectors,
//! SQLite holds the documents, and a search answers with whole records.
//!
//! ```
//! use std::sync::Arc;
//! use vinedb::{CollectionConfig, Document, Filter, HashEmbedder, Options, Query};
//!
//! # fn main() -> vinedb::Result<()> {
//! let dir = tempfile::tempdir().unwrap();
//! // `Database::open(dir)` takes the real model; this stand-in compares words and needs no model on the machine.
//! let db = Options::default().embedder(Arc::new(HashEmbedder::new(64))).open(dir.path())?;
//! let wines = db.create_collection("wines", CollectionConfig::embedded())?;
//! wines.upsert(vec![
//!     Document::new("a", "a light red with cherries").metadata(serde_json::json!({"price": 14})),
//!     Document::new("b", "a rich white with butter and oak").metadata(serde_json::json!({"price": 31})),
//! ])?;
//! let answer = wines.search(&Query::text("light red").top_k(5).filter(Filter::lt("price", 20)))?;
//! assert_eq!(answer.matches[0].key, "a".into());
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod cluster;
mod collection;
mod config;
mod database;
mod document;
mod error;
mod exchange;
mod folder;
#[cfg(feature = "http")]
pub mod http;
mod lock;
mod query;
mod search;
mod snapshot;
mod space;
mod template;

mod write;

pub use cluster::{
    Choice, Cluster, ClusterOptions, Clusters, Criterion, K, MAX_CLUSTERS, Member, Place,
};
pub use collection::passages::Passage;
pub use collection::{Collection, Page, Stats, Upserted};
pub use config::{CollectionConfig, MAX_DIMENSION, Vectors};
pub use database::{Database, Options};
pub use document::{Document, MAX_TEXT_BYTES};
pub use embedder::{
    Border, Caller, Chunk, Embed, Embeddings, Error as EmbeddingError, HashEmbedder, Identity,
    Options as EmbeddingOptions, Pending, Purpose,
};
pub use engine::{
    Codes, Curve, Device, IndexSpec, Kind, Metric, Progress, Refine, Rung, Scalar, Score,
    SearchParams, Stage, Structure, Transform, Watch, unwatched, with_threads,
};
pub use error::{Error, Result};
pub use exchange::{Exported, ImportedIndex, IndexFile, inspect_index};
pub use models;
pub use query::{Answer, MAX_TOP_K, Match, Mode, Plan, Query, Strategy, With};
pub use search::rerank::{MAX_CANDIDATES, Rerank};
pub use snapshot::{Entry, Manifest};
pub use storage::{Filter, Key, Metadata};
pub use template::Template;
