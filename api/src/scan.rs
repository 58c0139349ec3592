//! Comparing stored vectors one by one, for indexes that keep only codes of them.
//!
//! What it finds is exact and as new as the store's snapshot that it reads.

use engine::{Hit, Index, Kind};
use storage::Reader;

use crate::{
    Result,
    view::{View, merge},
};

/// Vectors read from the store at a time.
const SCAN_BLOCK: usize = 4_096;

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
