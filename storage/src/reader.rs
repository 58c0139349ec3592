//! `Reader`: one consistent view of a collection.
//!
//! Invariant: everything that a reader answers is true of one moment, the one at which it began, whatever is written meanwhile.
//! It changes nothing.

use std::ops::ControlFlow;

use rusqlite::Connection;

use crate::connection::Connected;
use crate::documents;
use crate::error::Fault;
use crate::filter::{Filter, Matcher};
use crate::pool::Pool;
use crate::record::{Passage, Record};
use crate::seal::{self, Seal, Status};
use crate::vectors::Vectors;
use crate::{Clustering, Key, Labelled, Result, check, clusterings, labels, passages, vectors};

/// A snapshot of a collection, from [`Store::read`](crate::Store::read) until it is dropped.
///
/// It never waits for writers, nor they for it; but what was written since it began stays in the -wal file until it ends, so don't
/// keep one longer than its work takes. Its methods fail with [`Error::Corrupt`](crate::Error::Corrupt) where the file
/// contradicts itself, and with [`Error::Sqlite`](crate::Error::Sqlite) where the disk fails.
pub struct Reader<'s> {
    pool: &'s Pool,
    /// there until dropped
    connected: Option<Connected>,
    dimension: usize,
    status: Status,
}

impl<'s> Reader<'s> {
    /// Begins a read transaction; reading the collection's row is what fixes the moment.
    pub(crate) fn begin(pool: &'s Pool, dimension: usize) -> Result<Self, Fault> {
        let connected = pool.take()?;
        connected.connection.prepare_cached("BEGIN")?.execute([])?;
        let status = Status::read(&connected.connection)?;
        Ok(Self {
            pool,
            connected: Some(connected),
            dimension,
            status,
        })
    }

    /// The index that was sealed last.
    pub fn seal(&self) -> Option<&Seal> {
        self.status.seal.as_ref()
    }

    /// Counts the writes.
    pub fn sequence(&self) -> u64 {
        self.status.sequence
    }

    /// The largest id given so far, alive or not; 0 before the first.
    pub fn last_id(&self) -> i64 {
        self.status.last_id
    }

    /// The ids, ascending, that are gone and that the sealed index may still hold; none where no index is sealed.
    pub fn removed(&self) -> Result<Vec<i64>> {
        self.run("list what was removed", |connection| {
            Ok(seal::removed(connection, self.seal())?)
        })
    }

    /// The documents with these internal ids, in their order; None for an id that is not alive.
    pub fn records(&self, ids: &[i64], with_vectors: bool) -> Result<Vec<Option<Record>>> {
        self.run("read documents", |connection| {
            documents::records(connection, ids, self.vectors_if(with_vectors)?)
        })
    }

    /// The documents with these keys, in their order; None for a key that has none.
    pub fn get(&self, keys: &[Key], with_vectors: bool) -> Result<Vec<Option<Record>>> {
        self.run("read documents", |connection| {
            documents::get(connection, keys, self.vectors_if(with_vectors)?)
        })
    }

    /// The keys of the documents with these internal ids, in their order; None for an id that is not alive.
    pub fn keys(&self, ids: &[i64]) -> Result<Vec<Option<Key>>> {
        self.run("read keys", |connection| documents::keys(connection, ids))
    }

    /// The internal ids of all documents, ascending: eight bytes each.
    pub fn ids(&self) -> Result<Vec<i64>> {
        self.run("list documents", |connection| {
            Ok(documents::ids(connection)?)
        })
    }

    /// The internal ids of the documents that fit, ascending. Looks at the metadata of every document.
    ///
    /// # Errors
    /// Also what [`Filter::check`] refuses.
    pub fn matching(&self, filter: &Filter) -> Result<Vec<i64>> {
        self.run("filter documents", |connection| {
            let mut matcher = Matcher::new(filter, connection, 0)?;
            documents::matching(connection, &mut matcher)
        })
    }

    /// How many documents there are (at once), or how many fit (by looking at all).
    ///
    /// # Errors
    /// Also what [`Filter::check`] refuses.
    pub fn count(&self, filter: Option<&Filter>) -> Result<u64> {
        let Some(filter) = filter else {
            return Ok(self.status.documents);
        };
        self.run("count documents", |connection| {
            let mut matcher = Matcher::new(filter, connection, 0)?;
            documents::count(connection, &mut matcher)
        })
    }

    /// The first `limit` documents with an internal id above `after` that fit, by ascending id. Begin with 0, and go on with the
    /// last id of each page.
    ///
    /// # Errors
    /// Also what [`Filter::check`] refuses.
    pub fn scroll(
        &self,
        after: i64,
        limit: usize,
        filter: Option<&Filter>,
        with_vectors: bool,
    ) -> Result<Vec<Record>> {
        self.run("scroll through documents", |connection| {
            let matcher = matcher(filter, connection, after)?;
            documents::scroll(
                connection,
                after,
                limit,
                matcher,
                self.vectors_if(with_vectors)?,
            )
        })
    }

    /// Hands every vector with an internal id above `after` to `take`, by ascending id, one at a time, until it breaks.
    pub fn for_each_vector(
        &self,
        after: i64,
        take: &mut dyn FnMut(i64, &[f32]) -> ControlFlow<()>,
    ) -> Result<()> {
        self.run("read vectors", |connection| {
            vectors::for_each(connection, after, self.dimension, take)
        })
    }

    /// The vectors of these internal ids, in their order; None for an id that is not alive.
    pub fn vectors(&self, ids: &[i64]) -> Result<Vec<Option<Vec<f32>>>> {
        self.run("read vectors", |connection| {
            let mut vectors = Vectors::new(connection, self.dimension)?;
            ids.iter().map(|id| vectors.get(*id)).collect()
        })
    }

    /// The passages with these internal ids, in their order; None for an id that is not alive, or not a passage's.
    pub fn passages(&self, ids: &[i64]) -> Result<Vec<Option<Passage>>> {
        self.run("read passages", |connection| {
            Ok(passages::get(connection, ids)?)
        })
    }

    /// The passages of the documents with these internal ids, in their order, those of each by ascending id.
    pub fn passages_of(&self, documents: &[i64]) -> Result<Vec<Passage>> {
        self.run("read passages", |connection| {
            let mut finder = passages::Finder::new(connection)?;
            let mut found = Vec::with_capacity(documents.len());
            for document in documents {
                found.extend(finder.of(*document)?);
            }
            Ok(found)
        })
    }

    /// The clusterings that are saved, by name.
    pub fn clusterings(&self) -> Result<Vec<Clustering>> {
        self.run("list clusterings", |connection| {
            Ok(clusterings::all(connection)?)
        })
    }

    /// The internal ids of the clusterings that are saved, ascending.
    pub fn clustering_ids(&self) -> Result<Vec<i64>> {
        self.run("list clusterings", |connection| {
            let names = clusterings::names(connection)?;
            Ok(names.into_iter().map(|(id, _)| id).collect())
        })
    }

    /// The clustering of this name.
    ///
    /// # Errors
    /// [`Error::UnknownClustering`](crate::Error::UnknownClustering) names those there are.
    pub fn clustering(&self, name: &str) -> Result<Clustering> {
        self.run("read a clustering", |connection| {
            clusterings::get(connection, name)
        })
    }

    /// The centroids of the clustering with this internal id, as they were given; None where it is gone.
    pub fn centroids(&self, clustering: i64) -> Result<Option<Vec<u8>>> {
        self.run("read centroids", |connection| {
            Ok(clusterings::centroids(connection, clustering)?)
        })
    }

    /// How many documents each cluster has.
    pub fn cluster_sizes(&self, clustering: &Clustering) -> Result<Vec<u64>> {
        self.run("count labels", |connection| {
            let clusters = clustering.clusters.len();
            Ok(labels::sizes(connection, clustering.id, clusters)?)
        })
    }

    /// The labels of the first `limit` documents with an internal id above `after` that fit, by ascending id, in the clustering with
    /// this internal id; none where it is gone.
    ///
    /// # Errors
    /// Also what [`Filter::check`] refuses.
    pub fn labelled(
        &self,
        clustering: i64,
        after: i64,
        limit: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Labelled>> {
        self.run("read labels", |connection| {
            let matcher = matcher(filter, connection, after)?;
            labels::labelled(connection, clustering, after, limit, matcher)
        })
    }

    /// How many passages there are. Looks at all of them.
    pub fn passage_count(&self) -> Result<u64> {
        self.run("count passages", |connection| {
            Ok(passages::count(connection)?)
        })
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.run("check", |connection| {
            check::check(connection, self.dimension, &self.status)
        })
    }

    fn vectors_if(&self, wanted: bool) -> rusqlite::Result<Option<Vectors<'_>>> {
        wanted
            .then(|| Vectors::new(self.connection(), self.dimension))
            .transpose()
    }

    fn run<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T> {
        work(self.connection()).map_err(|fault| fault.at(self.pool.path(), operation))
    }

    fn connection(&self) -> &Connection {
        &self
            .connected
            .as_ref()
            .expect("only drop takes it")
            .connection
    }
}

fn matcher(
    filter: Option<&Filter>,
    connection: &Connection,
    after: i64,
) -> Result<Option<Matcher>, Fault> {
    filter
        .map(|filter| Matcher::new(filter, connection, after))
        .transpose()
}

impl Drop for Reader<'_> {
    /// Ends the transaction. A connection that cannot is closed, not kept.
    fn drop(&mut self) {
        let Some(connected) = self.connected.take() else {
            return;
        };
        let ended = connected
            .connection
            .prepare_cached("COMMIT")
            .and_then(|mut commit| commit.execute([]));
        if ended.is_ok() {
            self.pool.put(connected);
        }
    }
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Reader")
            .field("path", &self.pool.path())
            .field("status", &self.status)
            .finish()
    }
}
