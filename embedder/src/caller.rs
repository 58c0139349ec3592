//! Cancellation: who waits for the texts that a thread submits, so that they are dropped once nobody does.
//!
//! A thread's caller is a thread-local, set while [`Caller::attend`] runs, so that no layer between whoever notices that a
//! client left and whoever queues its texts has to pass it on. No locks; leaving is final.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static CURRENT: RefCell<Caller> = RefCell::default();
}

/// Somebody who waits for vectors and may leave; their texts that are still queued are then withdrawn.
///
/// ```
/// use vinedb_embedder::Caller;
///
/// let client = Caller::default();
/// client.attend(|| assert!(!Caller::current().has_left())); // submit texts here
/// client.leave(); // from any thread
/// assert!(client.attend(|| Caller::current().has_left()));
/// assert!(!Caller::current().has_left());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Caller(Arc<AtomicBool>);

impl Caller {
    /// The caller that this thread works for; outside of [`attend`](Self::attend), one that never leaves.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.with_borrow(Self::clone)
    }

    /// Runs `work` on this thread on the caller's behalf.
    pub fn attend<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = CURRENT.replace(self.clone());
        let _restored = Restored(before);
        work()
    }

    /// Cancels: nobody waits any more.
    pub fn leave(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether nobody waits any more.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Restores the previous caller, after a panic too.
struct Restored(Caller);

impl Drop for Restored {
    fn drop(&mut self) {
        CURRENT.set(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn attending_nests_and_ends_with_a_panic_too() {
        let (outer, inner) = (Caller::default(), Caller::default());
        inner.leave();
        outer.attend(|| {
            assert!(inner.attend(|| Caller::current().has_left()));
            assert!(!Caller::current().has_left());
            let panicked = catch_unwind(|| inner.attend(|| panic!("made to panic")));
            assert!(panicked.is_err());
            assert!(!Caller::current().has_left());
            let elsewhere = std::thread::spawn(|| Caller::current().has_left());
            assert!(!elsewhere.join().unwrap());
        });
    }
}
