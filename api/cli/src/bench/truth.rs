//! The true nearest documents of each query: out of a file, or by comparing everything.

use std::{num::NonZero, path::Path, thread};

use anyhow::{Result, bail};
use vinedb::{Key, SearchParams};

use super::{searches::Bench, timing::side_by_side};
use crate::vectors;

/// Queries between two steps of the progress.
const STEP: usize = 64;

/// The keys of each query's nearest, at most as many as are asked for.
pub(super) fn of(bench: &Bench<'_>) -> Result<Vec<Vec<Key>>> {
    match &bench.args.truth {
        Some(path) => read(bench, path),
        None => found(bench),
    }
}

fn read(bench: &Bench<'_>, path: &Path) -> Result<Vec<Vec<Key>>> {
    let rows = vectors::read_ivecs(path)?;
    let (queries, top_k) = (bench.queries.len(), bench.args.top_k);
    let file = path.display();
    if rows.len() != queries {
        bail!(
            "{file} has the truth of {} queries, and {} has {queries}: they must belong together",
            rows.len(),
            bench.args.queries.display()
        );
    }
    if let Some(short) = rows.iter().position(|row| row.len() < top_k) {
        bail!(
            "{file} names {} documents for query {}, and -k asks for {top_k}: give -k {} or less",
            rows[short].len(),
            short + 1,
            rows[short].len()
        );
    }
    let key = |number: &i32| Key::from(i64::from(*number));
    let truth: Vec<Vec<Key>> = rows
        .iter()
        .map(|row| row[..top_k].iter().map(key).collect())
        .collect();
    check_keys(bench, path, &truth)?;
    Ok(truth)
}

/// Whether the truth is about this collection.
fn check_keys(bench: &Bench<'_>, path: &Path, truth: &[Vec<Key>]) -> Result<()> {
    let Some(first) = truth.first() else {
        return Ok(());
    };
    let there = bench.collection.get(first)?;
    match first
        .iter()
        .find(|key| !there.iter().any(|document| document.key == **key))
    {
        Some(key) => bail!(
            "{} names document {key} for query 1, and {} has none of that key: import the vectors under their row numbers, \
             as `vinedb import` does with npy and fvecs files",
            path.display(),
            bench.collection.name()
        ),
        None => Ok(()),
    }
}

fn found(bench: &Bench<'_>) -> Result<Vec<Vec<Key>>> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let count = bench.queries.len();
    let mut truth = Vec::with_capacity(count);
    while truth.len() < count {
        let from = truth.len();
        bench.step("finding the truth", from, count)?;
        truth.extend(side_by_side(cores, STEP.min(count - from), |number| {
            bench.check()?;
            let query = bench.query(from + number, SearchParams::EXACT);
            let matches = bench.collection.search(&query)?.matches;
            Ok(matches.into_iter().map(|found| found.key).collect())
        })?);
    }
    Ok(truth)
}
