//! Every way in which the facade can fail, one sentence each: what was given, what was expected, what to do.
//!
//! The leaves' errors pass through unchanged. Nothing here is a catch-all string.

use std::path::PathBuf;

use storage::Key;

/// What the facade returns when something goes wrong.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong. `code()` gives a stable name for programs; `Display` gives the sentence for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder exists, holds something else, and no database.
    #[error("{} is not a vinedb database: it is a file, or holds other files and no LOCK; name an empty or a new folder, or the folder of a database", path.display())]
    NotADatabase {
        /// The folder given.
        path: PathBuf,
    },
    /// There is no such folder, and the caller did not ask for one to be made.
    #[error("there is no database at {}: check the path, or make one with `vinedb create`", path.display())]
    NoDatabase {
        /// The folder given.
        path: PathBuf,
    },
    /// Another process writes to this database.
    #[error("{} is being written by {holder}: stop that process, or open the database read-only", path.display())]
    Locked {
        /// The database folder.
        path: PathBuf,
        /// What the lock file says of the holder.
        holder: String,
    },
    /// A write through a read-only handle.
    #[error("cannot {action}: the database was opened read-only; open it for writing")]
    ReadOnly {
        /// What was asked for.
        action: &'static str,
    },
    /// No collection has this name.
    #[error("there is no collection {name:?}; this database has {}", list(known))]
    UnknownCollection {
        /// The name given.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A collection of this name is there already.
    #[error("collection {name:?} exists already: choose another name, or drop it first")]
    CollectionExists {
        /// The name given.
        name: String,
    },
    /// The handle outlived its collection.
    #[error("collection {name:?} was dropped")]
    Dropped {
        /// Its name.
        name: String,
    },
    /// A collection's name becomes a folder's name, so it is restricted.
    #[error(
        "collection name {name:?} is not allowed: use 1 to 64 letters, digits, '_' or '-', beginning with a letter or digit"
    )]
    BadName {
        /// The name given.
        name: String,
    },
    /// A value in a configuration, a query or a document is out of range or contradicts another.
    #[error("{field}: {given} was given, {expected} was expected")]
    Invalid {
        /// The field, as it is spelled in JSON.
        field: &'static str,
        /// What was given.
        given: String,
        /// What would have been right.
        expected: String,
    },
    /// The vector's length is not the collection's dimension.
    #[error(
        "{field} has dimension {given}, the collection's dimension is {expected}{source_of_dimension}"
    )]
    DimensionMismatch {
        /// Which vector: `vector`, or `document "key"`.
        field: String,
        /// Components given.
        given: usize,
        /// Components expected.
        expected: usize,
        /// Where the expectation comes from, such as ` (model all-MiniLM-L6-v2)`.
        source_of_dimension: String,
    },
    /// A vector holds NaN or an infinity.
    #[error("{field} holds {value} at component {component}: only finite numbers can be compared")]
    NotFinite {
        /// Which vector.
        field: String,
        /// The offending value.
        value: f32,
        /// Its position, from 0.
        component: usize,
    },
    /// A document without text and without vector.
    #[error("document {key}: {reason}")]
    UnusableDocument {
        /// The document's key.
        key: Key,
        /// What is missing or wrong.
        reason: String,
    },
    /// The same key twice in one call.
    #[error(
        "key {key} stands twice in the same batch (documents {first} and {second}, counted from 1): keep one of them"
    )]
    DuplicateKey {
        /// The key.
        key: Key,
        /// Position of the first, from 1.
        first: usize,
        /// Position of the second, from 1.
        second: usize,
    },
    /// No document has this key.
    #[error("there is no document with key {key}")]
    UnknownKey {
        /// The key given.
        key: Key,
    },
    /// Text was given to a collection of plain vectors.
    #[error(
        "collection {name:?} holds vectors of dimension {dimension} that were given, and has no model: search it by a vector or by a document (like), not by text"
    )]
    NoModel {
        /// The collection.
        name: String,
        /// Its dimension.
        dimension: usize,
    },
    /// The model under this name is not the one that made the collection's vectors.
    #[error(
        "collection {collection:?} was made with model {name:?} whose {field} is {locked}, but the model installed under that name has {installed}: put the original model back, or make a new collection"
    )]
    ModelMismatch {
        /// The collection.
        collection: String,
        /// The model's name.
        name: String,
        /// What differs.
        field: &'static str,
        /// What the collection was made with.
        locked: String,
        /// What is installed now.
        installed: String,
    },
    /// A template that cannot be compiled or rendered.
    #[error("template: {reason}")]
    Template {
        /// What is wrong, with the place.
        reason: String,
    },
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a snapshot, or is damaged.
    #[error("{} cannot be restored: {reason}; nothing was changed", path.display())]
    BadSnapshot {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Documents were deleted all the while an index was exported.
    #[error(
        "documents of collection {name:?} were deleted each time it was about to be exported: export it when fewer are"
    )]
    Changing {
        /// The collection.
        name: String,
    },
    /// The collection's stored configuration cannot be read.
    #[error("the configuration of collection {name:?} cannot be read: {source}")]
    BadConfig {
        /// The collection.
        name: String,
        /// What serde said.
        source: serde_json::Error,
    },
    /// The collection has an index that this build cannot make or read.
    #[error(
        "the index of collection {name:?} is {kind}, one of FAISS's, which this build is without: open it with one that has the cargo feature `faiss`, on by default"
    )]
    WithoutFaiss {
        /// The collection.
        name: String,
        /// Its index.
        kind: String,
    },
    /// From the index layer.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// From the embedder.
    #[error(transparent)]
    Embedder(#[from] embedder::Error),
    /// From the models of the cache folder.
    #[error(transparent)]
    Models(#[from] models::Error),
    /// From the document store.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl Error {
    /// Whether one document is at fault, so that others of the same batch may be fine.
    #[must_use]
    pub fn is_about_a_document(&self) -> bool {
        use storage::Error as S;
        match self {
            Self::UnusableDocument { .. }
            | Self::DimensionMismatch { .. }
            | Self::NotFinite { .. }
            | Self::DuplicateKey { .. }
            | Self::Template { .. }
            | Self::Engine(engine::Error::NormTooLarge { .. } | engine::Error::Negative { .. })
            | Self::Embedder(embedder::Error::Text { .. }) => true,
            Self::Storage(error) => matches!(
                error,
                S::EmptyKey | S::KeyTooLong { .. } | S::MetadataTooDeep { .. }
            ),
            _ => false,
        }
    }

    /// Whether the caller's own [`crate::Watch`] ended the work.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Engine(engine::Error::Cancelled))
    }

    /// An I/O error that names its path.
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.into(),
            source,
        }
    }

    pub(crate) fn invalid(
        field: &'static str,
        given: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            field,
            given: given.to_string(),
            expected: expected.into(),
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}
