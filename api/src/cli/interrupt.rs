//! Ctrl-C: the first asks the running command to finish what it has begun, the second ends the process.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{INTERRUPTED, output::Output};

/// Whether the user asked to stop.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens for SIGINT and SIGTERM from now on.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let interrupt = Self::default();
        let asked = Arc::clone(&interrupt.asked);
        ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::AcqRel) {
                process::exit(INTERRUPTED.into());
            }
            Output::note("stopping: what is begun is finished first; once more ends it at once");
        })?;
        Ok(interrupt)
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }
}
