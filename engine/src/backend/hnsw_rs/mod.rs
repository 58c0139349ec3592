//! A graph built and searched by the crate `hnsw_rs`: HNSW (Malkov and Yashunin, arXiv:1603.09320) in Rust alone. The
//! crate keeps the vectors, one allocation each, and here are kept the way from rows to them and the rows' ids.
//!
//! What the crate would panic over does not reach it: distances are numbers from 0 up ([`Measure`]), a search looks for
//! two candidates or more, the first points go in one after the other. Should it panic nonetheless, that is an error.
//! Nothing can be taken out. Added on one thread the same vectors make the same graph: the crate's seed is fixed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hnsw_rs::anndists::dist::distances::Distance;
use hnsw_rs::hnsw::{Hnsw, Point};

use crate::backend::scan::{Rows, Scan};
use crate::error::{Error, Result};
use crate::ids::{Hit, Select};
use crate::metric::Metric;
use crate::metric::distance::{Far, between, dot};
use walk::Walk;

mod files;
mod stored;
mod walk;

/// How many layers there can be; the crate writes files of graphs with sixteen only.
const LAYERS: usize = 16;

/// The rows that are added one after the other, so that there is something to link all others to: of two that found the
/// graph empty at the same time, one would stay without links.
const FIRST: usize = 256;

type Links = Hnsw<'static, f32, Measure>;

/// How the graph is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Links per vector and layer, twice that on the lowest: 2 to 255. The crate ends the process over more than 256.
    pub(crate) m: usize,
    pub(crate) ef_construction: usize,
}

/// The graph of vectors under ascending ids.
pub(crate) struct Graph {
    dimension: usize,
    metric: Metric,
    shape: Shape,
    links: Links,
    ids: Vec<i64>,
    /// By row.
    points: Vec<Arc<Point<'static, f32>>>,
}

impl Rows for Graph {
    fn ids(&self) -> &[i64] {
        &self.ids
    }

    fn row(&self, row: usize) -> &[f32] {
        self.points[row].get_v()
    }

    fn scan<'a>(&self, select: Select<'a>) -> Scan<'a> {
        Scan {
            metric: self.metric,
            dimension: self.dimension,
            select,
        }
    }
}

impl Graph {
    pub(crate) fn new(dimension: usize, metric: Metric, shape: Shape) -> Self {
        Self {
            dimension,
            metric,
            shape,
            links: new_links(metric, shape, 0),
            ids: Vec::new(),
            points: Vec::new(),
        }
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    /// Adds a vector per id; ids ascend. When the crate fails at it, the graph is empty afterwards.
    pub(crate) fn add(&mut self, ids: &[i64], vectors: &[f32], threads: usize) -> Result<()> {
        let first = self.ids.len();
        if self.links.get_nb_point() == 0 {
            self.links = new_links(self.metric, self.shape, ids.len());
        }
        let links = &self.links;
        let inserted = guarded("add vectors", || {
            insert(links, first, vectors, self.dimension, threads)
        });
        let added = inserted.and_then(|()| {
            self.ids.extend_from_slice(ids);
            self.find_points()
        });
        if added.is_err() {
            *self = Self::new(self.dimension, self.metric, self.shape);
        }
        added
    }

    /// Looks up the points of the rows that have come.
    fn find_points(&mut self) -> Result<()> {
        let first = self.points.len();
        let mut new: Vec<Option<Arc<Point<'static, f32>>>> = vec![None; self.ids.len() - first];
        for layer in 0..LAYERS {
            for point in self.links.get_point_indexation().get_layer_iterator(layer) {
                let place = point.get_origin_id().checked_sub(first);
                if let Some(place) = place.and_then(|place| new.get_mut(place)) {
                    *place = Some(point);
                }
            }
        }
        let found = new.into_iter().flatten();
        self.points
            .extend(found.filter(|point| point.get_v().len() == self.dimension));
        if self.points.len() == self.ids.len() && self.links.get_nb_point() == self.ids.len() {
            return Ok(());
        }
        Err(failure("add vectors", "it has not one point per vector"))
    }

    /// About the k nearest to the query among `ef` candidates, closest first, then by id. It may find fewer.
    pub(crate) fn search(
        &self,
        query: &[f32],
        k: usize,
        ef: usize,
        select: Select<'_>,
    ) -> Result<Vec<Hit>> {
        if self.ids.is_empty() || k == 0 {
            return Ok(Vec::new());
        }
        let allowed = |row: &usize| self.ids.get(*row).is_some_and(|&id| select.allows(id));
        // The one that the search starts from takes a place even where it is not allowed.
        let k = k.saturating_add(1).min(self.ids.len() + 1);
        let ef = ef.min(self.ids.len()).max(k).max(2);
        let found = guarded("search", || match select {
            Select::All => self.links.search(query, k, ef),
            Select::Only(_) | Select::Except(_) | Select::Between(..) => {
                self.links.search_filter(query, k, ef, Some(&allowed))
            }
        })?;
        let rows = found.iter().map(|neighbour| neighbour.d_id);
        Ok(self.closest(query, rows.filter(allowed), k - 1))
    }

    /// As [`Graph::search`], for a query that lies in the graph, in this row, as if it did not: the crate can keep a row out of
    /// its answers, and not out of its way. Its own steps, read from the links that it made.
    pub(crate) fn search_as_stranger(
        &self,
        query: &[f32],
        k: usize,
        ef: usize,
        select: Select<'_>,
        own: usize,
    ) -> Vec<Hit> {
        let found = Walk::new(self, query, own).search(ef.min(self.ids.len()).max(k + 1));
        let rows = found.into_iter();
        self.closest(query, rows.filter(|&row| select.allows(self.ids[row])), k)
    }

    /// The k closest of these rows, closest first, then by id.
    fn closest(&self, query: &[f32], rows: impl Iterator<Item = usize>, k: usize) -> Vec<Hit> {
        let hit = |row: usize| Hit {
            id: self.ids[row],
            distance: between(self.metric, query, self.row(row)),
        };
        let mut hits: Vec<Hit> = rows.map(hit).collect();
        hits.sort_unstable_by_key(|hit| (Far::new(self.metric, hit.distance), hit.id));
        hits.truncate(k);
        hits
    }

    /// About what it takes: vectors, links, and the crate's housekeeping of each.
    pub(crate) fn memory_bytes(&self) -> usize {
        /// A counted link: two counters, pointer and distance; the pointer to it; what the allocator adds.
        const LINK: usize = 16 + 16 + 8 + 16;
        /// A counted point, its lock, a list per layer; what the allocator adds to three of them.
        const POINT: usize = 96 + 40 + LAYERS * 24 + 3 * 16;
        let rows = self.ids.len();
        // A layer's lists are about full, and each layer has one m-th of the points of the one below.
        let links = rows.saturating_mul(self.shape.m.saturating_mul(2).min(rows) + 1);
        let vectors =
            rows.saturating_mul(self.dimension.saturating_mul(size_of::<f32>()) + POINT + 16);
        vectors.saturating_add(links.saturating_mul(LINK))
    }
}

fn new_links(metric: Metric, Shape { m, ef_construction }: Shape, rows: usize) -> Links {
    Hnsw::new(m, rows, LAYERS, ef_construction, Measure(metric))
}

/// Inserts rows on as many threads as are allowed, the first of all on one.
fn insert(links: &Links, first: usize, vectors: &[f32], dimension: usize, threads: usize) {
    let alone = FIRST
        .saturating_sub(first)
        .saturating_mul(dimension)
        .min(vectors.len());
    let (alone, together) = vectors.split_at(alone);
    for (row, vector) in alone.chunks_exact(dimension).enumerate() {
        links.insert_slice((vector, first + row));
    }
    let (first, count) = (first + alone.len() / dimension, together.len() / dimension);
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let row = next.fetch_add(1, Ordering::Relaxed);
            if row >= count {
                return;
            }
            links.insert_slice((&together[row * dimension..][..dimension], first + row));
        }
    };
    // Threads of its own: it may take long, and those for searches are for what is short.
    thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            // Where no more can be had, those there are do it all.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
}

/// The metric as the crate has it: the smaller the closer, never below 0, never NaN. The crate only compares distances,
/// so any order-preserving change leaves graph and answers what they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure(Metric);

impl Distance<f32> for Measure {
    fn eval(&self, one: &[f32], two: &[f32]) -> f32 {
        match self.0 {
            Metric::Cosine => (1.0 - dot(one, two)).max(0.0),
            Metric::InnerProduct => in_order(-dot(one, two)),
            metric => between(metric, one, two),
        }
    }
}

/// Finite numbers moved to where none is below 0, in the same order: their places among all numbers, halved to fit, so
/// that two next to each other may become one. (IEEE 754: positive numbers are ordered as their bits are, negative ones
/// against them.)
fn in_order(x: f32) -> f32 {
    const LOWEST: u32 = !f32::MIN.to_bits();
    const SIGN: u32 = 1 << 31;
    let bits = x.to_bits();
    let place = if bits & SIGN == 0 { bits | SIGN } else { !bits };
    f32::from_bits((place - LOWEST) >> 1)
}

/// What the crate does, its panics made errors.
fn guarded<T>(operation: &'static str, work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
        failure(operation, message.unwrap_or("it panicked"))
    })
}

fn failure(operation: &'static str, message: &str) -> Error {
    Error::InRust {
        operation,
        message: format!("hnsw_rs: {message}"),
    }
}
