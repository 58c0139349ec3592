//! How many threads the calling thread's work may use. Building an index in the background takes every core
//! unless it is told to leave some to searches. OpenBLAS, where that is the BLAS, is set to one thread per call for the
//! whole process, since its own threads heed no limit and get in the way of these.

pub(crate) mod pool;

#[cfg(feature = "faiss")]
pub(crate) use crate::backend::faiss::set_threads as allow;
#[cfg(feature = "faiss")]
pub(crate) use crate::backend::faiss::threads as allowed;
#[cfg(not(feature = "faiss"))]
use plain::allow;
#[cfg(not(feature = "faiss"))]
pub(crate) use plain::allowed;

/// Runs `work` with at most `threads` threads (at least 1) for training, adding, k-means and batches of queries. Other threads, and this one afterwards, keep the limit they had.
///
/// ```
/// use vinedb_engine::{Index, Kind, Metric, with_threads};
///
/// let mut index = Index::new(2, Metric::L2, &Kind::flat())?;
/// with_threads(1, || index.add(&[1, 2], &[0.0, 1.0, 1.0, 0.0]))?;
/// assert_eq!(index.len(), 2);
/// # Ok::<(), vinedb_engine::Error>(())
/// ```
pub fn with_threads<T>(threads: usize, work: impl FnOnce() -> T) -> T {
    let _restored = Restore(allowed());
    allow(threads.clamp(1, MOST_THREADS));
    work()
}

/// Beyond any machine; OpenMP takes an int.
const MOST_THREADS: usize = 4096;

/// Sets the limit back also when the work panics.
struct Restore(usize);

impl Drop for Restore {
    fn drop(&mut self) {
        allow(self.0);
    }
}

/// What OpenMP keeps where FAISS is there: a limit for each thread, at first as many as there are processors.
#[cfg(not(feature = "faiss"))]
mod plain {
    use std::cell::Cell;
    use std::sync::LazyLock;
    use std::thread::available_parallelism;

    static ALL: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, usize::from));

    thread_local! {
        static LIMIT: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// How many threads work of this thread may use.
    pub(crate) fn allowed() -> usize {
        LIMIT.get().unwrap_or(*ALL)
    }

    pub(super) fn allow(threads: usize) {
        LIMIT.set(Some(threads.max(1)));
    }
}
