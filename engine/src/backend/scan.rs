//! Comparing with every row, for the indexes that hold their vectors in Rust: the nearest, or all within a distance. It
//! runs on the calling thread; [`crate::threads::pool`] spreads queries over several. Arguments are checked by its callers.

use std::collections::BinaryHeap;

use crate::ids::{Hit, Select};
use crate::metric::Metric;
use crate::metric::distance::{Far, between};

/// Rows of one dimension under ascending ids.
pub(crate) trait Rows {
    /// The id of each row.
    fn ids(&self) -> &[i64];

    /// A row's vector, as it was prepared for the metric.
    fn row(&self, row: usize) -> &[f32];

    /// How to compare with them.
    fn scan<'a>(&self, select: Select<'a>) -> Scan<'a>;
}

/// What rows are compared by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan<'a> {
    pub(crate) metric: Metric,
    pub(crate) dimension: usize,
    pub(crate) select: Select<'a>,
}

/// As many numbers as stay in the processor's cache while every query of a batch is compared with them.
const BLOCK: usize = 1 << 15;

impl Scan<'_> {
    /// The k nearest of each query, closest first, then by id.
    pub(crate) fn nearest(&self, rows: &impl Rows, queries: &[f32], k: usize) -> Vec<Vec<Hit>> {
        let count = queries.len() / self.dimension;
        let mut found: Vec<Nearest> = (0..count).map(|_| Nearest::new(k)).collect();
        let ids = rows.ids();
        let block = (BLOCK / self.dimension).max(1);
        for start in (0..ids.len()).step_by(block) {
            let end = ids.len().min(start + block);
            for (query, nearest) in queries.chunks_exact(self.dimension).zip(&mut found) {
                for row in (start..end).filter(|&row| self.select.allows(ids[row])) {
                    let distance = between(self.metric, query, rows.row(row));
                    nearest.offer(Far::new(self.metric, distance), ids[row]);
                }
            }
        }
        let hits = |nearest: Nearest| nearest.into_hits(self.metric);
        found.into_iter().map(hits).collect()
    }

    #[cfg(test)]
    /// All within the radius (a similarity's least), closest first, then by id; of more than `limit` the closest.
    pub(crate) fn within(
        &self,
        rows: &impl Rows,
        query: &[f32],
        radius: f32,
        limit: usize,
    ) -> Vec<Hit> {
        let mut found = Nearest::new(limit);
        let farthest = Far::new(self.metric, radius);
        for (row, &id) in rows.ids().iter().enumerate() {
            if self.select.allows(id) {
                let far = Far::new(self.metric, between(self.metric, query, rows.row(row)));
                if far <= farthest {
                    found.offer(far, id);
                }
            }
        }
        found.into_hits(self.metric)
    }

    /// The distance of the query to each of the rows, of which none is outside.
    pub(crate) fn distances(&self, rows: &impl Rows, query: &[f32], these: &[i64]) -> Vec<f32> {
        let rows_of = these.iter().filter_map(|&row| usize::try_from(row).ok());
        rows_of
            .map(|row| between(self.metric, query, rows.row(row)))
            .collect()
    }
}

/// The closest so far: a heap with the farthest of them on top.
struct Nearest {
    k: usize,
    heap: BinaryHeap<(Far, i64)>,
}

impl Nearest {
    fn new(k: usize) -> Self {
        let heap = BinaryHeap::new();
        Self { k, heap }
    }

    /// Takes it in if it is among the k closest. Ids come ascending, so of two as far the one inside stays.
    fn offer(&mut self, far: Far, id: i64) {
        if self.heap.len() < self.k {
            self.heap.push((far, id));
        } else if let Some(mut farthest) = self.heap.peek_mut()
            && far < farthest.0
        {
            *farthest = (far, id);
        }
    }

    fn into_hits(self, metric: Metric) -> Vec<Hit> {
        let sorted = self.heap.into_sorted_vec().into_iter();
        let hit = |(far, id): (Far, i64)| Hit {
            id,
            distance: far.distance(metric),
        };
        sorted.map(hit).collect()
    }
}
