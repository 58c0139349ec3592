//! How commands open a database.

use std::path::{Path, PathBuf};

use anyhow::Result;
use vinedb::{Database, Options};

/// Opens a database for reading.
pub(crate) fn read(home: PathBuf, dir: &Path) -> Result<Database> {
    Ok(Options::default().home(home).read_only(true).open(dir)?)
}

/// Opens a database that is there for writing.
pub(crate) fn write(home: PathBuf, dir: &Path) -> Result<Database> {
    Ok(Options::default().home(home).create(false).open(dir)?)
}

/// Does something in a database that is made if need be; when that fails, the folder that was made for it goes again.
pub(crate) fn in_database<T>(
    home: PathBuf,
    dir: &Path,
    work: impl FnOnce(&Database) -> vinedb::Result<T>,
) -> Result<T> {
    let was_there = dir.exists();
    let db = Options::default().home(home).open(dir)?;
    let done = work(&db);
    if done.is_err() && !was_there {
        drop(db);
        // What else there is by now is somebody's: then the folder stays.
        let _ = std::fs::remove_file(dir.join("LOCK")).and_then(|()| std::fs::remove_dir(dir));
    }
    Ok(done?)
}
