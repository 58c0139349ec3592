//! Ctrl-C: the first asks the running command to finish what it has begun, the second ends the process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
    low_level,
};

use crate::{
    exit::INTERRUPTED,
    output::{Output, stderr_is_terminal},
};

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
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        thread::spawn(move || {
            for _ in &mut signals {
                if asked.swap(true, Ordering::AcqRel) {
                    // Without the exit handlers of the model's runtime, which its threads are still using.
                    low_level::exit(INTERRUPTED.into());
                }
                let below_the_bar = if stderr_is_terminal() { "\n" } else { "" };
                Output::note(format!(
                    "{below_the_bar}stopping: what is begun is finished first; once more ends it at once"
                ));
            }
        });
        Ok(interrupt)
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }
}
