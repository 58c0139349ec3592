//! Progress: a bar with time left on a terminal, a plain line every few seconds elsewhere.

use std::{
    io::{self, Read, Write},
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use vinedb::index::Watch;

use crate::{
    interrupt::Interrupt,
    output::{stderr_is_terminal, thousands},
};

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
        let bar = bar(total, "{prefix} {wide_bar} {percent:>3} % {msg}");
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
        if !is_due(&self.next_line) {
            return;
        }
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

/// On a terminal; hidden elsewhere.
fn bar(total: u64, template: &str) -> ProgressBar {
    let bar = if stderr_is_terminal() {
        ProgressBar::new(total.max(1))
    } else {
        ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
    };
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    if stderr_is_terminal() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}

/// The progress of work that tells each of its steps, and goes on until the user asks to stop.
pub(crate) struct Steps {
    bar: ProgressBar,
    next_line: Mutex<Instant>,
    interrupt: Interrupt,
}

impl Steps {
    pub(crate) fn new(interrupt: Interrupt) -> Self {
        Self {
            bar: bar(0, "{prefix} {wide_bar} {pos} of {len}, about {eta} left"),
            next_line: Mutex::new(Instant::now() + FIRST_LINE_AFTER),
            interrupt,
        }
    }

    /// Shows a step, and says whether there is to be another.
    pub(crate) fn tell(&self, step: vinedb::index::Progress) -> ControlFlow<()> {
        self.step(&step.stage.to_string(), step.done, step.total)
    }

    /// As [`Steps::tell`], for a stage that only the command knows.
    pub(crate) fn step(&self, stage: &str, done: usize, total: usize) -> ControlFlow<()> {
        if self.bar.prefix() != stage {
            self.bar.set_prefix(stage.to_owned());
            self.bar.reset_eta();
        }
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        if !stderr_is_terminal() && is_due(&self.next_line) {
            let (done, total) = (thousands(done as u64), thousands(total as u64));
            let _ = writeln!(io::stderr(), "{stage}: {done} of {total}");
        }
        if self.interrupt.is_asked() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Does work that tells its steps, and shows them. `None` when the user stopped it.
pub(crate) fn watched<T>(work: impl FnOnce(Watch<'_>) -> Result<T>) -> Result<Option<T>> {
    let interrupt = Interrupt::listen()?;
    let steps = Steps::new(interrupt.clone());
    let done = work(&|progress| steps.tell(progress));
    steps.finish();
    match done {
        Err(error) if interrupt.is_asked() && is_cancelled(&error) => Ok(None),
        done => done.map(Some),
    }
}

fn is_cancelled(error: &anyhow::Error) -> bool {
    error
        .downcast_ref()
        .is_some_and(vinedb::Error::is_cancelled)
}

/// Whether it is time for the next line; then the one after that is due a while later.
fn is_due(next_line: &Mutex<Instant>) -> bool {
    let mut next = next_line.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    let due = now >= *next;
    if due {
        *next = now + LINE_EVERY;
    }
    due
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
