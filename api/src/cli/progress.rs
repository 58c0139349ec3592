//! Progress: a bar with rate and time left on a terminal, a plain line every few seconds elsewhere.

use std::{
    io::{self, Read, Write},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::{stderr_is_terminal, thousands};

/// The first line comes early, so that one knows that it runs; a short import says nothing at all.
const FIRST_LINE_AFTER: Duration = Duration::from_secs(1);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The progress of an import, measured in bytes of the files and told in documents.
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    total: u64,
    read: Arc<AtomicU64>,
    documents: AtomicU64,
    next_line: Mutex<Instant>,
}

impl Progress {
    /// For files of `total` bytes together.
    pub(crate) fn new(total: u64) -> Self {
        let bar = if stderr_is_terminal() {
            ProgressBar::new(total.max(1))
        } else {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
        };
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent:>3} % {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        if stderr_is_terminal() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        let now = Instant::now();
        Self {
            bar,
            started: now,
            total,
            read: Arc::default(),
            documents: AtomicU64::new(0),
            next_line: Mutex::new(now + FIRST_LINE_AFTER),
        }
    }

    /// Names the file that is read.
    pub(crate) fn file(&self, path: &Path) {
        self.bar.set_prefix(
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        );
    }

    /// Counts the bytes that go through `reader`.
    pub(crate) fn count<R: Read + Send + 'static>(&self, reader: R) -> Box<dyn Read + Send> {
        Box::new(Counted {
            reader,
            read: Arc::clone(&self.read),
        })
    }

    /// Documents that are done, whatever came of them.
    pub(crate) fn add(&self, documents: usize) {
        let documents = self
            .documents
            .fetch_add(documents as u64, Ordering::Relaxed)
            + documents as u64;
        self.bar
            .set_position(self.read.load(Ordering::Relaxed).min(self.total));
        let rate = format!(
            "{} documents, {:.0}/s",
            thousands(documents),
            self.rate(documents)
        );
        let (_, left) = self.left().unwrap_or_default();
        self.bar.set_message(format!("{rate}{left}"));
        if !stderr_is_terminal() {
            self.line(&rate);
        }
    }

    /// Prints a line above the bar.
    pub(crate) fn say(&self, message: &str) {
        self.bar.suspend(|| {
            let _ = writeln!(io::stderr(), "{message}");
        });
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn rate(&self, documents: u64) -> f64 {
        documents as f64 / self.started.elapsed().as_secs_f64().max(1e-3)
    }

    fn line(&self, rate: &str) {
        let mut next = self
            .next_line
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now < *next {
            return;
        }
        *next = now + LINE_EVERY;
        let (read, left) = self.left().unwrap_or_default();
        let _ = writeln!(io::stderr(), "{rate}{read}{left}");
    }

    /// How much is read and how long the rest takes; `None` when the files are pipes, whose length nobody knows.
    fn left(&self) -> Option<(String, String)> {
        if self.total == 0 {
            return None;
        }
        let share = self.read.load(Ordering::Relaxed) as f64 / self.total as f64;
        let left = (1.0 - share).max(0.0) / share.max(1e-6);
        let left = self.started.elapsed().mul_f64(left);
        Some((
            format!(", {:.0} % read", share * 100.0),
            format!(", about {} left", HumanDuration(left)),
        ))
    }
}

/// A reader that counts.
struct Counted<R> {
    reader: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.reader.read(buffer)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}
