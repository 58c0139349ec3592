//! Every way in which the facade can fail, one sentence each: what was given, what was expected, what to do.
//!
//! No error of the engine, the embedder or the store shows: what callers can act on is a variant with its facts, and the rest
//! is behind an opaque [`Cause`]. Nothing here is a catch-all string.

mod embedder;
mod engine;
mod models;
mod storage;

use std::path::PathBuf;

use ::storage::Key;

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
    /// The collection, or its database, was closed.
    #[error("{} was closed: open it again", path.display())]
    Closed {
        /// Its folder.
        path: PathBuf,
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
    /// No folder of models was named.
    #[error(
        "no model folder was named, so model {name:?} cannot be found: open the database with `Options::from_env()`, or name the folder with `Options::home`"
    )]
    NoModelFolder {
        /// The model.
        name: String,
    },
    /// The model is not in the folder of models.
    #[error("{cause}")]
    UnknownModel {
        /// The name given.
        name: String,
        /// Where models are looked for.
        folder: PathBuf,
        /// The names there are.
        known: Vec<String>,
        /// The sentence.
        cause: Cause,
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
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
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
    /// A vector so long that its distances overflow.
    #[error("{cause}")]
    VectorTooLarge {
        /// The longest that a vector may be.
        maximum: f32,
        /// The sentence.
        cause: Cause,
    },
    /// A negative component, where the metric has no meaning for one.
    #[error("{cause}")]
    NegativeComponent {
        /// Its position, from 0.
        component: usize,
        /// The sentence.
        cause: Cause,
    },
    /// An index that does not exist, or not for this dimension or metric.
    #[error("{cause}")]
    BadIndex {
        /// What was given.
        given: String,
        /// The sentence.
        cause: Cause,
    },
    /// A metric that does not exist.
    #[error("{cause}")]
    BadMetric {
        /// What was given.
        given: String,
        /// The sentence.
        cause: Cause,
    },
    /// A device that does not exist, or that this build cannot use.
    #[error("{cause}")]
    BadDevice {
        /// What was given.
        given: String,
        /// The sentence.
        cause: Cause,
    },
    /// A search parameter that is out of range, contradicts another, or does not fit the index.
    #[error("{cause}")]
    BadParameter {
        /// The parameter, as it is spelled in JSON.
        parameter: &'static str,
        /// The sentence.
        cause: Cause,
    },
    /// An operation that this kind of index does not have.
    #[error("{cause}")]
    Unsupported {
        /// The operation.
        operation: &'static str,
        /// The sentence.
        cause: Cause,
    },
    /// Too few vectors to train this kind of index.
    #[error("{cause}")]
    Untrained {
        /// How many vectors there are; absent where that is not the trouble.
        given: Option<usize>,
        /// How many it takes.
        minimum: Option<usize>,
        /// The sentence.
        cause: Cause,
    },
    /// A file that is no FAISS index, or none that can be imported.
    #[error("{cause}")]
    BadIndexFile {
        /// The file.
        path: PathBuf,
        /// The sentence.
        cause: Cause,
    },
    /// More vectors than an index holds.
    #[error("{cause}")]
    IndexFull {
        /// The most vectors it holds.
        maximum: usize,
        /// The sentence.
        cause: Cause,
    },
    /// The work was cancelled, by the caller's [`Watch`](crate::index::Watch) or because nobody waited for it any more.
    #[error("{cause}")]
    Cancelled {
        /// The sentence.
        cause: Cause,
    },
    /// The index failed.
    #[error(transparent)]
    Index(Cause),
    /// Too many texts are waiting for the model.
    #[error("{cause}")]
    Overloaded {
        /// How many wait.
        queued: usize,
        /// How many may.
        limit: usize,
        /// The sentence.
        cause: Cause,
    },
    /// A text that the model cannot embed.
    #[error("{cause}")]
    Text {
        /// Its position in the call, from 0.
        index: usize,
        /// The sentence.
        cause: Cause,
    },
    /// The model was closed before the text was embedded.
    #[error("{cause}")]
    Stopping {
        /// The sentence.
        cause: Cause,
    },
    /// A model or ONNX Runtime is missing, damaged or failed.
    #[error(transparent)]
    Model(Cause),
    /// A key that is empty or too long.
    #[error("{cause}")]
    BadKey {
        /// The sentence.
        cause: Cause,
    },
    /// Metadata nested too deep.
    #[error("{cause}")]
    MetadataTooDeep {
        /// The document's key.
        key: Key,
        /// The most levels there may be.
        limit: usize,
        /// The sentence.
        cause: Cause,
    },
    /// A filter that is malformed or too large.
    #[error("{cause}")]
    BadFilter {
        /// The sentence, which names the field.
        cause: Cause,
    },
    /// No clustering of the collection has this name.
    #[error("{cause}")]
    UnknownClustering {
        /// The name given.
        name: String,
        /// The names there are.
        known: Vec<String>,
        /// The sentence.
        cause: Cause,
    },
    /// A clustering has no such cluster.
    #[error("{cause}")]
    UnknownCluster {
        /// The clustering.
        clustering: String,
        /// The number or the name given.
        given: String,
        /// The sentence.
        cause: Cause,
    },
    /// A name that a clustering or a cluster may not have.
    #[error("{cause}")]
    BadClusterName {
        /// The name given.
        name: String,
        /// The sentence.
        cause: Cause,
    },
    /// A clustering or a cluster of this name exists already, or there are too many clusterings.
    #[error("{cause}")]
    ClusteringConflict {
        /// The sentence.
        cause: Cause,
    },
    /// Another process holds the collection's file for the moment.
    #[error(transparent)]
    Busy(Cause),
    /// The disk is full; nothing was changed.
    #[error(transparent)]
    DiskFull(Cause),
    /// The collection's file or its folder cannot be written.
    #[error("{cause}")]
    ReadOnlyFile {
        /// The file.
        path: PathBuf,
        /// The sentence.
        cause: Cause,
    },
    /// The document store failed, or its file is damaged.
    #[error(transparent)]
    Store(Cause),
}

/// What lies behind an error: it displays as the sentence, and its [`source`](std::error::Error::source) is what the system or
/// a library reported.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Cause(Box<dyn std::error::Error + Send + Sync>);

impl Cause {
    fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}

impl Error {
    /// A stable name for programs, in snake case. HTTP answers with it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotADatabase { .. } => "not_a_database",
            Self::NoDatabase { .. } => "no_database",
            Self::Locked { .. } => "locked",
            Self::ReadOnly { .. } | Self::ReadOnlyFile { .. } => "read_only",
            Self::UnknownCollection { .. } | Self::Dropped { .. } => "unknown_collection",
            Self::Closed { .. } => "closed",
            Self::CollectionExists { .. } => "collection_exists",
            Self::BadName { .. } => "bad_name",
            Self::Invalid { .. } => "invalid",
            Self::DimensionMismatch { .. } => "dimension_mismatch",
            Self::NotFinite { .. } => "not_finite",
            Self::UnusableDocument { .. } => "unusable_document",
            Self::DuplicateKey { .. } => "duplicate_key",
            Self::UnknownKey { .. } => "unknown_key",
            Self::NoModel { .. } => "no_model",
            Self::NoModelFolder { .. } => "no_model_folder",
            Self::UnknownModel { .. } => "unknown_model",
            Self::ModelMismatch { .. } => "model_mismatch",
            Self::Template { .. } => "template",
            Self::Io { .. } => "io",
            Self::BadSnapshot { .. } => "bad_snapshot",
            Self::Changing { .. } => "changing",
            Self::BadConfig { .. } => "bad_config",
            Self::WithoutFaiss { .. } => "without_faiss",
            Self::VectorTooLarge { .. } => "vector_too_large",
            Self::NegativeComponent { .. } => "negative_component",
            Self::BadIndex { .. } => "bad_index",
            Self::BadMetric { .. } => "bad_metric",
            Self::BadDevice { .. } => "bad_device",
            Self::BadParameter { .. } => "bad_parameter",
            Self::Unsupported { .. } => "unsupported",
            Self::Untrained { .. } => "untrained",
            Self::BadIndexFile { .. } => "bad_index_file",
            Self::IndexFull { .. } => "index_full",
            Self::Cancelled { .. } => "cancelled",
            Self::Index(_) => "index",
            Self::Overloaded { .. } => "overloaded",
            Self::Text { .. } => "text",
            Self::Stopping { .. } => "stopping",
            Self::Model(_) => "model",
            Self::BadKey { .. } => "bad_key",
            Self::MetadataTooDeep { .. } => "metadata_too_deep",
            Self::BadFilter { .. } => "bad_filter",
            Self::UnknownClustering { .. } => "unknown_clustering",
            Self::UnknownCluster { .. } => "unknown_cluster",
            Self::BadClusterName { .. } => "bad_cluster_name",
            Self::ClusteringConflict { .. } => "clustering_conflict",
            Self::Busy(_) => "busy",
            Self::DiskFull(_) => "disk_full",
            Self::Store(_) => "storage",
        }
    }

    /// Whether one document is at fault, so that others of the same batch may be fine.
    #[must_use]
    pub fn is_about_a_document(&self) -> bool {
        matches!(
            self,
            Self::UnusableDocument { .. }
                | Self::DimensionMismatch { .. }
                | Self::NotFinite { .. }
                | Self::DuplicateKey { .. }
                | Self::Template { .. }
                | Self::VectorTooLarge { .. }
                | Self::NegativeComponent { .. }
                | Self::Text { .. }
                | Self::BadKey { .. }
                | Self::MetadataTooDeep { .. }
        )
    }

    /// Whether the work was cancelled: by the caller's own [`Watch`](crate::index::Watch), or because its caller left.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled { .. })
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
