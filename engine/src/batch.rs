//! Many queries side by side: chunks, bounded in memory, over as many threads as the caller may use. Plain threads
//! rather than OpenMP's, which go on spinning after a search and take the core from whoever works next.

use std::sync::Mutex;
use std::thread;

use crate::{Hit, Result, threads};

/// What one chunk's search may allocate.
const CHUNK_BYTES: usize = 32 << 20;

/// Calls `search` with every query, in chunks, and returns its answers in the queries' order; the first error ends it.
pub(crate) fn run<F>(
    queries: &[f32],
    dimension: usize,
    bytes_per_query: usize,
    search: F,
) -> Result<Vec<Vec<Hit>>>
where
    F: Fn(&[f32]) -> Result<Vec<Vec<Hit>>> + Sync,
{
    let rows = queries.len() / dimension;
    let chunk = chunk_rows(rows, threads::allowed().min(rows), bytes_per_query);
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
            let job = jobs
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .next();
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

/// Runs `work` on this thread and on up to `threads - 1` more; where no more can be had, on those there are.
pub(crate) fn side_by_side(threads: usize, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let spawn = |_| {
            thread::Builder::new()
                .name("vinedb-search".to_owned())
                .spawn_scoped(scope, &work)
                .ok()
        };
        let helpers: Vec<_> = (1..threads).filter_map(spawn).collect();
        let mine = work();
        let theirs = helpers.into_iter().map(|helper| {
            helper
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        theirs.fold(mine, Result::and)
    })
}
