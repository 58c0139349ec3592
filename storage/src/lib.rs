//! Ids in, records out: the documents of one collection, their metadata and their vectors, in one SQLite file.
//!
//! ```
//! use vinedb_storage::{Filter, Key, NewDocument, Store};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("documents.sqlite");
//! let store = Store::create(&path, "{}", 2)?;
//! let (key, metadata) = (Key::from("barolo"), serde_json::json!({"country": "Italy", "price": 42}));
//! let metadata = metadata.as_object().expect("an object");
//! let written = store.upsert(&[NewDocument { key: &key, text: Some("Tar and roses"), metadata, passages: &[], vector: &[0.6, 0.8] }])?;
//!
//! let reader = store.read()?;
//! let ids = reader.matching(&Filter::eq("country", "Italy").and(Filter::gt("price", 40)))?;
//! assert_eq!(ids, written.ids);
//! let record = reader.records(&ids, true)?.remove(0).expect("it is alive");
//! assert_eq!((record.key, record.metadata["price"].as_i64(), record.vector), (key, Some(42), Some(vec![0.6, 0.8])));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariant: this file is the truth. A write is on the disk when its call returns; a [`Reader`] sees one moment; an internal id is
//! given once. It knows nothing of indexes but the name of the sealed one, and ranks nothing.
#![forbid(unsafe_code)]

mod check;
mod clusterings;
mod column;
mod connection;
mod documents;
mod error;
mod filter;
mod jsonb;
mod key;
mod labels;
mod passages;
mod pool;
mod publish;
mod reader;
mod record;
mod schema;
mod seal;
mod store;
mod vector;
mod vectors;

pub use clusterings::{
    Cluster, Clustering, Label, MAX_CLUSTERINGS, NewClustering, check_clustering_name,
};
pub use error::{Error, Result, Source};
pub use filter::Filter;
pub use key::Key;
pub use labels::{Labelled, NewLabels};
pub use reader::Reader;
pub use record::{
    MAX_DIMENSION, MAX_METADATA_DEPTH, Metadata, NewDocument, Passage, Record, Removed, Written,
};
pub use seal::Seal;
pub use store::{Access, Store};
