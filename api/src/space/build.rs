//! Building the next sealed index from the document store, beside the live one.
//!
//! Either the old index is copied, deleted vectors are removed where its kind can, and new ones added; or a new one is built:
//! when the kind no longer fits, when too much of the old one is deleted, when it cannot grow, or when it was trained on too few.
//! Nothing that searches see is touched here.

use std::{ops::ControlFlow, thread};

use engine::{Codes, Index, IndexSpec, Kind, Stage, Structure, Transform, report, sample_rows};

use super::{
    Space,
    due::{Effort, dead},
    measure::measure,
    order::{Order, Start},
    rows::page,
};
use crate::error::Result;

/// Training vectors per centroid; FAISS's k-means takes no more (`Clustering.h`, `max_points_per_centroid`).
const TRAINING_PER_CENTROID: usize = 256;
/// Training vectors of the other kinds, which learn the range of each component; values beyond it are cut off.
const TRAINING_FOR_RANGES: usize = 65_536;
/// An index is trained again once it has this many times the rows that it was trained on.
const RETRAIN_AT: usize = 4;
/// In the background every vector of a graph is checked for reachability once the graph has grown by this fraction since the last
/// check.
const REACH_SHARE: usize = 2;
/// Decides which vectors are trained on: the same rows train the same index.
const TRAINING_SEED: u64 = 0x7261_696e;
/// Vectors read between two reports.
const REPORT_EVERY: usize = 4_096;

impl Space {
    /// Refuses to train on fewer vectors than the space's kind of index needs.
    pub(crate) fn check_trainable(&self) -> Result<()> {
        let IndexSpec::Fixed(kind) = &self.shape.index else {
            return Ok(());
        };
        let given = self.vector_count(&self.documents.read()?)?;
        let minimum = self.shape.index.min_vectors(self.shape.dimension);
        if given < minimum {
            return Err(engine::Error::TooFewTrainingVectors {
                kind: kind.clone(),
                given,
                minimum,
            }
            .into());
        }
        Ok(())
    }
}

/// The new index, and whether it still holds deleted ids.
pub(crate) fn build(space: &Space, start: &Start, order: Order<'_>) -> Result<(Index, bool)> {
    match order.effort {
        Effort::Background => in_background(|| build_with(space, start, order)),
        Effort::Foreground => build_with(space, start, order),
    }
}

/// Does work for FAISS on all cores but one, which is left to searches.
pub(crate) fn in_background<T>(work: impl FnOnce() -> T) -> T {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    engine::with_threads(cores.saturating_sub(1).max(1), work)
}

fn build_with(space: &Space, start: &Start, order: Order<'_>) -> Result<(Index, bool)> {
    let kind = space
        .shape
        .index
        .kind_for(start.rows, space.shape.dimension);
    let reusable = start
        .view
        .sealed
        .as_ref()
        .filter(|sealed| can_reuse(space, &sealed.index, &kind, start, order));
    let mut known = 0;
    let (mut index, keeps_removed) = match reusable {
        Some(sealed) => {
            let mut index = sealed.index.try_clone()?;
            known = index.len();
            let rid = kind.can_remove();
            if rid {
                index.remove(&start.view.deleted)?;
            }
            add_rows(space, &mut index, sealed.seal.last_id, start, order)?;
            if order.effort == Effort::Foreground || has_changed(&index) {
                known = 0;
            }
            (index, !rid && !start.view.deleted.is_empty())
        }
        None => (anew(space, start, kind, order)?, false),
    };
    index.reach(known, order.watch)?;
    index.use_huge_pages();
    measure(space, start, &mut index, order)?;
    Ok((index, keeps_removed))
}

/// Whether the sealed index can be copied and added to.
fn can_reuse(space: &Space, index: &Index, kind: &Kind, start: &Start, order: Order<'_>) -> bool {
    !order.retrain
        && index.kind() == kind
        && kind.can_grow()
        && !has_outgrown(index, start.rows)
        && (kind.can_remove() || dead(&start.view) <= space.tolerates(order.effort, index.len()))
}

/// Whether the index has grown so much that vectors of before may be missed.
fn has_changed(index: &Index) -> bool {
    index.len() - index.reached() > index.reached() / REACH_SHARE
}

/// Whether there are many times the rows that the index was trained on, and a larger sample would help.
fn has_outgrown(index: &Index, rows: usize) -> bool {
    let learned_from = index.trained_on();
    (1..useful_sample(index.kind())).contains(&learned_from)
        && rows >= learned_from.saturating_mul(RETRAIN_AT)
}

/// A new index of the rows there are: of another kind when deletions since the start left too few to build that one from.
fn anew(space: &Space, start: &Start, kind: Kind, order: Order<'_>) -> Result<Index> {
    let (dimension, metric) = (space.shape.dimension, space.shape.metric);
    let sample = training_sample(space, start, &kind, order)?;
    let too_few = kind.min_vectors(dimension) > sample.len() / dimension;
    let kind = if kind.trains() && too_few {
        Kind::flat()
    } else {
        kind
    };
    let mut index = Index::new(dimension, metric, &kind)?;
    index.train_with(&sample, order.watch)?;
    drop(sample);
    if kind.can_grow() {
        add_rows(space, &mut index, 0, start, order)?;
        return Ok(index);
    }
    let (ids, vectors) = all_rows(space, start, order)?;
    if ids.len() < kind.min_vectors(dimension) {
        index = Index::new(dimension, metric, &Kind::flat())?;
    }
    index.add(&ids, &vectors)?;
    Ok(index)
}

/// Adds the live rows with ids above `after`, page by page, so that no read transaction stays open for long.
fn add_rows(
    space: &Space,
    index: &mut Index,
    mut after: i64,
    start: &Start,
    order: Order<'_>,
) -> Result<()> {
    let expected = start.rows.saturating_sub(index.len());
    index.add_pieces(expected, order.watch, || {
        let piece = page(&space.documents.read()?, after, start.last_id)?;
        let last = piece.0.last().copied();
        after = last.unwrap_or(after);
        Ok(last.map(|_| piece))
    })
}

/// All rows in memory at once, for a kind that is built in one go: as much again as the vectors take.
fn all_rows(space: &Space, start: &Start, order: Order<'_>) -> Result<(Vec<i64>, Vec<f32>)> {
    let (mut ids, mut vectors) = (Vec::new(), Vec::new());
    let mut after = 0;
    loop {
        report(order.watch, Stage::Adding, ids.len(), start.rows)?;
        let (more, theirs) = page(&space.documents.read()?, after, start.last_id)?;
        let Some(&last) = more.last() else {
            return Ok((ids, vectors));
        };
        ids.extend(more);
        vectors.extend(theirs);
        after = last;
    }
}

/// The most training vectors that are of use to the kind.
fn useful_sample(kind: &Kind) -> usize {
    let lists = match kind.structure {
        Structure::Ivf { nlist, .. } => nlist,
        _ => 0,
    };
    let codes = match kind.codes {
        Codes::Pq { bits, .. } => 1 << bits,
        Codes::PqFastScan { .. } => 1 << 4,
        _ => 0,
    };
    let rotation = match kind.transforms.as_slice() {
        [] => 0,
        some if some.iter().any(|t| matches!(t, Transform::Opq { .. })) => 1 << 8,
        _ => 0,
    };
    lists
        .max(codes)
        .max(rotation)
        .saturating_mul(TRAINING_PER_CENTROID)
        .max(TRAINING_FOR_RANGES)
}

/// Vectors drawn from the whole collection, each with the same chance, by one pass over it. Not every n-th: documents may come
/// in an order that repeats.
fn training_sample(
    space: &Space,
    start: &Start,
    kind: &Kind,
    order: Order<'_>,
) -> Result<Vec<f32>> {
    if !kind.trains() {
        return Ok(Vec::new());
    }
    let rows = sample_rows(start.rows, useful_sample(kind), TRAINING_SEED);
    let mut wanted = rows.iter().copied().peekable();
    let mut sample = Vec::with_capacity(rows.len() * space.shape.dimension);
    let (mut position, mut failure) = (0, None);
    space
        .documents
        .read()?
        .for_each_vector(0, &mut |id, vector| {
            if position % REPORT_EVERY == 0 {
                failure = report(order.watch, Stage::Sampling, position, start.rows).err();
            }
            if wanted.next_if_eq(&position).is_some() {
                sample.extend_from_slice(vector);
            }
            position += 1;
            if id < start.last_id && wanted.peek().is_some() && failure.is_none() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(sample),
    }
}
