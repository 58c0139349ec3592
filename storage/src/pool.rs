//! Connections for reading, kept for the next reader.
//!
//! Invariant: a connection is in one pair of hands, and comes back outside a transaction. It does not limit the number of readers,
//! only how many connections wait.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::connection::{self, Connected};
use crate::error::Fault;

/// Connections kept while nobody reads.
const KEPT: usize = 32;

pub(crate) struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connected>>,
}

impl Pool {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Mutex::default(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A connection for reading, outside a transaction.
    pub(crate) fn take(&self) -> Result<Connected, Fault> {
        while let Some(connected) = self.pop() {
            if connected.is_current(&self.path) {
                return Ok(connected);
            }
        }
        connection::for_reading(&self.path)
    }

    /// Keeps the connection for the next reader.
    pub(crate) fn put(&self, connected: Connected) {
        let mut idle = self.idle();
        if idle.len() < KEPT && connected.connection.is_autocommit() {
            idle.push(connected);
        }
    }

    fn pop(&self) -> Option<Connected> {
        self.idle().pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connected>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
