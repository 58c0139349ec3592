//! All SQL about saved clusterings: their centroids and their clusters' names. The labels of documents are in `labels.rs`.
//!
//! Invariant: two clusterings have different names, and so have two clusters of one. What centroids are, and which is nearest to a
//! document, is the caller's business. It opens and commits no transaction.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::Fault;
use crate::{Error, Result};

/// The most clusterings that a collection keeps: each adds work to every write.
pub const MAX_CLUSTERINGS: usize = 64;
/// The longest name of a clustering and of a cluster, in characters.
const MAX_NAME: usize = 64;

/// The cluster that a document belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    /// the cluster's number, from 0
    pub cluster: u32,
    /// the document's distance to its centroid
    pub distance: f32,
}

const CLUSTERINGS: &str =
    "SELECT id, name, about, sequence, saved_at FROM clusterings ORDER BY name";
const CLUSTERS: &str = "SELECT name, about FROM clusters WHERE clustering = ?1 ORDER BY number";
const INSERT: &str = "INSERT INTO clusterings (name, about, centroids, sequence, saved_at) VALUES (?1, ?2, ?3, ?4, unixepoch())";
const INSERT_CLUSTER: &str =
    "INSERT INTO clusters (clustering, number, name, about) VALUES (?1, ?2, ?3, ?4)";
/// A clustering to save.
#[derive(Debug, Clone, Copy)]
pub struct NewClustering<'a> {
    /// its name: 1 to 64 letters, digits, `_` or `-`
    pub name: &'a str,
    /// what the caller wants to know of it later
    pub about: &'a str,
    /// the centroids, in the caller's form
    pub centroids: &'a [u8],
    /// the clusters, by their numbers from 0
    pub clusters: &'a [Cluster],
    /// the labels of all documents, by ascending internal id; those of ids that are gone are passed over
    pub labels: &'a [(i64, Label)],
    /// whether it may take the place of the one of the same name
    pub replace: bool,
}

/// One cluster of a clustering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// its name, if it has one: no other cluster of the clustering has it
    pub name: Option<String>,
    /// what the caller wants to know of it later
    pub about: String,
}

/// A saved clustering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clustering {
    /// its internal id, never given again
    pub id: i64,
    /// its name
    pub name: String,
    /// as it was given
    pub about: String,
    /// the collection's sequence when it was saved
    pub sequence: u64,
    /// when it was saved, in seconds since 1970 (UTC)
    pub saved_at: i64,
    /// the clusters, by their numbers from 0
    pub clusters: Vec<Cluster>,
}

/// Whether this file has tables of clusterings: a reader may see one of an earlier format.
pub(crate) fn is_known(connection: &Connection) -> rusqlite::Result<bool> {
    let format: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(format >= 3)
}

/// All clusterings, by name.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<Clustering>> {
    if !is_known(connection)? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(CLUSTERINGS)?;
    let found = statement.query_map([], |row| clustering(connection, row))?;
    found.collect()
}

/// The clustering of this name.
pub(crate) fn get(connection: &Connection, name: &str) -> Result<Clustering, Fault> {
    let mut found = all(connection)?;
    match found.iter().position(|clustering| clustering.name == name) {
        Some(place) => Ok(found.swap_remove(place)),
        None => Err(unknown(name, found.into_iter().map(|known| known.name).collect()).into()),
    }
}

fn clustering(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<Clustering> {
    let id = row.get(0)?;
    let mut clusters = connection.prepare_cached(CLUSTERS)?;
    let clusters = clusters.query_map([id], |row| {
        Ok(Cluster {
            name: row.get(0)?,
            about: row.get(1)?,
        })
    })?;
    Ok(Clustering {
        id,
        name: row.get(1)?,
        about: row.get(2)?,
        sequence: row.get::<_, i64>(3)?.cast_unsigned(),
        saved_at: row.get(4)?,
        clusters: clusters.collect::<rusqlite::Result<_>>()?,
    })
}

/// The internal ids and names of all clusterings, by id.
pub(crate) fn names(connection: &Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    if !is_known(connection)? {
        return Ok(Vec::new());
    }
    let mut statement =
        connection.prepare_cached("SELECT id, name FROM clusterings ORDER BY id")?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    found.collect()
}

/// The clustering of this name.
pub(crate) fn id_of(connection: &Connection, name: &str) -> Result<i64, Fault> {
    let names = names(connection)?;
    match names.iter().find(|(_, known)| known == name) {
        Some((id, _)) => Ok(*id),
        None => Err(unknown(name, names.into_iter().map(|(_, name)| name).collect()).into()),
    }
}

fn unknown(given: &str, mut known: Vec<String>) -> Error {
    known.sort_unstable();
    Error::UnknownClustering {
        given: given.into(),
        known,
    }
}

/// The centroids of a clustering, as they were given; None where it is gone.
pub(crate) fn centroids(connection: &Connection, id: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    if !is_known(connection)? {
        return Ok(None);
    }
    connection
        .prepare_cached("SELECT centroids FROM clusterings WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()
}

/// Saves a clustering without its labels, and gives its internal id.
pub(crate) fn save(
    connection: &Connection,
    new: &NewClustering<'_>,
    sequence: u64,
) -> Result<i64, Fault> {
    let names = names(connection)?;
    let before = names.iter().find(|(_, name)| name == new.name);
    match before {
        Some((id, _)) if new.replace => drop_rows(connection, *id)?,
        Some((_, name)) => return Err(Error::ClusteringExists { name: name.clone() }.into()),
        None if names.len() >= MAX_CLUSTERINGS => {
            return Err(Error::TooManyClusterings {
                limit: MAX_CLUSTERINGS,
            }
            .into());
        }
        None => {}
    }
    let sequence = sequence.cast_signed();
    connection
        .prepare_cached(INSERT)?
        .execute((new.name, new.about, new.centroids, sequence))?;
    let id = connection.last_insert_rowid();
    let mut insert = connection.prepare_cached(INSERT_CLUSTER)?;
    for (number, cluster) in new.clusters.iter().enumerate() {
        insert.execute((id, number, &cluster.name, &cluster.about))?;
    }
    Ok(id)
}

/// Takes the clustering of this name out, with its labels.
pub(crate) fn remove(connection: &Connection, name: &str) -> Result<(), Fault> {
    Ok(drop_rows(connection, id_of(connection, name)?)?)
}

fn drop_rows(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    for statement in [
        "DELETE FROM labels WHERE clustering = ?1",
        "DELETE FROM clusters WHERE clustering = ?1",
        "DELETE FROM clusterings WHERE id = ?1",
    ] {
        connection.prepare_cached(statement)?.execute([id])?;
    }
    Ok(())
}

/// Names clusters of the clustering of this name, or takes their names; all at once, so that names can be exchanged.
pub(crate) fn rename(
    connection: &Connection,
    clustering: &str,
    names: &[(u32, Option<String>)],
) -> Result<(), Fault> {
    let id = id_of(connection, clustering)?;
    let mut set = connection
        .prepare_cached("UPDATE clusters SET name = ?3 WHERE clustering = ?1 AND number = ?2")?;
    for (number, _) in names {
        if set.execute((id, number, None::<&str>))? == 0 {
            return Err(unknown_cluster(connection, id, clustering, number)?.into());
        }
    }
    for (number, name) in names {
        let Some(name) = name else { continue };
        if let Some(other) = number_of(connection, id, name)?.filter(|other| other != number) {
            return Err(Error::ClusterNameTaken {
                name: name.clone(),
                cluster: other,
            }
            .into());
        }
        set.execute((id, number, name))?;
    }
    Ok(())
}

/// The error about a cluster that a clustering does not have.
pub(crate) fn unknown_cluster(
    connection: &Connection,
    id: i64,
    clustering: &str,
    given: impl std::fmt::Display,
) -> rusqlite::Result<Error> {
    Ok(Error::UnknownCluster {
        clustering: clustering.into(),
        given: given.to_string(),
        clusters: count(connection, id)?,
    })
}

/// How many clusters a clustering has.
pub(crate) fn count(connection: &Connection, id: i64) -> rusqlite::Result<u32> {
    let mut statement =
        connection.prepare_cached("SELECT count(*) FROM clusters WHERE clustering = ?1")?;
    statement.query_row([id], |row| row.get(0))
}

/// The number of the cluster of this name.
pub(crate) fn number_of(
    connection: &Connection,
    id: i64,
    name: &str,
) -> rusqlite::Result<Option<u32>> {
    connection
        .prepare_cached("SELECT number FROM clusters WHERE clustering = ?1 AND name = ?2")?
        .query_row((id, name), |row| row.get(0))
        .optional()
}

/// Refuses a name that a clustering may not have: it stands in paths of filters and URLs.
///
/// # Errors
/// [`Error::BadClusteringName`].
pub fn check_clustering_name(name: &str) -> Result<()> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let begins = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    if begins && name.len() <= MAX_NAME && name.chars().all(plain) {
        return Ok(());
    }
    Err(Error::BadClusteringName { given: name.into() })
}

/// Refuses a name that a cluster may not have: it may not look like a number, which is another way to name it.
pub(crate) fn check_cluster_name(name: &str) -> Result<()> {
    let length = name.chars().count();
    let number = name.chars().all(|letter| letter.is_ascii_digit());
    if (1..=MAX_NAME).contains(&length)
        && !number
        && name.trim() == name
        && !name.chars().any(char::is_control)
    {
        return Ok(());
    }
    Err(Error::BadClusterName { given: name.into() })
}
