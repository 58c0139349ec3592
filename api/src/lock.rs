//! The lock file of a database: one process writes.
//!
//! The lock is the operating system's, on `DIR/LOCK`, so it ends with the process however that dies; the file's text says
//! who holds it, for the one who finds it taken. The file is also what marks a folder as a database.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    path::{Path, PathBuf},
};

use crate::{Error, Result};

/// Name of the lock file within the database folder.
pub(crate) const LOCK: &str = "LOCK";

/// The held lock; dropping it releases it.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the database in `dir`, making the file if there is none.
    pub(crate) fn take(dir: &Path) -> Result<Self> {
        let path = dir.join(LOCK);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .read(true)
            .open(&path)
            .map_err(|error| Error::io(&path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked {
                    path: dir.to_owned(),
                    holder: holder(&path),
                });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io(&path, error)),
        }
        sign(&mut file).map_err(|error| Error::io(&path, error))?;
        Ok(Self { _file: file })
    }
}

fn sign(file: &mut File) -> std::io::Result<()> {
    let command = PathBuf::from(std::env::args_os().next().unwrap_or_default());
    let name = command.file_name().unwrap_or_default().to_string_lossy();
    file.set_len(0)?;
    writeln!(file, "process {} ({name})", std::process::id())
}

fn holder(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let text = text.trim();
    if text.is_empty() {
        "another process".to_owned()
    } else {
        text.to_owned()
    }
}

/// What a folder is to us.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Folder {
    Missing,
    Empty,
    Database,
    Foreign,
}

/// Looks at the folder without changing it.
pub(crate) fn inspect(dir: &Path) -> Result<Folder> {
    if dir.join(LOCK).is_file() {
        return Ok(Folder::Database);
    }
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(if entries.next().is_none() {
            Folder::Empty
        } else {
            Folder::Foreign
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Folder::Missing),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(Folder::Foreign),
        Err(error) => Err(Error::io(dir, error)),
    }
}
