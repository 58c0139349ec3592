//! The row about the whole collection: its sequence, its size, and the index that was sealed last.
//!
//! Invariant: `removed` holds every id that the recorded sealed index may hold and no row has. It does not read index files.

use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::error::Fault;

/// A sealed index, as it is recorded beside the documents it was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// counts the sealed indexes of a collection
    pub generation: u64,
    /// the file's name inside the collection's folder
    pub file: String,
    /// the kind of index, as a FAISS factory string
    pub kind: String,
    /// the largest internal id inside it
    pub last_id: i64,
    /// the sequence of the snapshot that it was built from
    pub sequence: u64,
    /// true if it still holds ids that were removed before that snapshot
    pub keeps_removed: bool,
}

/// The collection's row, at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) sequence: u64,
    pub(crate) documents: u64,
    pub(crate) last_id: i64,
    pub(crate) seal: Option<Seal>,
}

const STATUS: &str =
    "SELECT sequence, documents, (SELECT seq FROM sqlite_sequence WHERE name = 'documents'),
    seal_generation, seal_file, seal_kind, seal_last_id, seal_sequence, seal_keeps FROM collection";

impl Status {
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached(STATUS)?.query_row([], |row| {
            Ok(Self {
                sequence: row.get::<_, i64>(0)?.cast_unsigned(),
                documents: row.get::<_, i64>(1)?.cast_unsigned(),
                last_id: row.get::<_, Option<i64>>(2)?.unwrap_or(0),
                seal: seal(row)?,
            })
        })
    }
}

fn seal(row: &Row<'_>) -> rusqlite::Result<Option<Seal>> {
    let Some(generation) = row.get::<_, Option<i64>>(3)? else {
        return Ok(None);
    };
    Ok(Some(Seal {
        generation: generation.cast_unsigned(),
        file: row.get(4)?,
        kind: row.get(5)?,
        last_id: row.get(6)?,
        sequence: row.get::<_, i64>(7)?.cast_unsigned(),
        keeps_removed: row.get(8)?,
    }))
}

/// Records `seal`, and forgets the removed ids that it cannot hold.
pub(crate) fn record(connection: &Connection, seal: &Seal) -> Result<(), Fault> {
    let current = Status::read(connection)?.sequence;
    if seal.sequence > current {
        return Err(Error::SealAhead {
            given: seal.sequence,
            current,
        }
        .into());
    }
    let sequence = seal.sequence.cast_signed();
    connection
        .prepare_cached(
            "UPDATE collection SET seal_generation = ?1, seal_file = ?2, seal_kind = ?3, seal_last_id = ?4,
             seal_sequence = ?5, seal_keeps = ?6",
        )?
        .execute((seal.generation.cast_signed(), &seal.file, &seal.kind, seal.last_id, sequence, seal.keeps_removed))?;
    if !seal.keeps_removed {
        connection
            .prepare_cached("DELETE FROM removed WHERE sequence <= ?1")?
            .execute([sequence])?;
    }
    Ok(())
}

/// The ids that the sealed index may hold and no row has, ascending. An id given after the seal cannot be in it.
pub(crate) fn removed(connection: &Connection, seal: Option<&Seal>) -> rusqlite::Result<Vec<i64>> {
    let Some(seal) = seal else {
        return Ok(Vec::new());
    };
    let mut statement =
        connection.prepare_cached("SELECT id FROM removed WHERE id <= ?1 ORDER BY id")?;
    statement
        .query_map([seal.last_id], |row| row.get(0))?
        .collect()
}
