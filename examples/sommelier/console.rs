//! What the program says while it works: each step, how long it took, and how far a long one is.
//!
//! A terminal gets its progress line rewritten in place; a file or a pipe gets a line now and then. Output that nobody reads
//! any more is no error.

use std::{
    cell::RefCell,
    fmt::Display,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

const LINE_EVERY: Duration = Duration::from_secs(5);

/// Where the program speaks.
pub(crate) struct Console {
    out: RefCell<Box<dyn Write>>,
    is_terminal: bool,
}

impl Console {
    pub(crate) fn stdout() -> Self {
        Self {
            out: RefCell::new(Box::new(io::stdout())),
            is_terminal: io::stdout().is_terminal(),
        }
    }

    pub(crate) fn stderr() -> Self {
        Self {
            out: RefCell::new(Box::new(io::stderr())),
            is_terminal: io::stderr().is_terminal(),
        }
    }

    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self {
            out: RefCell::new(Box::new(io::sink())),
            is_terminal: false,
        }
    }

    /// Begins a step.
    pub(crate) fn step(&self, what: impl Display) {
        self.write(format_args!("==> {what}\n"));
    }

    /// Tells what came of a step.
    pub(crate) fn line(&self, text: impl Display) {
        self.write(format_args!("    {text}\n"));
    }

    /// Does a step and says how long it took.
    pub(crate) fn timed<T>(
        &self,
        what: impl Display,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.step(format_args!("{what} …"));
        let started = Instant::now();
        let done = work()?;
        self.line(format_args!("done in {}", duration(started.elapsed())));
        Ok(done)
    }

    /// Says why the program stops.
    pub(crate) fn error(&self, text: impl Display) {
        self.write(format_args!("error: {text}\n"));
    }

    fn write(&self, text: impl Display) {
        let mut out = self.out.borrow_mut();
        let _ = write!(out, "{text}").and_then(|()| out.flush());
    }
}

/// How far a step is that handles many documents.
pub(crate) struct Progress<'a> {
    console: &'a Console,
    total: usize,
    done: usize,
    embedded: usize,
    started: Instant,
    told: Instant,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(console: &'a Console, total: usize) -> Self {
        let now = Instant::now();
        Self {
            console,
            total,
            done: 0,
            embedded: 0,
            started: now,
            told: now,
        }
    }

    /// Counts documents that are stored, and the texts that were embedded for them.
    pub(crate) fn add(&mut self, documents: usize, embedded: usize) {
        self.done += documents;
        self.embedded += embedded;
        if self.console.is_terminal {
            self.console
                .write(format_args!("\r    {}\x1b[K", self.state()));
        } else if self.told.elapsed() >= LINE_EVERY {
            self.told = Instant::now();
            self.console.line(self.state());
        }
    }

    /// Takes the progress line away.
    pub(crate) fn finish(self) {
        if self.console.is_terminal {
            self.console.write("\r\x1b[K");
        }
    }

    fn state(&self) -> String {
        let (done, total) = (self.done, self.total);
        if self.embedded == 0 {
            return format!("{done} of {total}, none of them new");
        }
        format!("{done} of {total}, {}", self.rate())
    }

    /// Texts embedded per second so far.
    pub(crate) fn rate(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(1e-3);
        format!("{:.0} texts/s", self.embedded as f64 / seconds)
    }
}

/// A duration for people: `340 µs`, `12 ms` or `3.1 s`.
pub(crate) fn duration(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds < 1e-3 => format!("{:.0} µs", seconds * 1e6),
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        seconds => format!("{seconds:.1} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_that_fits() {
        for (nanos, text) in [
            (340_000, "340 µs"),
            (12_300_000, "12 ms"),
            (3_140_000_000, "3.1 s"),
        ] {
            assert_eq!(duration(Duration::from_nanos(nanos)), text);
        }
    }
}
