//! All SQL about labels: the cluster of each document in each saved clustering.
//!
//! Invariant: every document has one label in every clustering, written and removed by the transaction that writes or removes the
//! document. It opens and commits no transaction.

use rusqlite::{CachedStatement, Connection, Row};

use crate::column::{blob, key};
use crate::error::Fault;
use crate::filter::Matcher;
use crate::{Error, Key, Label, NewClustering, Result, clusterings};

const INSERT: &str =
    "INSERT INTO labels (id, clustering, cluster, distance) VALUES (?1, ?2, ?3, ?4)";
const DELETE: &str = "DELETE FROM labels WHERE id = ?1";
// Columns 1 and 2 are those of a record. A cross join keeps SQLite to this order of the tables.
const LABELLED: &str = "SELECT documents.id, key, key_integer, cluster, distance
    FROM documents CROSS JOIN labels ON labels.id = documents.id AND clustering = ?1
    WHERE documents.id > ?2 ORDER BY documents.id";
const LABELLED_WITH_METADATA: &str =
    "SELECT documents.id, key, key_integer, cluster, distance, metadata
    FROM documents CROSS JOIN labels ON labels.id = documents.id AND clustering = ?1
    WHERE documents.id > ?2 ORDER BY documents.id";

/// A document with its label in one clustering.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// the document's internal id
    pub id: i64,
    /// its key
    pub key: Key,
    /// the cluster it belongs to
    pub label: Label,
}

/// The labels that new documents have in one clustering, in their order.
#[derive(Debug, Clone, Copy)]
pub struct NewLabels<'a> {
    /// the clustering's internal id
    pub clustering: i64,
    /// of each document
    pub labels: &'a [Label],
}

/// Labels all documents in a new clustering. Goes along documents and labels, both by ascending id.
pub(crate) fn insert_all(
    connection: &Connection,
    id: i64,
    new: &NewClustering<'_>,
) -> Result<(), Fault> {
    let mut inserter = Inserter::new(connection)?;
    let mut documents = connection.prepare_cached("SELECT id FROM documents ORDER BY id")?;
    let mut documents = documents.query([])?;
    let mut labels = new.labels.iter().peekable();
    while let Some(row) = documents.next()? {
        let document: i64 = row.get(0)?;
        while labels.next_if(|(given, _)| *given < document).is_some() {}
        match labels.next_if(|(given, _)| *given == document) {
            Some((_, label)) => inserter.insert(document, id, *label)?,
            None => {
                return Err(Error::Unlabelled {
                    clustering: new.name.into(),
                }
                .into());
            }
        }
    }
    Ok(())
}

/// Documents in each cluster of a clustering of `clusters`.
pub(crate) fn sizes(
    connection: &Connection,
    id: i64,
    clusters: usize,
) -> rusqlite::Result<Vec<u64>> {
    let mut sizes = vec![0; clusters];
    let mut statement = connection.prepare_cached(
        "SELECT cluster, count(*) FROM labels WHERE clustering = ?1 GROUP BY cluster",
    )?;
    let mut rows = statement.query([id])?;
    while let Some(row) = rows.next()? {
        let cluster: usize = row.get(0)?;
        if let Some(size) = sizes.get_mut(cluster) {
            *size = row.get::<_, i64>(1)?.cast_unsigned();
        }
    }
    Ok(sizes)
}

/// Puts labels in, one at a time.
pub(crate) struct Inserter<'c>(CachedStatement<'c>);

impl<'c> Inserter<'c> {
    pub(crate) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached(INSERT).map(Self)
    }

    fn insert(&mut self, document: i64, clustering: i64, label: Label) -> rusqlite::Result<()> {
        let Label { cluster, distance } = label;
        self.0
            .execute((document, clustering, cluster, f64::from(distance)))
            .map(drop)
    }
}

/// Takes the labels of documents out, of one at a time.
pub(crate) struct Remover<'c>(CachedStatement<'c>);

impl<'c> Remover<'c> {
    pub(crate) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached(DELETE).map(Self)
    }

    pub(crate) fn remove(&mut self, document: i64) -> rusqlite::Result<()> {
        self.0.execute([document]).map(drop)
    }
}

/// The labels that new documents bring, found to be of every clustering there is.
pub(crate) fn insert(
    connection: &Connection,
    documents: &[i64],
    given: &[NewLabels<'_>],
) -> Result<(), Fault> {
    let mut inserter = Inserter::new(connection)?;
    for (id, name) in clusterings::names(connection)? {
        let labels = given.iter().find(|labels| labels.clustering == id);
        let labels = labels.filter(|given| given.labels.len() == documents.len());
        let Some(NewLabels { labels, .. }) = labels else {
            return Err(Error::Unlabelled { clustering: name }.into());
        };
        for (document, label) in documents.iter().zip(*labels) {
            inserter.insert(*document, id, *label)?;
        }
    }
    Ok(())
}

/// Up to `limit` documents above id `after` with their labels in a clustering, ascending; only those that fit.
pub(crate) fn labelled(
    connection: &Connection,
    clustering: i64,
    after: i64,
    limit: usize,
    mut matcher: Option<Matcher>,
) -> Result<Vec<Labelled>, Fault> {
    if !clusterings::is_known(connection)? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(match matcher {
        Some(_) => LABELLED_WITH_METADATA,
        None => LABELLED,
    })?;
    let mut rows = statement.query((clustering, after))?;
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(row) = rows.next()? else { break };
        let id = row.get(0)?;
        let fits = matcher
            .as_mut()
            .map_or(Ok(true), |matcher| matcher.fits(id, blob(row, 5)?))?;
        if fits {
            found.push(Labelled {
                id,
                key: key(row, id)?,
                label: label(row)?,
            });
        }
    }
    Ok(found)
}

fn label(row: &Row<'_>) -> rusqlite::Result<Label> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float was stored, and every float is a double"
    )]
    let distance = row.get::<_, f64>(4)? as f32;
    Ok(Label {
        cluster: row.get(3)?,
        distance,
    })
}
