//! The documents of one collection: its store, as long as the collection is there, and the lock under which it is written.
//!
//! Lock order is compacting (`space`), then `writing`, then the store's own.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use storage::{Access, Reader, Store};

use crate::{
    error::{Error, Result},
    folder::{DOCUMENTS, FileIdentity},
    lock::Lock,
};

/// A collection's store.
pub(crate) struct Documents {
    /// The collection's name, for messages.
    pub(crate) name: String,
    /// The collection's folder.
    pub(crate) folder: PathBuf,
    pub(crate) store: Store,
    writing: Mutex<()>,
    /// One of the constants below.
    state: AtomicU8,
    /// Which file the documents are in: another process may drop a collection and create one of the same name.
    identity: FileIdentity,
    /// Held while anything may still write here; `None` for a reader.
    lock: Option<Arc<Lock>>,
}

const OPEN: u8 = 0;
const DROPPED: u8 = 1;
const CLOSED: u8 = 2;

/// Why a collection is no longer used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Dropped,
    Closed,
}

impl Documents {
    /// Opens the store in `folder`: for writing with the database's lock, else for reading.
    pub(crate) fn open(name: &str, folder: &Path, lock: Option<Arc<Lock>>) -> Result<Self> {
        let path = folder.join(DOCUMENTS);
        // Before the file is opened: one that takes its place meanwhile is then seen as another.
        let identity = FileIdentity::of(&path);
        let access = if lock.is_some() {
            Access::ReadWrite
        } else {
            Access::ReadOnly
        };
        Ok(Self {
            name: name.to_owned(),
            folder: folder.to_owned(),
            store: Store::open(path, access)?,
            writing: Mutex::default(),
            state: AtomicU8::new(OPEN),
            identity,
            lock,
        })
    }

    /// A snapshot of the store. Checks the file after it was opened: a reader's may be another collection's by then.
    pub(crate) fn read(&self) -> Result<Reader<'_>> {
        let reader = self.store.read();
        self.check_there()?;
        Ok(reader?)
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.lock.is_some()
    }

    pub(crate) fn check_writable(&self, action: &'static str) -> Result<()> {
        if self.is_writable() {
            return Ok(());
        }
        Err(Error::ReadOnly { action })
    }

    /// Whether the collection was closed, or dropped by this process or, under a reader, by the one that writes.
    pub(crate) fn is_gone(&self) -> bool {
        self.check_there().is_err()
    }

    pub(crate) fn check_there(&self) -> Result<()> {
        match self.state.load(Ordering::Acquire) {
            CLOSED => Err(Error::Closed {
                path: self.folder.clone(),
            }),
            OPEN if self.is_writable() || self.identity == FileIdentity::of(self.store.path()) => {
                Ok(())
            }
            _ => Err(Error::Dropped {
                name: self.name.clone(),
            }),
        }
    }

    /// Held from before a commit until the views have caught up with it.
    pub(crate) fn start_writing(&self) -> Result<MutexGuard<'_, ()>> {
        let guard = self.writing();
        self.check_there()?;
        Ok(guard)
    }

    /// As [`Documents::start_writing`], unless a write is on its way.
    pub(crate) fn try_writing(&self) -> Option<MutexGuard<'_, ()>> {
        match self.writing.try_lock() {
            Ok(guard) => Some(guard),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }

    /// Refuses every use from now on. What is dropped stays dropped.
    pub(crate) fn end(&self, end: End) {
        match end {
            End::Dropped => self.state.store(DROPPED, Ordering::Release),
            End::Closed => {
                let _ =
                    self.state
                        .compare_exchange(OPEN, CLOSED, Ordering::AcqRel, Ordering::Acquire);
            }
        }
    }

    /// Waits for the write under way. After [`Documents::end`] none follows, and the folder may be renamed: SQLite could
    /// create its log anew by name, and an old handle touches nothing under its names.
    pub(crate) fn wait_for_write(&self) {
        drop(self.writing());
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn disk_bytes(&self) -> Result<u64> {
        let entries = fs::read_dir(&self.folder).map_err(|error| Error::io(&self.folder, error))?;
        Ok(entries
            .flatten()
            .filter_map(|entry| entry.metadata().ok())
            .map(|meta| meta.len())
            .sum())
    }
}
