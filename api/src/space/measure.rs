//! Measuring a new index before searches see it: a sample of the stored vectors as queries, their true nearest by comparing
//! everything, and the engine's ladder over both. The work is bounded: the larger the collection, the fewer the queries.

use engine::{Hit, Index, Kind, SearchParams, Select, Stage, Trial, report, sample_rows};

use super::{
    Space,
    order::{Order, Start},
    rows::page,
    view::merge,
};
use crate::error::Result;

/// Microseconds to read a stored vector and compare it.
pub(crate) const CANDIDATE_MICROS: f32 = 5.0;
/// The k of the measured recall@k.
pub(crate) const NEAREST: usize = 10;
/// Queries to measure with, at least and at most.
const QUERIES: (usize, usize) = (50, 300);
/// Queries times vectors times dimension, where that gives a number between these: a few seconds of one core.
const WORK: usize = 6_000_000_000;
/// Queries for an index that compares everything, of which the time alone is in question.
const QUERIES_FOR_EXACT: usize = 10;
/// Decides which vectors are asked for: the same rows are measured with the same queries.
const SEED: u64 = 0x6d65_6173;

/// Stored vectors that take part as queries, and their true nearest.
struct Sample {
    ids: Vec<i64>,
    vectors: Vec<f32>,
    truth: Vec<Vec<i64>>,
}

/// Gives the index its curve.
pub(crate) fn measure(
    space: &Space,
    start: &Start,
    index: &mut Index,
    order: Order<'_>,
) -> Result<()> {
    let deleted = &start.view.deleted;
    let select = if deleted.is_empty() {
        Select::All
    } else {
        Select::Except(deleted)
    };
    report(order.watch, Stage::Measuring, 0, 0)?;
    let mut sample = drawn(space, index, select)?;
    let nearest = if index.kind().is_lossless() {
        index.search(&sample.vectors, NEAREST + 1, &SearchParams::EXACT, select)?
    } else {
        nearest_stored(space, start, &sample.vectors, order)?
    };
    sample.truth = nearest
        .into_iter()
        .zip(&sample.ids)
        .map(|(hits, own)| others(&hits, *own))
        .collect();
    Ok(index.calibrate(&Trial {
        queries: &sample.vectors,
        own: &sample.ids,
        truth: &sample.truth,
        select,
        candidate_micros: CANDIDATE_MICROS,
        watch: order.watch,
    })?)
}

fn others(hits: &[Hit], own: i64) -> Vec<i64> {
    let others = hits.iter().map(|hit| hit.id).filter(|id| *id != own);
    others.take(NEAREST).collect()
}

/// Vectors of the index that are alive, each with the same chance.
fn drawn(space: &Space, index: &Index, select: Select<'_>) -> Result<Sample> {
    let rows = sample_rows(index.len(), queries(index), SEED);
    let ids: Vec<i64> = rows
        .iter()
        .filter_map(|row| index.ids().get(*row).copied())
        .collect();
    let mut sample = Sample {
        ids: Vec::new(),
        vectors: Vec::new(),
        truth: Vec::new(),
    };
    for (id, vector) in ids.iter().zip(space.documents.read()?.vectors(&ids)?) {
        if let Some(vector) = vector.filter(|_| select.allows(*id)) {
            sample.ids.push(*id);
            sample.vectors.extend(vector);
        }
    }
    Ok(sample)
}

fn queries(index: &Index) -> usize {
    if index.kind().is_exact() {
        return QUERIES_FOR_EXACT;
    }
    let one = index.len().saturating_mul(index.dimension()).max(1);
    (WORK / one).clamp(QUERIES.0, QUERIES.1)
}

/// The true nearest of all queries, by one pass over the stored vectors, page by page.
fn nearest_stored(
    space: &Space,
    start: &Start,
    queries: &[f32],
    order: Order<'_>,
) -> Result<Vec<Vec<Hit>>> {
    let (dimension, metric) = (space.shape.dimension, space.shape.metric);
    let mut best = vec![Vec::new(); queries.len() / dimension];
    let mut after = 0;
    loop {
        report(order.watch, Stage::Measuring, 0, 0)?;
        let (ids, vectors) = page(&space.documents.read()?, after, start.last_id)?;
        let Some(&last) = ids.last() else {
            return Ok(best);
        };
        let mut block = Index::new(dimension, metric, &Kind::flat())?;
        block.add(&ids, &vectors)?;
        let found = block.search(queries, NEAREST + 1, &SearchParams::EXACT, Select::All)?;
        for (best, found) in best.iter_mut().zip(found) {
            merge(best, found, metric, NEAREST + 1);
        }
        after = last;
    }
}
