//! How commands open a database, and close it: what still runs in the background must not outlive the program.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
};

use anyhow::Result;
use vinedb::{Database, Options};

/// A database that is open for writing. Dropping it waits for what runs in the background.
pub(crate) struct Writing(Database);

impl Writing {
    pub(crate) fn open(options: Options, dir: &Path) -> Result<Self> {
        Ok(Self(options.open(dir)?))
    }
}

impl Deref for Writing {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.0
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Err(error) = self.0.clone().close() {
            tracing::warn!("{error}");
        }
    }
}

/// Opens a database for reading.
pub(crate) fn read(home: PathBuf, dir: &Path) -> Result<Database> {
    Ok(Options::default().home(home).read_only(true).open(dir)?)
}

/// Opens an existing database for writing.
pub(crate) fn write(home: PathBuf, dir: &Path) -> Result<Writing> {
    Writing::open(Options::default().home(home).create(false), dir)
}

/// Does something in a database that is created if need be; when that fails, the folder that was created for it is removed.
pub(crate) fn in_database<T>(
    home: PathBuf,
    dir: &Path,
    work: impl FnOnce(&Database) -> vinedb::Result<T>,
) -> Result<T> {
    let was_there = dir.exists();
    let db = Writing::open(Options::default().home(home), dir)?;
    let done = work(&db);
    drop(db);
    if done.is_err() && !was_there {
        // Whatever else is there by now belongs to somebody: then the folder stays.
        let _ = std::fs::remove_file(dir.join("LOCK")).and_then(|()| std::fs::remove_dir(dir));
    }
    Ok(done?)
}
