//! A flat index of our own: ids, and vectors one after the other. It is `Flat` where FAISS is not built in. Checks of ids
//! and vectors are its caller's; it keeps what it is given.

use std::io::{self, Read, Write};

use crate::backend::bytes::{read_ids, read_numbers, write_ids, write_numbers};
use crate::backend::scan::{Rows, Scan};
use crate::ids::Select;
use crate::metric::Metric;

/// Vectors of one dimension, all of which a search compares.
#[derive(Debug, Clone)]
pub(crate) struct Exact {
    dimension: usize,
    metric: Metric,
    ids: Vec<i64>,
    /// Row-major.
    vectors: Vec<f32>,
}

impl Rows for Exact {
    fn ids(&self) -> &[i64] {
        &self.ids
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.vectors[row * self.dimension..][..self.dimension]
    }

    fn scan<'a>(&self, select: Select<'a>) -> Scan<'a> {
        Scan {
            metric: self.metric,
            dimension: self.dimension,
            select,
        }
    }
}

impl Exact {
    pub(crate) fn new(dimension: usize, metric: Metric) -> Self {
        Self {
            dimension,
            metric,
            ids: Vec::new(),
            vectors: Vec::new(),
        }
    }

    /// Adds a vector per id; ids ascend.
    pub(crate) fn add(&mut self, ids: &[i64], vectors: &[f32]) {
        self.ids.extend_from_slice(ids);
        self.vectors.extend_from_slice(vectors);
    }

    /// Takes out the vectors of these ids; says how many there were.
    pub(crate) fn remove(&mut self, gone: &crate::IdSet) -> usize {
        let mut kept = 0;
        for row in 0..self.ids.len() {
            if !gone.contains(self.ids[row]) {
                self.ids[kept] = self.ids[row];
                let from = row * self.dimension;
                self.vectors
                    .copy_within(from..from + self.dimension, kept * self.dimension);
                kept += 1;
            }
        }
        let removed = self.ids.len() - kept;
        self.ids.truncate(kept);
        self.vectors.truncate(kept * self.dimension);
        removed
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.ids.capacity() * size_of::<i64>() + self.vectors.capacity() * size_of::<f32>()
    }

    /// Writes ids, then vectors, little-endian.
    pub(crate) fn write(&self, target: &mut dyn Write) -> io::Result<()> {
        write_ids(target, &self.ids)?;
        write_numbers(target, &self.vectors)
    }

    /// Reads this many rows as [`Exact::write`] wrote them.
    pub(crate) fn read(
        source: &mut dyn Read,
        rows: usize,
        dimension: usize,
        metric: Metric,
    ) -> io::Result<Self> {
        let ids = read_ids(source, rows)?;
        let numbers = rows.checked_mul(dimension).ok_or_else(too_large)?;
        Ok(Self {
            dimension,
            metric,
            ids,
            vectors: read_numbers(source, numbers)?,
        })
    }
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "more numbers than can be")
}
