//! All SQL about passages: what a document that has a vector for each of its passages has more than others.
//!
//! Invariant: the ids of a document's passages follow each other and the last is the document's own, so they are found by
//! walking down from it. A document without passages has no row here. It opens and commits no transaction.

use std::ops::Range;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};

use crate::Passage;

const PASSAGE: &str = "SELECT id, document, start_byte, end_byte FROM passages WHERE id = ?1";
const PASSAGES_DOWN: &str =
    "SELECT id, document, start_byte, end_byte FROM passages WHERE id <= ?1 ORDER BY id DESC";
const INSERT: &str =
    "INSERT INTO passages (id, document, start_byte, end_byte) VALUES (?1, ?2, ?3, ?4)";
const COUNT: &str = "SELECT count(*) FROM passages";

/// Puts passages in, those of one document at a time.
pub(crate) struct Inserter<'c>(CachedStatement<'c>);

impl<'c> Inserter<'c> {
    pub(crate) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached(INSERT).map(Self)
    }

    /// The passages of `document` under the ids from `first`.
    pub(crate) fn insert(
        &mut self,
        first: i64,
        document: i64,
        passages: &[Range<usize>],
    ) -> rusqlite::Result<()> {
        for (id, range) in (first..).zip(passages) {
            let (start, end) = (range.start.cast_signed(), range.end.cast_signed());
            self.0.execute((id, document, start, end))?;
        }
        Ok(())
    }
}

/// Finds passages, of one document at a time.
pub(crate) struct Finder<'c>(CachedStatement<'c>);

impl<'c> Finder<'c> {
    pub(crate) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached(PASSAGES_DOWN).map(Self)
    }

    /// The passages of `document`, ascending; none where it has none.
    pub(crate) fn of(&mut self, document: i64) -> rusqlite::Result<Vec<Passage>> {
        let mut rows = self.0.query([document])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let passage = passage(row)?;
            if passage.document != document {
                break;
            }
            found.push(passage);
        }
        found.reverse();
        Ok(found)
    }
}

/// The passages with these ids, in order.
pub(crate) fn get(connection: &Connection, ids: &[i64]) -> rusqlite::Result<Vec<Option<Passage>>> {
    let mut statement = connection.prepare_cached(PASSAGE)?;
    ids.iter()
        .map(|id| statement.query_row([id], passage).optional())
        .collect()
}

/// How many there are.
pub(crate) fn count(connection: &Connection) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(COUNT)?;
    statement.query_row([], |row| row.get(0))
}

fn passage(row: &Row<'_>) -> rusqlite::Result<Passage> {
    let byte = |column| row.get::<_, isize>(column).map(isize::cast_unsigned);
    Ok(Passage {
        id: row.get(0)?,
        document: row.get(1)?,
        start: byte(2)?,
        end: byte(3)?,
    })
}
