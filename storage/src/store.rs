//! `Store`: one collection's file, its one writer and its readers.
//!
//! Invariant: a write is one transaction, on the disk when its call returns, or it changed nothing. Readers never wait for it. The
//! SQL about documents is in `documents.rs`; what the writes mean to an index is the caller's.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{Fault, io};
use crate::filter::{Filter, Matcher};
use crate::pool::Pool;
use crate::publish::whole;
use crate::record::{MAX_DIMENSION, NewDocument, Removed, Written};
use crate::seal::{self, Seal, Status};
use crate::{
    Error, Key, NewClustering, NewLabels, Reader, Result, clusterings, connection, documents,
    labels, schema,
};

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// to read and write
    ReadWrite,
    /// to read, beside a process that writes, or from a folder that cannot be written
    ReadOnly,
}

/// One collection's documents, metadata and vectors, in one SQLite file.
///
/// Any number of threads may use it at once: writes go one after another, reads side by side.
pub struct Store {
    config: String,
    dimension: usize,
    /// before the writer: closed last, the writer merges the -wal file into the main one
    pool: Pool,
    writer: Option<Mutex<Connection>>,
}

impl Store {
    /// Makes a collection at `path` with the caller's configuration and the length of its vectors.
    ///
    /// The file appears under its name once it is whole.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::BadDimension`], [`Error::DiskFull`], [`Error::Io`] where the folder is missing or not writable.
    pub fn create(path: impl AsRef<Path>, config: &str, dimension: usize) -> Result<Self> {
        let path = absolute(path.as_ref())?;
        if !(1..=MAX_DIMENSION).contains(&dimension) {
            return Err(Error::BadDimension {
                given: dimension,
                limit: MAX_DIMENSION,
            });
        }
        if path.exists() {
            return Err(Error::Exists { path });
        }
        whole(&path, |unfinished| {
            fill(unfinished, config, dimension)
                .map_err(|fault| fault.at(&path, "create the collection"))
        })?;
        Self::open(path, Access::ReadWrite)
    }

    /// Opens the collection at `path`.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::NotACollection`], [`Error::Corrupt`], [`Error::NewerVersion`]; for writing
    /// [`Error::ReadOnly`] and [`Error::Busy`]; for reading [`Error::NeedsRecovery`].
    pub fn open(path: impl AsRef<Path>, access: Access) -> Result<Self> {
        let path = absolute(path.as_ref())?;
        if !path.is_file() {
            return Err(Error::Missing { path });
        }
        let writer = match access {
            Access::ReadWrite => {
                Some(writer(&path).map_err(|fault| fault.at(&path, "open the collection"))?)
            }
            Access::ReadOnly => None,
        };
        Self::with(path.clone(), writer).map_err(|fault| fault.at(&path, "open the collection"))
    }

    fn with(path: PathBuf, writer: Option<Connection>) -> Result<Self, Fault> {
        let pool = Pool::new(path);
        let connected = pool.take()?;
        // A reader cannot bring a file of format 1 up to date, and need not: it only lacks what it has nothing for.
        schema::check(&connected.connection, pool.path())?;
        cut_off(&connected.connection, pool.path())?;
        let (config, dimension) = connected.connection.query_row(
            "SELECT config, dimension FROM collection",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        pool.put(connected);
        Ok(Self {
            config,
            dimension,
            pool,
            writer: writer.map(Mutex::new),
        })
    }

    /// The configuration that the collection was made with, as it was given.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// The length of the collection's vectors.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.pool.path()
    }

    /// Puts documents in, in place of those with the same keys, all or none. Each, and each passage, takes a new internal id, ascending
    /// in their order.
    /// No documents are no write: the sequence stays.
    ///
    /// # Errors
    /// For a document: [`Error::EmptyKey`], [`Error::KeyTooLong`], [`Error::DuplicateKey`], [`Error::DimensionMismatch`],
    /// [`Error::NotFinite`], [`Error::MetadataTooDeep`]. For the file: [`Error::ReadOnly`], [`Error::DiskFull`], [`Error::Busy`].
    pub fn upsert(&self, documents: &[NewDocument<'_>]) -> Result<Written> {
        self.upsert_labelled(documents, &[])
    }

    /// As [`Store::upsert`], where clusterings are saved: `labels` has the documents' labels in each of them.
    ///
    /// # Errors
    /// As [`Store::upsert`]; [`Error::Unlabelled`] where those of a clustering are missing or are not one for each document.
    pub fn upsert_labelled(
        &self,
        documents: &[NewDocument<'_>],
        labels: &[NewLabels<'_>],
    ) -> Result<Written> {
        self.check_documents(documents)?;
        self.write("write documents", |transaction| match documents {
            [] => Ok(Written {
                ids: vec![],
                replaced: vec![],
                updated: 0,
                sequence: Status::read(transaction)?.sequence,
            }),
            documents => documents::upsert(transaction, documents, labels, self.dimension),
        })
    }

    /// Takes the documents with these keys out; keys that have none are passed over. The sequence stays if nothing went.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::DiskFull`], [`Error::Busy`].
    pub fn delete(&self, keys: &[Key]) -> Result<Removed> {
        self.write("delete documents", |transaction| {
            let ids = documents::ids_of_keys(transaction, keys)?;
            remove(transaction, ids)
        })
    }

    /// Takes the documents that fit out. The sequence stays if nothing went.
    ///
    /// # Errors
    /// What [`Filter::check`] refuses; [`Error::ReadOnly`], [`Error::DiskFull`], [`Error::Busy`].
    pub fn delete_matching(&self, filter: &Filter) -> Result<Removed> {
        self.write("delete documents", |transaction| {
            let mut matcher = Matcher::new(filter, transaction, 0)?;
            let ids = documents::matching(transaction, &mut matcher)?;
            remove(transaction, ids)
        })
    }

    /// Records a sealed index, in place of the one before. Removed ids that it cannot hold are forgotten: those of writes up to its
    /// sequence, unless it keeps them. It is no write to the documents: the sequence stays.
    ///
    /// # Errors
    /// [`Error::SealAhead`], [`Error::ReadOnly`], [`Error::DiskFull`], [`Error::Busy`].
    pub fn seal(&self, seal: &Seal) -> Result<()> {
        self.write("record a sealed index", |transaction| {
            seal::record(transaction, seal)
        })
    }

    /// Saves a clustering under its name and gives its internal id. It is no write to the documents: the sequence stays.
    ///
    /// # Errors
    /// [`Error::BadClusteringName`], [`Error::BadClusterName`]; [`Error::ClusteringExists`] where it may not replace the one of the same
    /// name; [`Error::TooManyClusterings`]; [`Error::Unlabelled`] where a document has no label; [`Error::ReadOnly`],
    /// [`Error::DiskFull`], [`Error::Busy`].
    pub fn save_clustering(&self, clustering: &NewClustering<'_>) -> Result<i64> {
        clusterings::check_clustering_name(clustering.name)?;
        let names = clustering.clusters.iter();
        names
            .filter_map(|cluster| cluster.name.as_deref())
            .try_for_each(clusterings::check_cluster_name)?;
        self.write("save a clustering", |transaction| {
            let sequence = Status::read(transaction)?.sequence;
            let id = clusterings::save(transaction, clustering, sequence)?;
            labels::insert_all(transaction, id, clustering)?;
            Ok(id)
        })
    }

    /// Takes the clustering of this name out, with its labels.
    ///
    /// # Errors
    /// [`Error::UnknownClustering`], [`Error::ReadOnly`], [`Error::DiskFull`], [`Error::Busy`].
    pub fn drop_clustering(&self, name: &str) -> Result<()> {
        self.write("drop a clustering", |transaction| {
            clusterings::remove(transaction, name)
        })
    }

    /// Names clusters of a clustering, by their numbers, or takes their names: all or none, and two may exchange theirs.
    ///
    /// # Errors
    /// [`Error::BadClusterName`], [`Error::ClusterNameTaken`], [`Error::UnknownClustering`], [`Error::UnknownCluster`],
    /// [`Error::ReadOnly`], [`Error::DiskFull`], [`Error::Busy`].
    pub fn rename_clusters(&self, clustering: &str, names: &[(u32, Option<String>)]) -> Result<()> {
        let given = names.iter().filter_map(|(_, name)| name.as_deref());
        given
            .clone()
            .try_for_each(clusterings::check_cluster_name)?;
        self.write("rename clusters", |transaction| {
            clusterings::rename(transaction, clustering, names)
        })
    }

    /// Begins to read: one snapshot until the reader is dropped.
    ///
    /// # Errors
    /// [`Error::Sqlite`] where no further file can be opened; [`Error::NeedsRecovery`].
    pub fn read(&self) -> Result<Reader<'_>> {
        Reader::begin(&self.pool, self.dimension)
            .map_err(|fault| fault.at(self.path(), "begin to read"))
    }

    /// Writes a consistent copy, without free space, to `path`, where nothing may be yet; others may go on reading and writing.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::DiskFull`], [`Error::Io`].
    pub fn copy_to(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = absolute(path.as_ref())?;
        if path.exists() {
            return Err(Error::Exists { path });
        }
        let connected = self
            .pool
            .take()
            .map_err(|fault| fault.at(self.path(), "begin to copy"))?;
        whole(&path, |unfinished| {
            copy(&connected.connection, unfinished)
                .map_err(|fault| fault.at(&path, "copy the collection"))
        })?;
        self.pool.put(connected);
        Ok(())
    }

    /// Looks for contradictions in the whole file.
    ///
    /// # Errors
    /// [`Error::Corrupt`] with what is wrong.
    pub fn check(&self) -> Result<()> {
        self.read()?.check()
    }

    /// The bytes that the file takes, with what is not yet merged into it.
    ///
    /// # Errors
    /// [`Error::Io`] where the file is gone.
    pub fn size_bytes(&self) -> Result<u64> {
        let main = fs::metadata(self.path())
            .map_err(io("look at", self.path()))?
            .len();
        Ok(main + connection::wal_length(self.path()))
    }

    fn check_documents(&self, documents: &[NewDocument<'_>]) -> Result<()> {
        let mut keys = HashSet::with_capacity(documents.len());
        documents.iter().try_for_each(|document| {
            document.check(self.dimension)?;
            match keys.insert(document.key) {
                true => Ok(()),
                false => Err(Error::DuplicateKey {
                    key: document.key.clone(),
                }),
            }
        })
    }

    /// Runs `work` in one transaction, which is undone if it fails.
    fn write<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T> {
        let mut writer = self.writer()?;
        transact(&mut writer, work).map_err(|fault| fault.at(self.path(), operation))
    }

    /// A panic while the writer was held undid its transaction, so the connection is good.
    fn writer(&self) -> Result<MutexGuard<'_, Connection>> {
        match &self.writer {
            Some(writer) => Ok(writer.lock().unwrap_or_else(PoisonError::into_inner)),
            None => Err(Error::ReadOnly {
                path: self.path().into(),
            }),
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Store")
            .field("path", &self.path())
            .field("dimension", &self.dimension)
            .finish_non_exhaustive()
    }
}

fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let result = work(&transaction)?;
    transaction.commit()?;
    Ok(result)
}

fn remove(transaction: &Transaction<'_>, ids: Vec<i64>) -> Result<Removed, Fault> {
    match ids.is_empty() {
        true => Ok(Removed {
            ids,
            documents: 0,
            sequence: Status::read(transaction)?.sequence,
        }),
        false => documents::remove(transaction, ids),
    }
}

/// A connection for writing, to a file that is ours and of the newest format.
fn writer(path: &Path) -> Result<Connection, Fault> {
    let probe = connection::for_reading(path)?;
    let found = schema::check(&probe.connection, path)?;
    drop(probe);
    let mut connection = connection::for_writing(path)?;
    schema::upgrade(&mut connection, found)?;
    Ok(connection)
}

/// Refuses a file that is shorter than its own header says. Writes not yet merged may make it so.
fn cut_off(connection: &Connection, path: &Path) -> Result<(), Fault> {
    let pages: u64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let page: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let unmerged = connection::wal_length(path);
    let length = fs::metadata(path).map_err(io("look at", path))?.len();
    match unmerged == 0 && length < pages * page {
        true => Err(Fault::Corrupt(format!(
            "it has {length} bytes where its header says {}: it was cut off",
            pages * page
        ))),
        false => Ok(()),
    }
}

/// Makes the tables and the collection's row in a new file.
fn fill(path: &Path, config: &str, dimension: usize) -> Result<(), Fault> {
    let mut connection = connection::for_creating(path)?;
    schema::create(&mut connection)?;
    connection.execute(
        "INSERT INTO collection (only, config, dimension) VALUES (1, ?1, ?2)",
        (config, dimension),
    )?;
    connection.close().map_err(|(_, error)| error.into())
}

fn copy(connection: &Connection, path: &Path) -> Result<(), Fault> {
    let name = path.to_str().map(str::to_owned);
    connection.execute("VACUUM INTO ?1", [name])?;
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(io("resolve", path))
}

#[cfg(test)]
mod tests;
