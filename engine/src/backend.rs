//! What holds an index: FAISS or the graph of `hnsw_rs`, under one set of methods. What they are given is checked before
//! (`index.rs`, `search.rs`). Only here is it known which is which.

use std::io::{self, Read, Write};

use crate::effort::{Breadth, Effort};
use crate::ffi::RawIndex;
use crate::graph::{Graph, Shape};
use crate::scan::{Rows, Scan};
use crate::spec::Structure;
use crate::{Hit, Kind, Metric, Result, Select};

/// An index under its ids.
pub(crate) enum Backend {
    Faiss(RawIndex),
    Graph(Graph),
}

impl Backend {
    /// An empty index of a kind that suits dimension and metric.
    pub(crate) fn create(dimension: usize, kind: &Kind, metric: Metric) -> Result<Self> {
        match Shape::of(kind) {
            Some(shape) => Ok(Self::Graph(Graph::new(dimension, metric, shape))),
            None => RawIndex::create(dimension, kind, metric).map(Self::Faiss),
        }
    }

    /// The id of each row.
    pub(crate) fn ids(&self) -> &[i64] {
        match self {
            Self::Faiss(raw) => raw.ids(),
            Self::Graph(graph) => graph.ids(),
        }
    }

    pub(crate) fn is_trained(&self) -> bool {
        match self {
            Self::Faiss(raw) => raw.facts().is_ok_and(|facts| facts.trained),
            Self::Graph(_) => true,
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Self::Faiss(raw) => raw
                .facts()
                .map_or(0, |facts| usize::try_from(facts.bytes).unwrap_or(0)),
            Self::Graph(graph) => graph.memory_bytes(),
        }
    }

    /// Has the vectors lie in huge pages, where the system and the index can.
    pub(crate) fn use_huge_pages(&self) {
        match self {
            Self::Faiss(raw) => raw.use_huge_pages(),
            Self::Graph(_) => {}
        }
    }

    pub(crate) fn train(&mut self, vectors: &[f32]) -> Result<()> {
        match self {
            Self::Faiss(raw) => raw.train(vectors),
            Self::Graph(_) => Ok(()),
        }
    }

    /// Adds one row per id. When that fails, the index is empty afterwards.
    pub(crate) fn add(&mut self, ids: &[i64], vectors: &[f32]) -> Result<()> {
        match self {
            Self::Faiss(raw) => raw.add(ids, vectors),
            Self::Graph(graph) => graph.add(ids, vectors, crate::ffi::threads()),
        }
    }

    /// The k nearest of each query: distances and ids, row-major, id -1 where there are fewer. Single-threaded. k is 1 to
    /// the number of rows. `products` is FAISS's alone ([`crate::reading`]).
    pub(crate) fn search(
        &self,
        queries: &[f32],
        k: usize,
        effort: &Effort,
        select: Select<'_>,
        products: bool,
    ) -> Result<(Vec<f32>, Vec<i64>)> {
        match self {
            Self::Faiss(raw) => raw.search(queries, k, effort, select, products),
            Self::Graph(graph) => match effort.breadth {
                Breadth::Exact => Ok(padded(&graph.scan(select).nearest(graph, queries, k), k)),
                Breadth::Wide(ef) => {
                    let queries = queries.chunks_exact(graph.dimension());
                    let answers = queries.map(|query| graph.search(query, k, ef, select));
                    answers
                        .collect::<Result<Vec<_>>>()
                        .map(|answers| padded(&answers, k))
                }
            },
        }
    }

    /// The distance from the query to each of the rows.
    pub(crate) fn distances(
        &self,
        query: &[f32],
        rows: &[i64],
        products: bool,
    ) -> Result<Vec<f32>> {
        match self {
            Self::Faiss(raw) => raw.distances(query, rows, products),
            Self::Graph(graph) => Ok(graph.scan(Select::All).distances(graph, query, rows)),
        }
    }

    /// What is kept of these rows, ascending, as vectors (row-major).
    pub(crate) fn reconstruct(&self, rows: &[i64]) -> Result<Vec<f32>> {
        match self {
            Self::Faiss(raw) => raw.reconstruct(rows),
            Self::Graph(graph) => {
                let places = rows.iter().filter_map(|&row| usize::try_from(row).ok());
                Ok(places.flat_map(|row| graph.row(row).to_vec()).collect())
            }
        }
    }

    pub(crate) fn try_clone(&self) -> Result<Self> {
        match self {
            Self::Faiss(raw) => raw.try_clone().map(Self::Faiss),
            Self::Graph(graph) => graph.try_clone().map(Self::Graph),
        }
    }

    /// Reads an index of a kind that is held in Rust, of this many rows; `None` for FAISS's kinds.
    pub(crate) fn read(
        source: &mut dyn Read,
        kind: &Kind,
        rows: usize,
        dimension: usize,
        metric: Metric,
    ) -> Option<Result<Self>> {
        let shape = Shape::of(kind)?;
        Some(Graph::read(source, rows, dimension, metric, shape).map(Self::Graph))
    }

    /// Writes the index: FAISS in its own format, ours in ours.
    pub(crate) fn write(&self, target: &mut dyn Write) -> Result<io::Result<()>> {
        match self {
            Self::Faiss(raw) => raw.write(target),
            Self::Graph(graph) => Ok(graph.write(target)),
        }
    }
}

impl Graph {
    fn scan<'a>(&self, select: Select<'a>) -> Scan<'a> {
        Scan {
            metric: self.metric(),
            dimension: self.dimension(),
            select,
        }
    }
}

impl Shape {
    fn of(kind: &Kind) -> Option<Self> {
        match kind.structure {
            Structure::HnswRs { m, ef_construction } => Some(Self { m, ef_construction }),
            _ => None,
        }
    }
}

/// k places for each answer.
fn padded(answers: &[Vec<Hit>], k: usize) -> (Vec<f32>, Vec<i64>) {
    let nothing = std::iter::repeat((0.0, -1));
    let pairs = answers.iter().flat_map(|hits| {
        let pairs = hits.iter().map(|hit| (hit.distance, hit.id));
        pairs.chain(nothing.clone()).take(k)
    });
    pairs.unzip()
}
