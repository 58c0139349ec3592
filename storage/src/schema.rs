//! The file format: numbered migrations on `PRAGMA user_version`, and the mark that tells our files from others.
//!
//! Invariant: a migration and its version number commit together, so that a file is never between two formats. It does not
//! open files.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::Fault;
use crate::{Error, Result};

/// `vine` in ASCII.
const APPLICATION_ID: i32 = 0x7669_6e65;

/// The steps from each format to the next; the first makes format 1 from an empty file.
const MIGRATIONS: &[&str] = &[
    include_str!("../schema/0001.sql"),
    include_str!("../schema/0002.sql"),
    include_str!("../schema/0003.sql"),
];

/// The format that this crate writes.
pub(crate) fn newest() -> u32 {
    u32::try_from(MIGRATIONS.len()).expect("there are a handful of migrations")
}

/// Marks an empty file as ours and brings it to the newest format.
pub(crate) fn create(connection: &mut Connection) -> Result<(), Fault> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(migrate(connection, 0, MIGRATIONS)?)
}

/// Brings a file that `check` has found to be ours from format `found` to the newest.
pub(crate) fn upgrade(connection: &mut Connection, found: u32) -> rusqlite::Result<()> {
    migrate(connection, found, MIGRATIONS)
}

/// The file's format, if it is ours and not from the future.
pub(crate) fn check(connection: &Connection, path: &Path) -> Result<u32, Fault> {
    let mark: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if mark != APPLICATION_ID || found == 0 {
        return Err(Error::NotACollection { path: path.into() }.into());
    }
    if found > newest() {
        return Err(Error::NewerVersion {
            path: path.into(),
            found,
            supported: newest(),
        }
        .into());
    }
    Ok(found)
}

fn migrate(connection: &mut Connection, found: u32, migrations: &[&str]) -> rusqlite::Result<()> {
    for (version, sql) in (1..).zip(migrations).skip(found as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> u32 {
        connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn migrations_run_once_and_from_where_the_file_is() {
        let mut connection = Connection::open_in_memory().unwrap();
        let first = ["CREATE TABLE one (a)"];
        let both = ["CREATE TABLE one (a)", "ALTER TABLE one ADD COLUMN b"];
        migrate(&mut connection, 0, &first).unwrap();
        assert_eq!(version(&connection), 1);
        migrate(&mut connection, 1, &both).unwrap();
        assert_eq!(version(&connection), 2);
        migrate(&mut connection, 2, &both).unwrap();
        connection
            .execute("INSERT INTO one (a, b) VALUES (1, 2)", [])
            .unwrap();
    }

    #[test]
    fn a_failing_migration_leaves_the_format_before_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(
            &mut connection,
            0,
            &["CREATE TABLE one (a)", "CREATE TABLE two (a); nonsense"],
        )
        .unwrap_err();
        assert_eq!(version(&connection), 1);
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 1);
    }
}
