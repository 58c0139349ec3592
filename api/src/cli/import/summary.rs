//! What an import did, counted as it goes: documents, and the rows that could not be used.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use anyhow::{Context, Result};
use serde::Serialize;
use vinedb::Upserted;

use crate::cli::{output::thousands, progress::Progress};

/// Rows that cannot be used which are shown one by one, and listed in the summary.
const SHOWN: usize = 20;

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: usize,
    pub(crate) line: u64,
}

/// A row that could not be used.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Reject {
    file: String,
    line: u64,
    reason: String,
}

/// What an import did.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Summary {
    added: usize,
    updated: usize,
    unchanged: usize,
    embedded: usize,
    truncated: usize,
    /// Rows that could not be used.
    rejected: usize,
    /// The first of them.
    rejects: Vec<Reject>,
    seconds: f64,
    interrupted: bool,
}

impl Summary {
    /// Whether nothing came of it although there were rows.
    pub(crate) fn is_futile(&self) -> bool {
        self.added + self.updated + self.unchanged == 0 && self.rejected > 0
    }
}

/// The running count.
pub(crate) struct Tally {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    summary: Summary,
    files: Vec<String>,
    rejects: Option<BufWriter<File>>,
}

impl Tally {
    /// Rejected rows also go into the file `rejects`.
    pub(crate) fn new(rejects: Option<&Path>) -> Result<Self> {
        let open = |path: &Path| {
            File::create(path)
                .map(BufWriter::new)
                .with_context(|| path.display().to_string())
        };
        let state = State {
            rejects: rejects.map(open).transpose()?,
            ..State::default()
        };
        Ok(Self {
            started: Instant::now(),
            state: Mutex::new(state),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a file, so that places can name it.
    pub(crate) fn file(&self, path: &Path) -> usize {
        let mut state = self.state();
        state.files.push(path.display().to_string());
        state.files.len() - 1
    }

    /// `file line n`.
    pub(crate) fn name(&self, place: Place) -> String {
        format!("{} line {}", self.state().files[place.file], place.line)
    }

    pub(crate) fn add(&self, done: &Upserted) {
        let mut state = self.state();
        state.summary.added += done.added;
        state.summary.updated += done.updated;
        state.summary.unchanged += done.unchanged;
        state.summary.embedded += done.embedded;
        state.summary.truncated += done.truncated;
    }

    pub(crate) fn reject(&self, place: Place, reason: &str, progress: &Progress) -> Result<()> {
        let mut state = self.state();
        let reject = Reject {
            file: state.files[place.file].clone(),
            line: place.line,
            reason: reason.to_owned(),
        };
        state.summary.rejected += 1;
        if let Some(rejects) = &mut state.rejects {
            serde_json::to_writer(&mut *rejects, &reject)?;
            writeln!(rejects)?;
        }
        if state.summary.rejects.len() < SHOWN {
            progress.say(&format!(
                "{} line {}: {}",
                reject.file, reject.line, reject.reason
            ));
            state.summary.rejects.push(reject);
        }
        Ok(())
    }

    pub(crate) fn finish(&self, interrupted: bool) -> Summary {
        let mut state = self.state();
        // A file of rejects that cannot be flushed is reported by its absence; the summary has the count.
        drop(state.rejects.take());
        Summary {
            interrupted,
            seconds: self.started.elapsed().as_secs_f64(),
            ..state.summary.clone()
        }
    }
}

/// The summary for people.
pub(crate) fn text(summary: &Summary) -> String {
    let documents = summary.added + summary.updated + summary.unchanged;
    let mut lines = vec![format!(
        "{} documents in {:.1} s: {} added, {} updated, {} unchanged; {} texts embedded ({:.0}/s)",
        thousands(documents as u64),
        summary.seconds,
        thousands(summary.added as u64),
        thousands(summary.updated as u64),
        thousands(summary.unchanged as u64),
        thousands(summary.embedded as u64),
        summary.embedded as f64 / summary.seconds.max(1e-3),
    )];
    if summary.truncated > 0 {
        lines.push(format!(
            "{} texts are longer than the model reads: only their beginning counts",
            thousands(summary.truncated as u64)
        ));
    }
    if summary.rejected > 0 {
        let shown = if summary.rejected > SHOWN {
            format!(" (the first {SHOWN} are shown; --rejects FILE lists all)")
        } else {
            String::new()
        };
        lines.push(format!(
            "{} rows could not be used{shown}",
            thousands(summary.rejected as u64)
        ));
    }
    if summary.interrupted {
        lines.push("stopped: everything counted here is stored and searchable; the same command goes on from here".to_owned());
    }
    lines.join("\n")
}
