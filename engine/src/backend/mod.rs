//! What holds an index: FAISS, the graph of `hnsw_rs`, or our own flat rows where FAISS is not built in; under one set of
//! methods. What they are given is checked before (`index`). Only here is it known which is which.

#![cfg_attr(
    not(feature = "faiss"),
    expect(
        clippy::unnecessary_wraps,
        unused_variables,
        reason = "ours learn nothing and fail at little; FAISS does both"
    )
)]

mod bytes;
#[cfg(feature = "faiss")]
#[expect(
    unsafe_code,
    reason = "the one module that talks to FAISS; it exports safe functions only"
)]
pub(crate) mod faiss;
pub(crate) mod flat;
pub(crate) mod hnsw_rs;
#[cfg(any(test, not(feature = "faiss")))]
pub(crate) mod lloyd;
pub(crate) mod scan;

use std::io::{self, Read, Write};
use std::ops::ControlFlow;

#[cfg(feature = "faiss")]
use self::faiss::{Access, OwnedIndex, RawIndex};
use crate::backend::flat::Exact;
use crate::backend::hnsw_rs::{Graph, Shape};
use crate::backend::scan::Rows;
use crate::error::{Error, Result};
use crate::ids::{Hit, IdSet, Select};
use crate::index::effort::{Breadth, Effort};
use crate::metric::Metric;
use crate::spec::{Kind, Structure};
use crate::threads;

/// An index under its ids.
pub(crate) enum Backend {
    #[cfg(feature = "faiss")]
    Faiss(Access),
    Graph(Graph),
    Exact(Exact),
}

/// What the bytes of an index that is held in Rust begin with: FAISS's do with four letters of its own.
const OURS: &[u8; 8] = b"VINEROWS";

/// Which of ours holds a kind.
enum Ours {
    Graph(Shape),
    Exact,
}

impl Ours {
    /// `None` for FAISS's kinds. Flat is one of them where FAISS is there.
    fn of(kind: &Kind) -> Option<Self> {
        match kind.structure {
            Structure::HnswRs { m, ef_construction } => {
                Some(Self::Graph(Shape { m, ef_construction }))
            }
            _ => (kind.is_exact() && cfg!(not(feature = "faiss"))).then_some(Self::Exact),
        }
    }
}

impl Kind {
    /// Whether indexes of this kind can be had in this build: one without FAISS has `Flat` and `hnsw_rs`.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        cfg!(feature = "faiss") || Ours::of(self).is_some()
    }
}

impl Backend {
    /// An empty index of a kind that suits dimension and metric.
    pub(crate) fn create(dimension: usize, kind: &Kind, metric: Metric) -> Result<Self> {
        match Ours::of(kind) {
            Some(Ours::Graph(shape)) => Ok(Self::Graph(Graph::new(dimension, metric, shape))),
            Some(Ours::Exact) => Ok(Self::Exact(Exact::new(dimension, metric))),
            #[cfg(feature = "faiss")]
            None => OwnedIndex::create(dimension, kind, metric).map(Self::owned),
            #[cfg(not(feature = "faiss"))]
            None => kind
                .check(dimension, metric)
                .map(|()| Self::Exact(Exact::new(dimension, metric))),
        }
    }

    #[cfg(feature = "faiss")]
    fn owned(raw: OwnedIndex) -> Self {
        Self::Faiss(Access::Owned(raw))
    }

    /// The id of each row.
    pub(crate) fn ids(&self) -> &[i64] {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => raw.ids(),
            Self::Graph(graph) => graph.ids(),
            Self::Exact(exact) => exact.ids(),
        }
    }

    pub(crate) fn is_trained(&self) -> bool {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => raw.facts().trained,
            Self::Graph(_) | Self::Exact(_) => true,
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => raw.memory_bytes().unwrap_or(0),
            Self::Graph(graph) => graph.memory_bytes(),
            Self::Exact(exact) => exact.memory_bytes(),
        }
    }

    /// Has the vectors lie in huge pages, where the system and the index can.
    pub(crate) fn use_huge_pages(&self) {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => raw.use_huge_pages(),
            Self::Graph(_) | Self::Exact(_) => {}
        }
    }

    /// Trains on the vectors; `step` is called before each step of it, and may end it. When that fails, the index is to
    /// be thrown away.
    pub(crate) fn train(
        &mut self,
        vectors: &[f32],
        step: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<()> {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => raw.writable()?.train(vectors, step),
            Self::Graph(_) | Self::Exact(_) => Ok(()),
        }
    }

    /// Takes out the rows of these ids; `None` where nothing can be taken out.
    pub(crate) fn remove(&mut self, ids: &IdSet) -> Option<Result<usize>> {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => Some(raw.writable().and_then(|raw| raw.remove(ids))),
            Self::Exact(exact) => Some(Ok(exact.remove(ids))),
            Self::Graph(_) => None,
        }
    }

    /// Adds one row per id. When that fails, the index is empty afterwards.
    pub(crate) fn add(&mut self, ids: &[i64], vectors: &[f32]) -> Result<()> {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => raw.writable()?.add(ids, vectors),
            Self::Graph(graph) => graph.add(ids, vectors, threads::allowed()),
            Self::Exact(exact) => {
                exact.add(ids, vectors);
                Ok(())
            }
        }
    }

    /// As [`Backend::add`], but [`Backend::link`] has to follow before anything else is done with the index.
    pub(crate) fn store(&mut self, ids: &[i64], vectors: &[f32]) -> Result<()> {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => raw.writable()?.store(ids, vectors),
            Self::Graph(_) | Self::Exact(_) => self.add(ids, vectors),
        }
    }

    /// Links what was stored, telling `step` how many rows it went over. When that fails, the index is empty afterwards.
    pub(crate) fn link(&mut self, step: &mut dyn FnMut(usize) -> ControlFlow<()>) -> Result<()> {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => raw.writable()?.link(step),
            Self::Graph(_) | Self::Exact(_) => Ok(()),
        }
    }

    /// Has every row of FAISS's graphs, but the first `known`, be found by a short walk.
    pub(crate) fn reach(
        &mut self,
        known: usize,
        step: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<()> {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => raw.writable()?.reach(known, step),
            Self::Graph(_) | Self::Exact(_) => Ok(()),
        }
    }

    /// The k nearest of each query: distances and ids, row-major, id -1 where there are fewer. Single-threaded. k is 1 to
    /// the number of rows. `products` is FAISS's alone ([`crate::index::reading`]).
    pub(crate) fn search(
        &self,
        queries: &[f32],
        k: usize,
        effort: &Effort,
        select: Select<'_>,
        products: bool,
    ) -> Result<(Vec<f32>, Vec<i64>)> {
        let answers = match (self, effort.breadth) {
            #[cfg(feature = "faiss")]
            (Self::Faiss(raw), _) => return raw.search(queries, k, effort, select, products),
            (Self::Graph(graph), Breadth::Wide(ef)) => queries
                .chunks_exact(graph.dimension())
                .map(|query| match effort.stranger {
                    Some(own) => Ok(graph.search_as_stranger(query, k, ef, select, own)),
                    None => graph.search(query, k, ef, select),
                })
                .collect::<Result<Vec<_>>>()?,
            (Self::Graph(graph), Breadth::Exact) => graph.scan(select).nearest(graph, queries, k),
            (Self::Exact(exact), _) => exact.scan(select).nearest(exact, queries, k),
        };
        Ok(padded(&answers, k))
    }

    /// The distance from the query to each of the rows.
    pub(crate) fn distances(
        &self,
        query: &[f32],
        rows: &[i64],
        products: bool,
    ) -> Result<Vec<f32>> {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => raw.distances(query, rows, products),
            Self::Graph(graph) => Ok(graph.scan(Select::All).distances(graph, query, rows)),
            Self::Exact(exact) => Ok(exact.scan(Select::All).distances(exact, query, rows)),
        }
    }

    /// What is kept of these rows, ascending, as vectors (row-major).
    pub(crate) fn reconstruct(&self, rows: &[i64]) -> Result<Vec<f32>> {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => raw.reconstruct(rows),
            Self::Graph(graph) => Ok(copied(graph, rows)),
            Self::Exact(exact) => Ok(copied(exact, rows)),
        }
    }

    pub(crate) fn try_clone(&self) -> Result<Self> {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => raw.try_clone().map(Self::owned),
            Self::Graph(graph) => graph.try_clone().map(Self::Graph),
            Self::Exact(exact) => Ok(Self::Exact(exact.clone())),
        }
    }

    /// Whether bytes that start like this are those of an index that is held in Rust.
    pub(crate) fn is_ours(start: &[u8]) -> bool {
        start.starts_with(OURS)
    }

    /// Reads an index that is held in Rust, of this many rows. Flat ones are read by builds with FAISS as well.
    pub(crate) fn read(
        source: &mut dyn Read,
        kind: &Kind,
        rows: usize,
        dimension: usize,
        metric: Metric,
    ) -> Result<Self> {
        let unreadable = |message: String| Error::InRust {
            operation: "read an index",
            message,
        };
        let mut mark = [0; OURS.len()];
        let read = source.read_exact(&mut mark);
        read.map_err(|error| unreadable(error.to_string()))?;
        match Ours::of(kind) {
            Some(Ours::Graph(shape)) => {
                Graph::read(source, rows, dimension, metric, shape).map(Self::Graph)
            }
            _ if kind.is_exact() => Exact::read(source, rows, dimension, metric)
                .map(Self::Exact)
                .map_err(|error| unreadable(error.to_string())),
            _ => Err(unreadable("its kind is one of FAISS's".to_owned())),
        }
    }

    /// Whether FAISS has a format for it.
    pub(crate) fn is_of_faiss(&self) -> bool {
        !matches!(self, Self::Graph(_) | Self::Exact(_))
    }

    /// Writes FAISS's format, with these ids, one per row.
    pub(crate) fn write_as(&self, ids: &[i64], target: &mut dyn Write) -> Result<io::Result<()>> {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => raw.write_as(ids, target),
            Self::Graph(_) | Self::Exact(_) => Ok(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Reads what FAISS wrote elsewhere. Its ids are in any order.
    #[cfg(feature = "faiss")]
    pub(crate) fn read_foreign(source: &mut dyn Read) -> Result<(Self, Found)> {
        let raw = RawIndex::read_foreign(source)?;
        let found = Found {
            kind: raw.kind()?,
            metric: raw.metric()?,
            dimension: raw.dimension(),
        };
        Ok((Self::owned(raw), found))
    }

    #[cfg(not(feature = "faiss"))]
    pub(crate) fn read_foreign(_: &mut dyn Read) -> Result<(Self, Found)> {
        Err(Error::InRust {
            operation: "read an index",
            message:
                "this build is without FAISS, which alone reads such files: use one that has it"
                    .to_owned(),
        })
    }

    /// Gives the rows other ids, ascending, one for each.
    pub(crate) fn renumber(&mut self, ids: &[i64]) -> Result<()> {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => raw.writable()?.renumber(ids),
            Self::Graph(_) | Self::Exact(_) => Err(Error::InRust {
                operation: "number rows",
                message: "its ids are its own".to_owned(),
            }),
        }
    }

    /// Writes the index: FAISS in its own format, ours in ours.
    pub(crate) fn write(&self, target: &mut dyn Write) -> Result<io::Result<()>> {
        match self {
            #[cfg(feature = "faiss")]
            Self::Faiss(raw) => raw.write(target),
            Self::Graph(graph) => Ok(target.write_all(OURS).and_then(|()| graph.write(target))),
            Self::Exact(exact) => Ok(target.write_all(OURS).and_then(|()| exact.write(target))),
        }
    }
}

/// What was found in a file of FAISS's.
pub(crate) struct Found {
    pub(crate) kind: Kind,
    pub(crate) metric: Metric,
    pub(crate) dimension: usize,
}

/// The vectors of these rows, one after the other.
fn copied(all: &impl Rows, rows: &[i64]) -> Vec<f32> {
    let places = rows.iter().filter_map(|&row| usize::try_from(row).ok());
    places.flat_map(|row| all.row(row)).copied().collect()
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
