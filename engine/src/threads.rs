//! How many threads the calling thread's FAISS work may use. Building an index in the background takes every core
//! unless it is told to leave some to searches. OpenBLAS, where that is the BLAS, is set to one thread per call for the
//! whole process, since its own threads heed no limit and get in the way of these.

use crate::ffi;

/// Runs `work` with at most `threads` threads (at least 1) for what it has FAISS do: training, adding, k-means, batches
/// of queries. Other threads, and this one afterwards, keep the limit they had.
///
/// ```
/// use vinedb_engine::{Index, Kind, Metric, with_threads};
///
/// let mut index = Index::new(2, Metric::L2, &Kind::hnsw(32))?;
/// with_threads(1, || index.add(&[1, 2], &[0.0, 1.0, 1.0, 0.0]))?;
/// assert_eq!(index.len(), 2);
/// # Ok::<(), vinedb_engine::Error>(())
/// ```
pub fn with_threads<T>(threads: usize, work: impl FnOnce() -> T) -> T {
    let _restored = Restore(ffi::threads());
    ffi::set_threads(threads.clamp(1, MOST_THREADS));
    work()
}

/// Beyond any machine; OpenMP takes an int.
const MOST_THREADS: usize = 4096;

/// Sets the limit back also when the work panics.
struct Restore(usize);

impl Drop for Restore {
    fn drop(&mut self) {
        ffi::set_threads(self.0);
    }
}
