//! Reads vectors, by id and in the order of ids. `documents.rs` writes and removes them.
//!
//! Invariant: a vector that is read has the collection's dimension. It does not know whose it is.

use std::ops::ControlFlow;

use rusqlite::{CachedStatement, Connection, Row};

use crate::column::blob;
use crate::error::Fault;
use crate::vector;

const VECTOR: &str = "SELECT vector FROM vectors WHERE id = ?1";
const VECTORS_AFTER: &str = "SELECT id, vector FROM vectors WHERE id > ?1 ORDER BY id";

/// Reads vectors, one id at a time.
pub(crate) struct Vectors<'c> {
    statement: CachedStatement<'c>,
    dimension: usize,
}

impl<'c> Vectors<'c> {
    pub(crate) fn new(connection: &'c Connection, dimension: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            statement: connection.prepare_cached(VECTOR)?,
            dimension,
        })
    }

    /// The vector of the document `id`; None where there is no such document.
    pub(crate) fn get(&mut self, id: i64) -> Result<Option<Vec<f32>>, Fault> {
        let mut rows = self.statement.query([id])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let mut vector = Vec::new();
        decode(row, 0, id, self.dimension, &mut vector)?;
        Ok(Some(vector))
    }
}

/// Hands the vectors above id `after` to `take`, ascending, until it breaks.
pub(crate) fn for_each(
    connection: &Connection,
    after: i64,
    dimension: usize,
    take: &mut dyn FnMut(i64, &[f32]) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(VECTORS_AFTER)?;
    let mut rows = statement.query([after])?;
    let mut vector = Vec::with_capacity(dimension);
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        decode(row, 1, id, dimension, &mut vector)?;
        if take(id, &vector).is_break() {
            break;
        }
    }
    Ok(())
}

fn decode(
    row: &Row<'_>,
    column: usize,
    id: i64,
    dimension: usize,
    vector: &mut Vec<f32>,
) -> Result<(), Fault> {
    let bytes = blob(row, column)?;
    match vector::decode(bytes, dimension, vector) {
        true => Ok(()),
        false => Err(Fault::Corrupt(format!(
            "vector {id} has {} bytes and not {dimension} numbers",
            bytes.len()
        ))),
    }
}
