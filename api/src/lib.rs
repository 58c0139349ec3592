//! vinedb: an embedded vector similarity search database.
//!
//! One folder on disk holds a database. Text goes in, a BERT-family ONNX model embeds it, FAISS searches the vectors, SQLite
//! holds the documents, and a search answers with whole records.
//!
//! ```
//! use std::sync::Arc;
//! use vinedb::{CollectionConfig, Document, Filter, Options, Query, embed::HashEmbedder};
//!
//! # fn main() -> vinedb::Result<()> {
//! let dir = tempfile::tempdir().unwrap();
//! // `Options::from_env().open(dir)` takes the real model; this stand-in compares words and needs no model on the machine.
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
//! The library reads nothing from the environment unless asked to ([`Options::from_env`]), writes nothing outside the folders
//! that it is given, and logs through `tracing`.
#![forbid(unsafe_code)]

pub mod answer;
mod backend;
pub mod cluster;
mod collection;
mod config;
mod database;
mod document;
mod documents;
mod error;
mod exchange;
mod folder;
#[cfg(feature = "http")]
pub mod http;
mod lock;
mod page;
pub mod query;
mod search;
pub mod snapshot;
mod space;
pub mod stats;
mod template;
mod write;

pub use answer::{Answer, Match};
pub use collection::{Collection, Documents};
pub use config::{CollectionConfig, Vectors};
pub use database::{Database, Options};
pub use document::Document;
pub use engine::{IndexSpec, Metric, SearchParams};
pub use error::{Cause, Error, Result};
pub use models;
pub use page::{Cursor, Page};
pub use query::Query;
pub use stats::Stats;
pub use storage::{Filter, Key, Metadata};
pub use template::Template;
pub use write::Upserted;

/// Embedding models: the trait, its options, and a deterministic stand-in.
pub mod embed {
    pub use embedder::{
        Border, Caller, Chunk, Embed, Embeddings, Error, HashEmbedder, Identity, Options, Pending,
        Purpose,
    };
}

/// Index kinds and their search parameters, building with progress, and plain FAISS files.
pub mod index {
    pub use crate::exchange::{Exported, ImportedIndex, IndexFile, inspect_index as inspect};
    pub use engine::{
        Codes, Curve, Device, IndexSpec, Kind, Metric, Progress, Refine, Rung, Scalar,
        SearchParams, Stage, Structure, Transform, Watch, unwatched, with_threads,
    };
}
