//! Opens SQLite connections to one file: for writing, for reading, and for reading where nothing can be written.
//!
//! Invariant: a connection for reading changes nothing in the file. SQLite reads a file in write-ahead mode only with a shared-memory
//! file beside it, which a read-only folder cannot have; there, with no writes left in the -wal file, the file is opened as
//! immutable, and the connection lives only while the file stays as it was (`Connected::is_current`). It knows no tables.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::Fault;
use crate::{Error, Result};

/// How long a statement waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements kept prepared per connection; this crate has fewer.
const STATEMENTS: usize = 64;

/// Bytes in a page. Measured with 384-d vectors: 4,096 wastes a fifth of the room and reads all vectors a quarter slower, 16,384
/// makes replacing documents a third slower.
const PAGE_SIZE: i64 = 8192;
/// Negative: KiB of page cache per connection. The file is not mapped into memory: mapping saves a tenth of a filter's time and a third
/// of reading all vectors, but an I/O error or a cut file then kills the process, where SQLite's own reads give an error.
const CACHE_SIZE: i64 = -16 * 1024;
/// Bytes of the -wal file that stay for reuse after a checkpoint.
const WAL_KEPT: i64 = 64 << 20;

/// A connection for reading.
pub(crate) struct Connected {
    pub(crate) connection: Connection,
    /// for an immutable connection, the file as it was
    frozen: Option<FileState>,
}

impl Connected {
    /// False once a file opened as immutable has changed.
    pub(crate) fn is_current(&self, path: &Path) -> bool {
        self.frozen
            .as_ref()
            .is_none_or(|state| *state == FileState::of(path))
    }
}

/// What tells that somebody has written to a file.
#[derive(PartialEq)]
struct FileState {
    length: u64,
    modified: Option<SystemTime>,
    unmerged: u64,
}

impl FileState {
    fn of(path: &Path) -> Self {
        let facts = fs::metadata(path).ok();
        Self {
            length: facts.as_ref().map_or(0, fs::Metadata::len),
            modified: facts.and_then(|facts| facts.modified().ok()),
            unmerged: wal_length(path),
        }
    }
}

/// Opens `path`, which can be read, for writing, in write-ahead mode and synced at every commit.
pub(crate) fn for_writing(path: &Path) -> Result<Connection, Fault> {
    match durable(path) {
        Ok(connection) if !connection.is_readonly("main")? => Ok(connection),
        // the file itself can be opened, so it is those beside it that cannot be made
        Err(failure) if failure.sqlite_error_code() != Some(ErrorCode::CannotOpen) => {
            Err(failure.into())
        }
        _ => Err(Error::ReadOnly { path: path.into() }.into()),
    }
}

fn durable(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, "")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", WAL_KEPT)?;
    Ok(connection)
}

/// Makes a new, empty file for writing. It stays out of write-ahead mode, so that it is one file and can be renamed.
pub(crate) fn for_creating(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        "",
    )?;
    connection.pragma_update(None, "page_size", PAGE_SIZE)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Opens `path` for reading.
pub(crate) fn for_reading(path: &Path) -> Result<Connected, Fault> {
    let failure = match shared(path) {
        Ok(connection) => {
            return Ok(Connected {
                connection,
                frozen: None,
            });
        }
        Err(failure) => failure,
    };
    if !matches!(
        failure.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)
    ) {
        return Err(failure.into());
    }
    immutable(path)
}

/// Opens a file that nobody can be writing to.
fn immutable(path: &Path) -> Result<Connected, Fault> {
    let frozen = FileState::of(path);
    if frozen.unmerged > 0 {
        return Err(Error::NeedsRecovery { path: path.into() }.into());
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, "?immutable=1")?;
    touch(&connection)?;
    Ok(Connected {
        connection,
        frozen: Some(frozen),
    })
}

fn shared(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, "")?;
    touch(&connection)?;
    Ok(connection)
}

/// Makes SQLite open the files that it otherwise opens with the first statement.
fn touch(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0))
        .map(drop)
}

/// The length of the -wal file in bytes, 0 where there is none.
pub(crate) fn wal_length(path: &Path) -> u64 {
    fs::metadata(wal(path)).map_or(0, |facts| facts.len())
}

fn wal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn connect(path: &Path, mode: OpenFlags, query: &str) -> rusqlite::Result<Connection> {
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri(path) + query, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cache_size", CACHE_SIZE)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    Ok(connection)
}

/// The path as a URI, so that no character of it means anything to SQLite.
fn uri(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte);
    let escape = |byte: &u8| {
        if plain(*byte) {
            char::from(*byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    let name: String = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(escape)
        .collect();
    format!("file:{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_immutable_connection_is_current_until_the_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a file?.sqlite");
        for_creating(&path)
            .unwrap()
            .execute_batch("CREATE TABLE one (a)")
            .unwrap();
        let connected = immutable(&path).unwrap();
        assert!(connected.is_current(&path));
        let tables = |connection: &Connection| -> i64 {
            connection
                .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(tables(&connected.connection), 1);
        for_writing(&path)
            .unwrap()
            .execute_batch("CREATE TABLE two (a)")
            .unwrap();
        assert!(!connected.is_current(&path));
        assert_eq!(tables(&for_reading(&path).unwrap().connection), 2);
    }

    #[test]
    fn unmerged_writes_are_never_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("documents.sqlite");
        drop(for_creating(&path).unwrap());
        let writer = for_writing(&path).unwrap();
        writer.execute_batch("CREATE TABLE one (a)").unwrap();
        assert!(matches!(
            immutable(&path),
            Err(Fault::Error(Error::NeedsRecovery { .. }))
        ));
    }
}
