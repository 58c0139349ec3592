//! What can go wrong, as typed facts with one sentence each.
//!
//! Invariant: no type of SQLite's shows; its errors are boxed sources, and every failure of a file names that file. `Fault` is
//! the inner form, before the path is known. It does not decide which HTTP status a failure has.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::Key;

/// A boxed cause.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// `Ok`, or this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that this crate refuses or fails at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `create` found something at its path.
    #[error("{} already exists: open it, or create the collection under another name", path.display())]
    Exists {
        /// where
        path: PathBuf,
    },
    /// `open` found nothing at its path.
    #[error("{} does not exist: create the collection first, or check the folder's name", path.display())]
    Missing {
        /// where
        path: PathBuf,
    },
    /// The file is something else: no SQLite file, or another program's.
    #[error("{} is not a vinedb collection: restore it from a snapshot, or move it out of the way", path.display())]
    NotACollection {
        /// where
        path: PathBuf,
    },
    /// The file was written by a later version of vinedb.
    #[error("{} has format {found}, and this vinedb knows formats up to {supported}: upgrade vinedb", path.display())]
    NewerVersion {
        /// where
        path: PathBuf,
        /// the file's format
        found: u32,
        /// the newest that this crate knows
        supported: u32,
    },
    /// The content contradicts itself.
    #[error("{} is damaged: {reason}; restore it from a snapshot", path.display())]
    Corrupt {
        /// where
        path: PathBuf,
        /// what is wrong
        reason: String,
        /// SQLite's own finding, where it was SQLite that found it
        #[source]
        source: Option<Source>,
    },
    /// Writes were left unfinished beside the file, and the folder cannot be written to finish them.
    #[error("{} has writes to recover in its -wal file and its folder is not writable: copy the folder to a writable place and open it there", path.display())]
    NeedsRecovery {
        /// where
        path: PathBuf,
    },
    /// Another connection kept the file locked for longer than the timeout.
    #[error("{} is locked by another process: try again, or stop that process", path.display())]
    Busy {
        /// where
        path: PathBuf,
        /// SQLite's own error
        #[source]
        source: Source,
    },
    /// There is no room for the write, which changed nothing.
    #[error("no room left on the disk that holds {}: nothing was changed; free some space and try again", path.display())]
    DiskFull {
        /// where
        path: PathBuf,
        /// SQLite's own error
        #[source]
        source: Source,
    },
    /// A write to a collection that was opened for reading, or whose file cannot be written.
    #[error("{} is open for reading only: open it for writing, and check that its file and folder are writable", path.display())]
    ReadOnly {
        /// where
        path: PathBuf,
    },
    /// The file system failed.
    #[error("cannot {operation} {}: check that the folder exists and may be used", path.display())]
    Io {
        /// what was tried
        operation: &'static str,
        /// where
        path: PathBuf,
        /// the system's own error
        #[source]
        source: std::io::Error,
    },
    /// SQLite failed in another way.
    #[error("SQLite failed to {operation} in {}", path.display())]
    Sqlite {
        /// what was tried
        operation: &'static str,
        /// where
        path: PathBuf,
        /// SQLite's own error
        #[source]
        source: Source,
    },
    /// A key without characters.
    #[error("a key is empty: give it 1 to {} bytes", Key::MAX_BYTES)]
    EmptyKey,
    /// A key that is too long.
    #[error(
        "a key has {length} bytes and may have {}: it starts with {start:?}",
        Key::MAX_BYTES
    )]
    KeyTooLong {
        /// its length in bytes
        length: usize,
        /// its first characters
        start: String,
    },
    /// A key that comes twice in one batch.
    #[error("key {key} comes twice in one batch: nothing was changed; send each key once")]
    DuplicateKey {
        /// which
        key: Key,
    },
    /// A dimension that no collection can have.
    #[error("a collection has 1 to {limit} dimensions, not {given}")]
    BadDimension {
        /// what was asked for
        given: usize,
        /// the most
        limit: usize,
    },
    /// A vector of another length than the collection's.
    #[error(
        "the vector of key {key} has {actual} numbers and the collection has {expected} dimensions"
    )]
    DimensionMismatch {
        /// whose vector
        key: Key,
        /// the collection's dimension
        expected: usize,
        /// the vector's length
        actual: usize,
    },
    /// A vector with NaN or infinity in it.
    #[error("the vector of key {key} has {value} at component {component}: send finite numbers")]
    NotFinite {
        /// whose vector
        key: Key,
        /// where in the vector, from 0
        component: usize,
        /// NaN or an infinity
        value: f32,
    },
    /// Metadata with more levels of arrays and objects than can be read back.
    #[error("the metadata of key {key} is nested deeper than {limit} levels: flatten it")]
    MetadataTooDeep {
        /// whose metadata
        key: Key,
        /// the most levels
        limit: usize,
    },
    /// A seal from the future: it claims writes that this collection has not seen.
    #[error(
        "a seal at sequence {given} is ahead of the collection, which is at {current}: build it from a snapshot of this collection"
    )]
    SealAhead {
        /// the seal's sequence
        given: u64,
        /// the collection's sequence
        current: u64,
    },
    /// An operator that there is none of.
    #[error(
        "filter on `{path}`: unknown operator `{given}`, use one of {valid}; to reach into an object write `{path}.{given}`"
    )]
    UnknownOperator {
        /// the field filtered on
        path: String,
        /// the operator given
        given: String,
        /// the operators there are
        valid: &'static str,
    },
    /// A filter's field with an empty object.
    #[error(
        "filter on `{path}`: no operator given, use one of {valid}, as in {{\"{path}\": {{\"eq\": 1}}}}"
    )]
    NoOperator {
        /// the field filtered on
        path: String,
        /// the operators there are
        valid: &'static str,
    },
    /// An operator with a value it has no use for.
    #[error("filter on `{path}`: `{operator}` takes {expected}, not {given}")]
    BadOperand {
        /// the field filtered on
        path: String,
        /// the operator
        operator: &'static str,
        /// what it takes
        expected: &'static str,
        /// the kind of value given
        given: &'static str,
    },
    /// A filter, or a part of it, that has the wrong shape.
    #[error("{place} takes {expected}, not {given}")]
    BadFilter {
        /// `filter`, `not`, `any` or `all`
        place: &'static str,
        /// what it takes
        expected: &'static str,
        /// the kind of value given
        given: &'static str,
    },
    /// A filter on `cluster` where no clustering is saved.
    #[error(
        "filter on `cluster`: this collection has no saved clustering; save one, or write `\\cluster` for a metadata field of that name"
    )]
    NoClustering,
    /// A filter on `cluster` where several clusterings are saved.
    #[error(
        "filter on `cluster`: this collection has several clusterings; write `cluster.NAME` with one of {}, or `\\cluster` for a metadata field of that name",
        known.join(", ")
    )]
    SeveralClusterings {
        /// the clusterings there are
        known: Vec<String>,
    },
    /// No clustering has this name.
    #[error(
        "there is no clustering {given:?}; this collection has {}",
        listed(known)
    )]
    UnknownClustering {
        /// the name given
        given: String,
        /// the clusterings there are
        known: Vec<String>,
    },
    /// A clustering has no such cluster.
    #[error(
        "clustering {clustering:?} has no cluster {given}: give a number from 0 to {}, or a cluster's name",
        clusters.saturating_sub(1)
    )]
    UnknownCluster {
        /// the clustering
        clustering: String,
        /// the number or the name given
        given: String,
        /// how many clusters it has
        clusters: u32,
    },
    /// A clustering of this name is saved already, and it was not to be replaced.
    #[error("clustering {name:?} exists already: replace it, drop it, or choose another name")]
    ClusteringExists {
        /// the name given
        name: String,
    },
    /// One more clustering than a collection keeps.
    #[error("this collection has {limit} clusterings, the most there may be: drop one first")]
    TooManyClusterings {
        /// the most
        limit: usize,
    },
    /// A clustering's name that is not allowed.
    #[error(
        "clustering name {given:?} is not allowed: use 1 to 64 letters, digits, '_' or '-', beginning with a letter or digit"
    )]
    BadClusteringName {
        /// the name given
        given: String,
    },
    /// A cluster's name that is not allowed.
    #[error(
        "cluster name {given:?} is not allowed: use 1 to 64 characters, not digits alone, without control characters and without space at either end"
    )]
    BadClusterName {
        /// the name given
        given: String,
    },
    /// Another cluster of the clustering has this name.
    #[error(
        "cluster {cluster} is named {name:?} already: choose another name, or rename that one too"
    )]
    ClusterNameTaken {
        /// the name given
        name: String,
        /// the cluster that has it
        cluster: u32,
    },
    /// Documents without a label in a clustering.
    #[error(
        "documents have no label in clustering {clustering:?}: label them before they are written"
    )]
    Unlabelled {
        /// the clustering
        clustering: String,
    },
    /// A filter with too many levels.
    #[error("a filter is nested deeper than {limit} levels: flatten it")]
    FilterTooDeep {
        /// the most levels
        limit: usize,
    },
    /// A filter with too many parts.
    #[error("a filter has {given} {what} and may have {limit}: split it, or select by key")]
    FilterTooLarge {
        /// conditions or values
        what: &'static str,
        /// how many there are
        given: usize,
        /// the most
        limit: usize,
    },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

/// A failure below the place where the path is known.
#[derive(Debug)]
pub(crate) enum Fault {
    Sql(rusqlite::Error),
    Corrupt(String),
    Error(Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Fault {
    /// The public error, now that the file and the operation are known.
    pub(crate) fn at(self, path: &Path, operation: &'static str) -> Error {
        match self {
            Self::Error(error) => error,
            Self::Corrupt(reason) => Error::Corrupt {
                path: path.into(),
                reason,
                source: None,
            },
            Self::Sql(error) => sqlite(error, path, operation),
        }
    }
}

fn sqlite(error: rusqlite::Error, path: &Path, operation: &'static str) -> Error {
    let path = path.to_path_buf();
    let code = error.sqlite_error_code();
    let source: Source = Box::new(error);
    match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy { path, source },
        Some(ErrorCode::DiskFull) => Error::DiskFull { path, source },
        Some(ErrorCode::NotADatabase) => Error::NotACollection { path },
        Some(ErrorCode::ReadOnly) => Error::ReadOnly { path },
        Some(ErrorCode::DatabaseCorrupt) => Error::Corrupt {
            path,
            reason: "SQLite found it malformed".into(),
            source: Some(source),
        },
        _ => Error::Sqlite {
            operation,
            path,
            source,
        },
    }
}

/// Names the path of a failed system call.
pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io {
        operation,
        path,
        source,
    }
}
