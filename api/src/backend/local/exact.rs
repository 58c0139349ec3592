//! Exact scans of stored vectors, for indexes that keep only codes of them: all of them, some, or the candidates of such an index.
//!
//! Distances from here are the metric's own, and as recent as the snapshot that is read.

use engine::{Hit, IdSet, Index, Kind, Select};
use storage::Reader;

use super::plan::Setting;
use crate::{
    error::Result,
    space::view::{View, merge},
};

/// Vectors read from the store at a time.
const SCAN_BLOCK: usize = 4_096;

/// The `k` nearest of each row-major query, deleted ids left out. From a sealed index of codes come more candidates than that
/// (`rescore` times as many, unless it looks twice itself), which are compared by their stored vectors, so that they are told
/// apart rightly from each other and from the fresh rows.
pub(crate) fn nearest(
    view: &View,
    reader: &Reader<'_>,
    queries: &[f32],
    k: usize,
    setting: &Setting,
) -> Result<Vec<Vec<Hit>>> {
    rescored(view, reader, queries, k, setting, view.alive())
}

/// As [`nearest`] for one query, among `ids` only.
pub(crate) fn nearest_in(
    view: &View,
    reader: &Reader<'_>,
    query: &[f32],
    k: usize,
    setting: &Setting,
    ids: &IdSet,
) -> Result<Vec<Hit>> {
    let mut found = rescored(view, reader, query, k, setting, Select::Only(ids))?;
    Ok(found.pop().unwrap_or_default())
}

fn rescored(
    view: &View,
    reader: &Reader<'_>,
    queries: &[f32],
    k: usize,
    setting: &Setting,
    select: Select<'_>,
) -> Result<Vec<Vec<Hit>>> {
    let params = &setting.params;
    let Some(factor) = setting.compared else {
        return view.search(queries, k, params, select);
    };
    let mut best = view.search_sealed(queries, k.saturating_mul(factor), params, select)?;
    for (query, best) in queries.chunks_exact(view.dimension).zip(&mut best) {
        let mut ids: Vec<i64> = best.iter().map(|hit| hit.id).collect();
        ids.sort_unstable();
        *best = scan_some_rows(view, reader, query, k, &ids)?;
    }
    view.join_fresh(&mut best, queries, k, params, select)?;
    Ok(best)
}

/// Exact over the stored vectors themselves, for indexes that keep only codes.
pub(crate) fn scan_rows(
    view: &View,
    reader: &Reader<'_>,
    query: &[f32],
    k: usize,
) -> Result<Vec<Hit>> {
    let mut block = Block::new(view, query, k);
    let mut failure = None;
    reader.for_each_vector(0, &mut |id, vector| match block.push(id, vector) {
        Ok(()) => std::ops::ControlFlow::Continue(()),
        Err(error) => {
            failure = Some(error);
            std::ops::ControlFlow::Break(())
        }
    })?;
    failure.map_or_else(|| block.finish(), Err)
}

/// As [`scan_rows`], over these ids.
pub(crate) fn scan_some_rows(
    view: &View,
    reader: &Reader<'_>,
    query: &[f32],
    k: usize,
    ids: &[i64],
) -> Result<Vec<Hit>> {
    let mut block = Block::new(view, query, k);
    for ids in ids.chunks(SCAN_BLOCK) {
        for (&id, vector) in ids.iter().zip(reader.vectors(ids)?) {
            if let Some(vector) = vector {
                block.push(id, &vector)?;
            }
        }
    }
    block.finish()
}

/// Rows gathered until there are enough for a flat index of their own.
struct Block<'a> {
    view: &'a View,
    query: &'a [f32],
    k: usize,
    ids: Vec<i64>,
    vectors: Vec<f32>,
    best: Vec<Hit>,
}

impl<'a> Block<'a> {
    fn new(view: &'a View, query: &'a [f32], k: usize) -> Self {
        Self {
            view,
            query,
            k,
            ids: Vec::new(),
            vectors: Vec::new(),
            best: Vec::new(),
        }
    }

    fn push(&mut self, id: i64, vector: &[f32]) -> Result<()> {
        self.ids.push(id);
        self.vectors.extend_from_slice(vector);
        if self.ids.len() == SCAN_BLOCK {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<()> {
        let mut index = Index::new(self.view.dimension, self.view.metric, &Kind::flat())?;
        index.add(&self.ids, &self.vectors)?;
        let found = index
            .scan(self.query, self.k, &self.ids)?
            .unwrap_or_default();
        merge(&mut self.best, found, self.view.metric, self.k);
        self.ids.clear();
        self.vectors.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Hit>> {
        self.flush()?;
        Ok(self.best)
    }
}
