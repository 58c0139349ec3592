//! Pace: a write that outruns compaction waits for it while somebody searches, so that the fresh rows, which every search
//! compares one by one, stay few.
//!
//! A write waits only for what ends by itself, a compaction that runs in the background, and no longer than
//! `Options::pace_writes` says. It holds no lock meanwhile. Without searches nothing waits.

use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// A collection is being searched until so long after a search.
const LATELY: Duration = Duration::from_secs(1);
/// A write that waits looks so often whether searches have ceased or its caller has left, of which nobody tells it.
const LOOK: Duration = Duration::from_millis(100);

/// Where the writes of a collection wait.
pub(crate) struct Pace {
    /// Times are milliseconds from here.
    start: Instant,
    /// Until when the collection counts as being searched.
    searched_until: AtomicU64,
    /// How many writes have begun to wait.
    waits: Mutex<u64>,
    changed: Condvar,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            searched_until: AtomicU64::new(0),
            waits: Mutex::default(),
            changed: Condvar::new(),
        }
    }
}

impl Pace {
    /// Notes that somebody searched at this time.
    pub(crate) fn searched(&self, at: Instant) {
        let until = self.millis(at + LATELY);
        // Most searches find it noted, and leave the others' caches alone.
        if self.searched_until.load(Ordering::Relaxed) < until {
            self.searched_until.store(until, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_searched(&self) -> bool {
        self.millis(Instant::now()) < self.searched_until.load(Ordering::Relaxed)
    }

    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX)
    }

    /// Has the writes that wait look whether they still need to.
    pub(crate) fn look_again(&self) {
        // Under the lock: else one that has looked and does not wait yet would miss it.
        drop(self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once `holds` no longer says that there is something to wait for.
    pub(super) fn wait_while(&self, holds: impl Fn() -> bool) {
        let mut waits = self.lock();
        if !holds() {
            return;
        }
        *waits += 1;
        while holds() {
            let woken = self.changed.wait_timeout(waits, LOOK);
            (waits, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests;
