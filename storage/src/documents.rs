//! All SQL about documents: write, delete, find, read.
//!
//! Invariant: a row in `documents` has one in `vectors`, or one for each of its passages, and a label in every clustering; the count in
//! `collection` is right, and an id that leaves goes to `removed`: each in the transaction that the caller holds. It opens and
//! commits none.

use std::ops::ControlFlow;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};

use crate::column::{blob, key};
use crate::error::Fault;
use crate::filter::Matcher;
use crate::record::{NewDocument, Record, Removed, Written};
use crate::seal::Status;
use crate::vectors::Vectors;
use crate::{Key, NewLabels, jsonb, labels, passages, vector, vectors};

const RECORD: &str = "SELECT id, key, key_integer, metadata, text FROM documents WHERE id = ?1";
const RECORD_OF_KEY: &str =
    "SELECT id, key, key_integer, metadata, text FROM documents WHERE key = ?1";
const RECORDS_AFTER: &str =
    "SELECT id, key, key_integer, metadata, text FROM documents WHERE id > ?1 ORDER BY id";
const KEY: &str = "SELECT id, key, key_integer FROM documents WHERE id = ?1";
const ID_OF_KEY: &str = "SELECT id FROM documents WHERE key = ?1";
const IDS: &str = "SELECT id FROM documents ORDER BY id";
const METADATA: &str = "SELECT id, metadata FROM documents ORDER BY id";
const METADATA_OF: &str = "SELECT metadata FROM documents WHERE id = ?1";
const INSERT: &str =
    "INSERT INTO documents (id, key, key_integer, metadata, text) VALUES (?1, ?2, ?3, ?4, ?5)";
const INSERT_VECTOR: &str = "INSERT INTO vectors (id, vector) VALUES (?1, ?2)";
const NEXT_SEQUENCE: &str = "UPDATE collection SET sequence = sequence + 1 RETURNING sequence";
const COUNT_CHANGE: &str = "UPDATE collection SET documents = documents + ?1";

/// Puts the documents in, in place of those with the same keys.
pub(crate) fn upsert(
    connection: &Connection,
    documents: &[NewDocument<'_>],
    new_labels: &[NewLabels<'_>],
    dimension: usize,
) -> Result<Written, Fault> {
    let sequence = next_sequence(connection)?;
    let mut remover = Remover::new(connection, sequence)?;
    let mut inserter = Inserter::new(connection, dimension)?;
    let mut find = connection.prepare_cached(ID_OF_KEY)?;
    let mut written = Written {
        ids: Vec::with_capacity(documents.len()),
        replaced: Vec::new(),
        updated: 0,
        sequence: sequence.cast_unsigned(),
    };
    for document in documents {
        let key = document.key.text();
        if let Some(id) = find.query_row([&key], |row| row.get(0)).optional()? {
            remover.remove(id, &mut written.replaced)?;
            written.updated += 1;
        }
        written.ids.push(inserter.insert(&key, document)?);
    }
    labels::insert(connection, &written.ids, new_labels)?;
    change_count(connection, written.ids.len(), written.updated)?;
    Ok(written)
}

/// Takes the documents with these ids out.
pub(crate) fn remove(connection: &Connection, ids: Vec<i64>) -> Result<Removed, Fault> {
    let sequence = next_sequence(connection)?;
    let mut remover = Remover::new(connection, sequence)?;
    let mut gone = Vec::with_capacity(ids.len());
    for id in &ids {
        remover.remove(*id, &mut gone)?;
    }
    change_count(connection, 0, ids.len())?;
    Ok(Removed {
        ids: gone,
        documents: ids.len(),
        sequence: sequence.cast_unsigned(),
    })
}

fn next_sequence(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(NEXT_SEQUENCE)?
        .query_row([], |row| row.get(0))
}

fn change_count(connection: &Connection, more: usize, fewer: usize) -> rusqlite::Result<()> {
    let change = more.cast_signed() - fewer.cast_signed();
    connection.prepare_cached(COUNT_CHANGE)?.execute([change])?;
    Ok(())
}

/// Takes rows out, one document at a time.
struct Remover<'c> {
    passages: passages::Finder<'c>,
    passage: CachedStatement<'c>,
    labels: labels::Remover<'c>,
    vector: CachedStatement<'c>,
    document: CachedStatement<'c>,
    note: CachedStatement<'c>,
    sequence: i64,
}

impl<'c> Remover<'c> {
    fn new(connection: &'c Connection, sequence: i64) -> rusqlite::Result<Self> {
        Ok(Self {
            passages: passages::Finder::new(connection)?,
            passage: connection.prepare_cached("DELETE FROM passages WHERE id = ?1")?,
            labels: labels::Remover::new(connection)?,
            vector: connection.prepare_cached("DELETE FROM vectors WHERE id = ?1")?,
            document: connection.prepare_cached("DELETE FROM documents WHERE id = ?1")?,
            note: connection
                .prepare_cached("INSERT INTO removed (id, sequence) VALUES (?1, ?2)")?,
            sequence,
        })
    }

    /// Takes the document `id` out and adds the ids that go with it, ascending.
    fn remove(&mut self, id: i64, gone: &mut Vec<i64>) -> rusqlite::Result<()> {
        for passage in self.passages.of(id)? {
            self.passage.execute([passage.id])?;
            if passage.id != id {
                self.remove_vector(passage.id, gone)?;
            }
        }
        self.remove_vector(id, gone)?;
        self.labels.remove(id)?;
        self.document.execute([id])?;
        Ok(())
    }

    fn remove_vector(&mut self, id: i64, gone: &mut Vec<i64>) -> rusqlite::Result<()> {
        self.vector.execute([id])?;
        self.note.execute([id, self.sequence])?;
        gone.push(id);
        Ok(())
    }
}

/// Puts rows in, one document at a time.
struct Inserter<'c> {
    connection: &'c Connection,
    dimension: usize,
    /// the largest id given so far
    last_id: i64,
    passages: passages::Inserter<'c>,
    document: CachedStatement<'c>,
    vector: CachedStatement<'c>,
    metadata: Vec<u8>,
    bytes: Vec<u8>,
}

impl<'c> Inserter<'c> {
    fn new(connection: &'c Connection, dimension: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            dimension,
            last_id: Status::read(connection)?.last_id,
            passages: passages::Inserter::new(connection)?,
            document: connection.prepare_cached(INSERT)?,
            vector: connection.prepare_cached(INSERT_VECTOR)?,
            metadata: Vec::new(),
            bytes: Vec::new(),
        })
    }

    /// Gives each vector an id of its own, and the document the last of them.
    fn insert(&mut self, key: &str, document: &NewDocument<'_>) -> Result<i64, Fault> {
        jsonb::encode(document.metadata, &mut self.metadata);
        let first = self.last_id + 1;
        let last = (first..).zip(document.passages).last();
        self.document.execute((
            last.map(|(id, _)| id),
            key,
            document.key.is_integer(),
            &self.metadata,
            document.text,
        ))?;
        let id = self.connection.last_insert_rowid();
        self.last_id = id;
        let first = last.map_or(id, |_| first);
        self.passages.insert(first, id, document.passages)?;
        for (id, numbers) in (first..).zip(document.vector.chunks_exact(self.dimension)) {
            vector::encode(numbers, &mut self.bytes);
            self.vector.execute((id, &self.bytes))?;
        }
        Ok(id)
    }
}

/// The ids that the keys have, in order, without those that have none and without repetition.
pub(crate) fn ids_of_keys(connection: &Connection, keys: &[Key]) -> rusqlite::Result<Vec<i64>> {
    let mut find = connection.prepare_cached(ID_OF_KEY)?;
    let mut seen = std::collections::HashSet::new();
    let mut ids = Vec::new();
    for key in keys {
        let id: Option<i64> = find.query_row([key.text()], |row| row.get(0)).optional()?;
        ids.extend(id.filter(|id| seen.insert(*id)));
    }
    Ok(ids)
}

/// The keys of the documents with these ids, in order.
pub(crate) fn keys(connection: &Connection, ids: &[i64]) -> Result<Vec<Option<Key>>, Fault> {
    let mut statement = connection.prepare_cached(KEY)?;
    let mut find = |id: &i64| {
        let mut rows = statement.query([id])?;
        rows.next()?.map(|row| key(row, *id)).transpose()
    };
    ids.iter().map(&mut find).collect()
}

/// The ids of all documents, ascending.
pub(crate) fn ids(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(IDS)?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// The ids of the documents that fit, ascending.
pub(crate) fn matching(connection: &Connection, matcher: &mut Matcher) -> Result<Vec<i64>, Fault> {
    let mut ids = Vec::new();
    each_match(connection, matcher, |id| ids.push(id))?;
    Ok(ids)
}

/// How many documents fit.
pub(crate) fn count(connection: &Connection, matcher: &mut Matcher) -> Result<u64, Fault> {
    let mut count = 0;
    each_match(connection, matcher, |_| count += 1)?;
    Ok(count)
}

fn each_match(
    connection: &Connection,
    matcher: &mut Matcher,
    mut found: impl FnMut(i64),
) -> Result<(), Fault> {
    if let Some(ids) = matcher.candidates() {
        return each_match_of(connection, matcher, &ids, found);
    }
    let mut statement = connection.prepare_cached(METADATA)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        if matcher.fits(id, blob(row, 1)?)? {
            found(id);
        }
    }
    Ok(())
}

/// As `each_match`, where no document but these can fit.
fn each_match_of(
    connection: &Connection,
    matcher: &mut Matcher,
    ids: &[i64],
    mut found: impl FnMut(i64),
) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(METADATA_OF)?;
    for &id in ids {
        let fits = if matcher.reads_metadata() {
            let mut rows = statement.query([id])?;
            match rows.next()? {
                Some(row) => matcher.fits(id, blob(row, 0)?)?,
                None => false,
            }
        } else {
            matcher.fits(id, &[])?
        };
        if fits {
            found(id);
        }
    }
    Ok(())
}

/// Up to `limit` documents above id `after` that fit, ascending.
pub(crate) fn scroll(
    connection: &Connection,
    after: i64,
    limit: usize,
    mut matcher: Option<Matcher>,
    mut vectors: Option<Vectors<'_>>,
) -> Result<Vec<Record>, Fault> {
    let mut statement = connection.prepare_cached(RECORDS_AFTER)?;
    let mut rows = statement.query([after])?;
    let mut records = Vec::new();
    while records.len() < limit {
        let Some(row) = rows.next()? else { break };
        let fits = matcher
            .as_mut()
            .map_or(Ok(true), |matcher| matcher.fits(row.get(0)?, blob(row, 3)?))?;
        if fits {
            records.push(record(row, vectors.as_mut())?);
        }
    }
    Ok(records)
}

/// The documents with these ids, in order.
pub(crate) fn records(
    connection: &Connection,
    ids: &[i64],
    mut vectors: Option<Vectors<'_>>,
) -> Result<Vec<Option<Record>>, Fault> {
    let mut statement = connection.prepare_cached(RECORD)?;
    ids.iter()
        .map(|id| first(statement.query([id])?, vectors.as_mut()))
        .collect()
}

/// The documents with these keys, in order.
pub(crate) fn get(
    connection: &Connection,
    keys: &[Key],
    mut vectors: Option<Vectors<'_>>,
) -> Result<Vec<Option<Record>>, Fault> {
    let mut statement = connection.prepare_cached(RECORD_OF_KEY)?;
    keys.iter()
        .map(|key| first(statement.query([key.text()])?, vectors.as_mut()))
        .collect()
}

fn first(
    mut rows: rusqlite::Rows<'_>,
    vectors: Option<&mut Vectors<'_>>,
) -> Result<Option<Record>, Fault> {
    match rows.next()? {
        Some(row) => Ok(Some(record(row, vectors)?)),
        None => Ok(None),
    }
}

fn record(row: &Row<'_>, vectors: Option<&mut Vectors<'_>>) -> Result<Record, Fault> {
    let id: i64 = row.get(0)?;
    let key = key(row, id)?;
    let metadata = jsonb::decode(blob(row, 3)?)?;
    let vector = vectors
        .map(|vectors| vectors.get(id))
        .transpose()?
        .flatten();
    Ok(Record {
        id,
        key,
        text: row.get(4)?,
        metadata,
        vector,
    })
}

/// Reads every document and every vector, and fails at the first that cannot be.
pub(crate) fn read_all(connection: &Connection, dimension: usize) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(RECORDS_AFTER)?;
    let mut rows = statement.query([i64::MIN])?;
    while let Some(row) = rows.next()? {
        record(row, None)?;
    }
    let mut bad = None;
    vectors::for_each(connection, i64::MIN, dimension, &mut |id, vector| {
        bad = vector
            .iter()
            .any(|number| !number.is_finite())
            .then_some(id);
        bad.map_or(ControlFlow::Continue(()), |_| ControlFlow::Break(()))
    })?;
    match bad {
        Some(id) => Err(Fault::Corrupt(format!(
            "vector {id} has NaN or infinity in it"
        ))),
        None => Ok(()),
    }
}
