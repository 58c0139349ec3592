//! What an import did, counted as it goes: documents, and the rows that could not be used.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use vinedb::Upserted;

use crate::{
    output::{counted, thousands},
    progress::Progress,
};

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
    reused: usize,
    truncated: usize,
    /// Rows that could not be used.
    rejected: usize,
    /// The first of them.
    rejects: Vec<Reject>,
    seconds: f64,
    interrupted: bool,
}

impl Summary {
    /// Whether there was any row at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.added + self.updated + self.unchanged + self.rejected == 0
    }

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
    rejects: Option<Rejects>,
}

/// The file of the rows that could not be used.
struct Rejects {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Rejects {
    /// Makes the file, unless it is one of those that are read.
    fn create(path: &Path, inputs: &[PathBuf]) -> Result<Self> {
        let place = |path: &Path| path.canonicalize().ok();
        if place(path).is_some_and(|rejects| {
            inputs
                .iter()
                .any(|input| place(input).as_ref() == Some(&rejects))
        }) {
            bail!(
                "--rejects {}: this file is to be imported; name another one for the rejected rows",
                path.display()
            );
        }
        let file = File::create(path).with_context(|| path.display().to_string())?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
        })
    }

    /// Writes a line at once: what is shown on the terminal is in the file too.
    fn write(&mut self, reject: &Reject) -> Result<()> {
        let line = serde_json::to_string(reject)?;
        writeln!(self.file, "{line}")
            .and_then(|()| self.file.flush())
            .with_context(|| self.path.display().to_string())
    }
}

impl Tally {
    /// Rejected rows also go into the file `rejects`.
    pub(crate) fn new(rejects: Option<&Path>, inputs: &[PathBuf]) -> Result<Self> {
        let rejects = rejects.map(|path| Rejects::create(path, inputs));
        let state = State {
            rejects: rejects.transpose()?,
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
        state.summary.reused += done.reused;
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
            rejects.write(&reject)?;
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
        Summary {
            interrupted,
            seconds: self.started.elapsed().as_secs_f64(),
            ..self.state().summary.clone()
        }
    }
}

/// The summary for people.
pub(crate) fn text(summary: &Summary) -> String {
    let documents = summary.added + summary.updated + summary.unchanged;
    let mut lines = vec![format!(
        "{} in {:.1} s: {} added, {} updated, {} unchanged; {} embedded ({:.0}/s)",
        counted(documents, "document"),
        summary.seconds,
        thousands(summary.added as u64),
        thousands(summary.updated as u64),
        thousands(summary.unchanged as u64),
        counted(summary.embedded, "text"),
        summary.embedded as f64 / summary.seconds.max(1e-3),
    )];
    if summary.reused > 0 {
        lines.push(format!(
            "took the vector of the same text: {}",
            counted(summary.reused, "document")
        ));
    }
    if summary.truncated > 0 {
        lines.push(format!(
            "longer than the model reads, so that only the beginning counts: {} (a collection made with --chunk has passages of them)",
            counted(summary.truncated, "text")
        ));
    }
    if summary.rejected > 0 {
        let shown = if summary.rejected > SHOWN {
            format!(" (the first {SHOWN} are shown; --rejects FILE lists all)")
        } else {
            String::new()
        };
        lines.push(format!(
            "{} could not be used{shown}",
            counted(summary.rejected, "row")
        ));
    }
    if summary.interrupted {
        lines.push("stopped: everything counted here is stored and searchable; the same command goes on from here".to_owned());
    }
    lines.join("\n")
}
