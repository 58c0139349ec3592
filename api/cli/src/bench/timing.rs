//! Time per call and calls per second, over calls on one thread or on several side by side.

use std::{
    panic::resume_unwind,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::Result;
use serde::Serialize;

/// How quick searches were.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Timing {
    /// Queries answered per second, all threads together.
    pub(super) qps: f64,
    /// Milliseconds that half of the calls took at most.
    pub(super) p50_ms: f64,
    /// Milliseconds that 99 of 100 calls took at most.
    pub(super) p99_ms: f64,
}

/// Notes how long each call takes.
#[derive(Default)]
pub(super) struct Clock(Mutex<Vec<f64>>);

impl Clock {
    /// Does `work`; what it returns is dropped outside of the time taken.
    pub(super) fn measure<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<()> {
        let started = Instant::now();
        let result = work();
        let took = started.elapsed().as_secs_f64() * 1e3;
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(took);
        result.map(drop)
    }
}

impl Timing {
    /// Of `work`, which answers this many queries.
    pub(super) fn of<T>(queries: usize, work: impl FnOnce(&Clock) -> Result<T>) -> Result<Self> {
        let clock = Clock::default();
        let started = Instant::now();
        work(&clock)?;
        let seconds = started.elapsed().as_secs_f64();
        let mut calls = clock.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        calls.sort_unstable_by(f64::total_cmp);
        Ok(Self {
            qps: queries as f64 / seconds.max(1e-9),
            p50_ms: percentile(&calls, 50),
            p99_ms: percentile(&calls, 99),
        })
    }

    /// The medians of several.
    pub(super) fn median(passes: &[Self]) -> Self {
        let of = |number: fn(&Self) -> f64| {
            let mut numbers: Vec<f64> = passes.iter().map(number).collect();
            numbers.sort_unstable_by(f64::total_cmp);
            percentile(&numbers, 50)
        };
        Self {
            qps: of(|timing| timing.qps),
            p50_ms: of(|timing| timing.p50_ms),
            p99_ms: of(|timing| timing.p99_ms),
        }
    }
}

/// By nearest rank: the smallest of the ascending numbers that so many of a hundred do not exceed.
fn percentile(ascending: &[f64], percent: usize) -> f64 {
    let rank = (ascending.len() * percent).div_ceil(100).max(1);
    ascending.get(rank - 1).copied().unwrap_or(0.0)
}

/// Does `work` for every number below `count`, on so many threads, and gives what came of each, in order. The first failure
/// ends it.
pub(super) fn side_by_side<T: Send>(
    threads: usize,
    count: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(done);
            }
            let result = work(number).inspect_err(|_| next.store(count, Ordering::Relaxed));
            done.push((number, result?));
        }
    };
    if threads == 1 {
        let done = worker()?;
        return Ok(done.into_iter().map(|(_, result)| result).collect());
    }
    let parts = thread::scope(|scope| {
        let spawned: Vec<_> = (0..threads.min(count))
            .map(|_| scope.spawn(worker))
            .collect();
        let joined = spawned.into_iter().map(|handle| handle.join());
        let parts = joined.map(|part| part.unwrap_or_else(|panic| resume_unwind(panic)));
        parts.collect::<Result<Vec<_>>>()
    })?;
    let mut done: Vec<(usize, T)> = parts.into_iter().flatten().collect();
    done.sort_unstable_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let numbers: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(percentile(&numbers, 50), 100.0);
        assert_eq!(percentile(&numbers, 99), 198.0);
        assert_eq!(percentile(&[7.0], 99), 7.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }

    #[test]
    fn work_side_by_side_comes_back_in_order_and_a_failure_ends_it() {
        for threads in [1, 3] {
            let squares = side_by_side(threads, 50, |number| Ok(number * number)).unwrap();
            let expected: Vec<usize> = (0..50).map(|number| number * number).collect();
            assert_eq!(squares, expected);
            let failed = side_by_side(threads, 50, |number| match number {
                20 => Err(anyhow::anyhow!("twenty")),
                number => Ok(number),
            });
            assert_eq!(failed.unwrap_err().to_string(), "twenty");
        }
    }
}
