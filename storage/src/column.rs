//! Values of the columns of a row.

use rusqlite::Row;

use crate::Key;
use crate::error::Fault;

/// The bytes in a column.
pub(crate) fn blob<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8], Fault> {
    let bytes = row.get_ref(column)?.as_blob();
    bytes.map_err(|error| Fault::Corrupt(format!("column {column} is no blob: {error}")))
}

/// The key in the columns 1 and 2.
pub(crate) fn key(row: &Row<'_>, id: i64) -> Result<Key, Fault> {
    Key::from_columns(row.get(1)?, row.get(2)?).ok_or_else(|| {
        Fault::Corrupt(format!(
            "document {id} has a key that is no integer and is marked as one"
        ))
    })
}
