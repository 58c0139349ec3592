//! The lock file of a database: one process writes.
//!
//! The lock is the operating system's, on `DIR/LOCK`, so it ends with the process however that dies; the file's text names the
//! holder, for whoever finds it taken. The file is also what marks a folder as a database.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::error::{Error, Result};

/// Name of the lock file within the database folder.
pub(crate) const LOCK: &str = "LOCK";

/// What the holder adds to its name once no handle is left and it only waits for a compaction to stop.
const CLOSING: &str = ", closing";
/// How long a database that is closing is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

/// The held lock, released when it is dropped or before, by [`Lock::release`]. Background work shares it.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// What handles that may write share; when the last is dropped, the lock file says that the database is closing.
#[derive(Debug)]
pub(crate) struct Writer(Arc<Lock>);

impl Lock {
    /// Releases the lock, whoever still shares it.
    pub(crate) fn release(&self) -> io::Result<()> {
        self.file.unlock()
    }

    /// Writes who holds the lock.
    fn sign(&self) -> io::Result<()> {
        let command = PathBuf::from(std::env::args_os().next().unwrap_or_default());
        let name = command.file_name().unwrap_or_default().to_string_lossy();
        self.file.set_len(0)?;
        write!(&self.file, "process {} ({name})", std::process::id())
    }
}

impl Writer {
    /// Takes the lock of the database in `dir`, creating the file if there is none. Waits for a holder that is closing.
    pub(crate) fn take(dir: &Path) -> Result<Self> {
        let path = dir.join(LOCK);
        let failed = |error| Error::io(&path, error);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .read(true)
            .open(&path)
            .map_err(failed)?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            let holder = holder(&path);
            if !holder.ends_with(CLOSING) || started.elapsed() > PATIENCE {
                let path = dir.to_owned();
                return Err(Error::Locked { path, holder });
            }
            thread::sleep(POLL);
        }
        let lock = Lock { file };
        lock.sign().map_err(failed)?;
        Ok(Self(Arc::new(lock)))
    }

    pub(crate) fn lock(&self) -> Arc<Lock> {
        Arc::clone(&self.0)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Only where background work still holds the lock: else it is released at once, and the next holder signs.
        if Arc::strong_count(&self.0) > 1 {
            // Without the note, whoever opens the database next is told to wait rather than waiting.
            let _ = (&self.0.file).write_all(CLOSING.as_bytes());
        }
    }
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
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Folder::Missing),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(Folder::Foreign),
        Err(error) => Err(Error::io(dir, error)),
    }
}
