//! Many queries side by side: chunks, bounded in memory, over as many threads as the caller may use. A pool of our
//! own rather than OpenMP's threads, which go on spinning after a search and take the core from whoever works next: ours
//! give way to everybody, and sleep after half a millisecond.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::Result;
use crate::ids::Hit;
use crate::threads;

/// What one chunk's search may allocate.
const CHUNK_BYTES: usize = 32 << 20;

/// Queries in a chunk of walks at least.
const WALKED_TOGETHER: usize = 4;
/// Threads in the pool for each processor, so that there are some to spare for batches that come at once.
const THREADS_PER_CORE: usize = 4;

/// How long a thread that has nothing to do stays awake: on a virtual machine, a processor that rests may take milliseconds
/// to come back.
const AWAKE_FOR: Duration = Duration::from_micros(500);

/// Threads that stay, since a new one may wait milliseconds for a processor, as long as a whole batch takes; none where the
/// system gives none.
static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    ThreadPoolBuilder::new()
        .num_threads(THREADS_PER_CORE * cores)
        .thread_name(|number| format!("vinedb-search-{number}"))
        .build()
        .ok()
});

/// How much queries gain from being in one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Together {
    /// Every chunk reads all vectors, or all centroids: one for each thread.
    Scanned,
    /// Nothing, in a graph: several for each thread, so that one that is held up leaves some to the others.
    Walked,
}

/// Calls `search` with every query, in chunks, and returns its answers in the queries' order; the first error ends it.
pub(crate) fn run<F>(
    queries: &[f32],
    dimension: usize,
    bytes_per_query: usize,
    together: Together,
    search: F,
) -> Result<Vec<Vec<Hit>>>
where
    F: Fn(&[f32]) -> Result<Vec<Vec<Hit>>> + Sync,
{
    let rows = queries.len() / dimension;
    let threads = threads::allowed().min(rows);
    let chunk = chunk_rows(rows, threads, bytes_per_query);
    let chunk = match together {
        Together::Walked if threads > 1 => chunk.min(WALKED_TOGETHER.max(chunk / 16)),
        _ => chunk,
    };
    in_chunks(queries, dimension, chunk, search)
}

/// As [`run`], in chunks of this many queries.
pub(crate) fn in_chunks<F>(
    queries: &[f32],
    dimension: usize,
    chunk: usize,
    search: F,
) -> Result<Vec<Vec<Hit>>>
where
    F: Fn(&[f32]) -> Result<Vec<Vec<Hit>>> + Sync,
{
    let rows = queries.len() / dimension;
    if chunk >= rows {
        return search(queries);
    }
    let mut answers = vec![Vec::new(); rows];
    let jobs = Mutex::new(
        queries
            .chunks(chunk * dimension)
            .zip(answers.chunks_mut(chunk)),
    );
    let work = || -> Result<()> {
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((queries, answers)) = job else {
                return Ok(());
            };
            for (answer, hits) in answers.iter_mut().zip(search(queries)?) {
                *answer = hits;
            }
        }
    };
    side_by_side(threads::allowed().min(rows.div_ceil(chunk)), work)?;
    Ok(answers)
}

/// As many queries as a thread's share is and memory allows, at least one.
fn chunk_rows(rows: usize, threads: usize, bytes_per_query: usize) -> usize {
    let share = rows.div_ceil(threads.max(1));
    share.min(CHUNK_BYTES / bytes_per_query.max(1)).max(1)
}

/// Threads of the pool that are at work.
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// So many of the pool's threads are at work as long as this lives, and by a panic, too.
struct Taken(usize);

impl Taken {
    fn new(wanted: usize, pool: &ThreadPool) -> Self {
        let free = pool
            .current_num_threads()
            .saturating_sub(BUSY.load(Ordering::Relaxed));
        let taken = wanted.min(free);
        BUSY.fetch_add(taken, Ordering::Relaxed);
        Self(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        BUSY.fetch_sub(self.0, Ordering::Relaxed);
    }
}

thread_local! {
    /// Whether the thread looks for the next batch already.
    static AWAKE: Cell<bool> = const { Cell::new(false) };
}

/// Has this thread of the pool look for the next batch a little longer before it goes to sleep.
fn stay_awake(pool: &ThreadPool) {
    if !AWAKE.replace(true) {
        pool.spawn(|| {
            while awake_while(|| !matches!(rayon::yield_now(), Some(rayon::Yield::Executed))) {}
            AWAKE.set(false);
        });
    }
}

/// Waits for the end of something that ends soon, without sleep, but letting everybody else go first; whether it ended.
fn awake_while(holds: impl Fn() -> bool) -> bool {
    let since = Instant::now();
    while since.elapsed() < AWAKE_FOR {
        if !holds() {
            return true;
        }
        thread::yield_now();
    }
    false
}

/// Runs `work` on this thread and on up to `threads - 1` of the pool: no more than are free, since the end of the work waits
/// for each to begin.
pub(crate) fn side_by_side(threads: usize, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    // The pool is not made before something is to be shared.
    let Some(pool) = (threads > 1).then(|| POOL.as_ref()).flatten() else {
        return work();
    };
    let outcomes = Mutex::new(Ok(()));
    let take_part = || {
        let mine = work();
        let mut all = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_ok() {
            *all = mine;
        }
    };
    let taken = Taken::new(threads - 1, pool);
    let helping = AtomicUsize::new(taken.0);
    pool.in_place_scope(|scope| {
        for _ in 0..taken.0 {
            scope.spawn(|_| {
                take_part();
                helping.fetch_sub(1, Ordering::Release);
                stay_awake(pool);
            });
        }
        take_part();
        awake_while(|| helping.load(Ordering::Acquire) > 0);
    });
    outcomes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
}
