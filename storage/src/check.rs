//! Looks for contradictions in a whole file.
//!
//! Invariant: a file that passes can be read to the last byte of every document. It repairs nothing.

use rusqlite::Connection;

use crate::documents;
use crate::error::Fault;
use crate::seal::Status;

/// Each a query for the number of rows that contradict what must hold, and what to say of them. `?1` is a vector's bytes.
const CONTRADICTIONS: &[(&str, &str)] = &[
    (
        "SELECT count(*) FROM documents WHERE id NOT IN (SELECT id FROM vectors) AND ?1",
        "documents have no vector",
    ),
    (
        "SELECT count(*) FROM vectors WHERE length(vector) <> ?1",
        "vectors have another length than the collection's dimension",
    ),
    (
        "SELECT count(*) FROM removed WHERE id IN (SELECT id FROM vectors) AND ?1",
        "removed ids are alive",
    ),
    (
        "SELECT count(*) FROM removed, collection WHERE removed.sequence > collection.sequence AND ?1",
        "removals are from the future",
    ),
    (
        "SELECT count(*) FROM collection WHERE seal_sequence > sequence AND ?1",
        "sealed indexes are from the future",
    ),
];

/// As [`CONTRADICTIONS`], in files that cannot have passages.
const OF_FORMAT_1: &[(&str, &str)] = &[(
    "SELECT count(*) FROM vectors WHERE id NOT IN (SELECT id FROM documents) AND ?1",
    "vectors have no document",
)];

/// As [`CONTRADICTIONS`], in files that may have passages.
const OF_PASSAGES: &[(&str, &str)] = &[
    (
        "SELECT count(*) FROM vectors WHERE id NOT IN (SELECT id FROM documents)
            AND id NOT IN (SELECT id FROM passages) AND ?1",
        "vectors have no document",
    ),
    (
        "SELECT count(*) FROM passages WHERE id NOT IN (SELECT id FROM vectors) AND ?1",
        "passages have no vector",
    ),
    (
        "SELECT count(*) FROM passages WHERE document NOT IN (SELECT id FROM documents) AND ?1",
        "passages have no document",
    ),
    (
        "SELECT count(*) FROM passages AS one WHERE (id > document OR id < document AND NOT EXISTS
            (SELECT 1 FROM passages WHERE id = one.id + 1 AND document = one.document)) AND ?1",
        "passages do not stand with their document's",
    ),
    (
        "SELECT count(*) FROM passages JOIN documents ON documents.id = document
            WHERE (start_byte < 0 OR start_byte >= end_byte OR end_byte > ifnull(octet_length(text), 0)) AND ?1",
        "passages are not within their document's text",
    ),
];

/// As [`CONTRADICTIONS`], in files that may have clusterings.
const OF_CLUSTERINGS: &[(&str, &str)] = &[
    (
        "SELECT count(*) FROM labels WHERE id NOT IN (SELECT id FROM documents) AND ?1",
        "labels have no document",
    ),
    (
        "SELECT count(*) FROM labels WHERE NOT EXISTS
            (SELECT 1 FROM clusters WHERE clusters.clustering = labels.clustering AND number = cluster) AND ?1",
        "labels have no cluster",
    ),
    (
        "SELECT count(*) FROM documents CROSS JOIN clusterings WHERE NOT EXISTS
            (SELECT 1 FROM labels WHERE labels.id = documents.id AND clustering = clusterings.id) AND ?1",
        "documents have no label",
    ),
];

/// Fails with what is wrong in the file.
pub(crate) fn check(
    connection: &Connection,
    dimension: usize,
    status: &Status,
) -> Result<(), Fault> {
    integrity(connection)?;
    let format: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let passages = if format == 1 {
        OF_FORMAT_1
    } else {
        OF_PASSAGES
    };
    let clusterings = if format < 3 { &[] } else { OF_CLUSTERINGS };
    let all = CONTRADICTIONS.iter().chain(passages).chain(clusterings);
    for (query, complaint) in all {
        none(
            connection.query_row(query, [dimension * size_of::<f32>()], |row| row.get(0))?,
            complaint,
        )?;
    }
    let documents: u64 =
        connection.query_row("SELECT count(*) FROM documents", [], |row| row.get(0))?;
    none(
        documents.abs_diff(status.documents),
        "documents more or fewer than counted",
    )?;
    let above = connection.query_row(
        "SELECT count(*) FROM documents WHERE id > ?1",
        [status.last_id],
        |row| row.get(0),
    )?;
    none(above, "documents have ids that were never given")?;
    documents::read_all(connection, dimension)
}

fn none(found: u64, complaint: &str) -> Result<(), Fault> {
    match found {
        0 => Ok(()),
        found => Err(Fault::Corrupt(format!("{found} {complaint}"))),
    }
}

fn integrity(connection: &Connection) -> Result<(), Fault> {
    let finding: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    match finding.as_str() {
        "ok" => Ok(()),
        _ => Err(Fault::Corrupt(format!(
            "SQLite's integrity check says: {finding}"
        ))),
    }
}
