//! Plain FAISS files, as FAISS writes and reads them in C++ and Python. They carry no checksum and no stamp, and their ids
//! are in any order; an index's own files are [`crate::file`]'s.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::backend::{Backend, Found};
use crate::error::{Error, Result};
use crate::file::atomic::replace;
use crate::ids::MAX_ID;
use crate::ids::Select;
use crate::index::Index;
use crate::metric::Metric;
use crate::params::SearchParams;
use crate::spec::Kind;
use crate::vectors;

const BUFFER: usize = 1 << 20;

impl Index {
    /// Writes a plain FAISS file, in place of one that may be there: an `IndexIDMap` with the ids inside.
    ///
    /// What FAISS finds in it is what is kept here: for cosine these are vectors of length 1 under another metric
    /// ([`Kind::native_metric`]), and queries are to be scaled to length 1 by whoever searches there.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for hnsw_rs, which is no kind of FAISS's, and in a build without FAISS. [`Error::Io`]
    /// naming the path; what was there before is then untouched.
    pub fn export(&self, path: &Path) -> Result<()> {
        self.export_with_ids(path, self.ids())
    }

    /// As [`Index::export`], with ids of the caller's, one for each of [`Index::ids`]. They need not ascend.
    ///
    /// # Errors
    /// As [`Index::export`]; [`Error::IdCount`].
    pub fn export_with_ids(&self, path: &Path, ids: &[i64]) -> Result<()> {
        if ids.len() != self.len() {
            return Err(Error::IdCount {
                ids: ids.len(),
                vectors: self.len(),
            });
        }
        if !self.raw().is_of_faiss() {
            return Err(Error::Unsupported {
                kind: self.kind().clone(),
                operation: "be written for FAISS",
                instead: "give the collection a kind of FAISS's, in a build that has it",
            });
        }
        replace(path, |file| {
            let io = |source| Error::io(path, source);
            let mut target = BufWriter::with_capacity(BUFFER, file);
            self.raw().write_as(ids, &mut target)?.map_err(io)?;
            target.flush().map_err(io)
        })
    }
}

/// How far from 1 the length of a vector may be that counts as one of length 1.
const LENGTH_TOLERANCE: f64 = 1e-3;

/// How long what codes tell of a vector of length 1 may be: the middles of PQ's clusters lie inwards, SQ's rounding goes both
/// ways, and RaBitQ's signs point past it, by a quarter as a rule.
const LENGTH_BY_CODES: std::ops::RangeInclusive<f64> = 0.2..=2.0;

/// An index that FAISS wrote elsewhere, in a plain file: with an id map or without, or with ids in its lists. It becomes an
/// [`Index`] once its rows have ids that ascend.
#[derive(Debug)]
pub struct Foreign {
    path: PathBuf,
    index: Index,
    ids: Vec<i64>,
}

impl Foreign {
    /// Reads a plain FAISS file. All of it is checked, links and lists too, and searched once; what searches go by is set to
    /// values of our own. But FAISS parses it first: bytes that are damaged or hostile can cost memory without end and end
    /// the process, so let another process try a file that is not trusted.
    ///
    /// # Errors
    /// [`Error::BadForeign`] for what is no FAISS index, one of no kind or metric here, one that is not trained, and in a
    /// build without FAISS. [`Error::Io`] when the file cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let bad = |reason: String| Error::foreign(path, reason);
        let file = File::open(path).map_err(|source| Error::io(path, source))?;
        let read = Backend::read_foreign(&mut BufReader::with_capacity(BUFFER, file));
        let (raw, found) = read.map_err(|error| match error {
            Error::Faiss { message, .. } => bad(without_place(&message).to_owned()),
            Error::InRust { message, .. } => bad(message),
            other => bad(other.to_string()),
        })?;
        let Found {
            kind,
            metric,
            dimension,
        } = found;
        vectors::check_dimension(dimension)
            .and_then(|()| kind.check(dimension, metric))
            .map_err(|error| bad(error.to_string()))?;
        if !raw.is_trained() {
            return Err(bad("it is not trained and holds nothing".to_owned()));
        }
        let ids = raw.ids().to_vec();
        let trained_on = if kind.trains() { ids.len() } else { 0 };
        let index = Index::from_backend(raw, dimension, metric, kind, trained_on);
        try_search(&index).map_err(|error| bad(format!("it cannot be searched: {error}")))?;
        Ok(Self {
            path: path.to_owned(),
            index,
            ids,
        })
    }

    /// What the index is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        self.index.kind()
    }

    /// How FAISS compares vectors in it; never cosine, which FAISS does not know.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.index.metric()
    }

    /// How many numbers a vector has.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.index.dimension()
    }

    /// The id of each row, as the file has them: in any order, perhaps twice, perhaps below 0. Rows without ids are
    /// numbered from 0.
    #[must_use]
    pub fn ids(&self) -> &[i64] {
        &self.ids
    }

    /// Checks that the index can be one of this metric: its own, or cosine where it is kept in the same way here.
    ///
    /// # Errors
    /// [`Error::BadForeign`] naming both metrics.
    pub fn check_metric(&self, metric: Metric) -> Result<()> {
        let fits = self.kind().native_metric(metric) == self.metric();
        if fits && self.kind().check(self.dimension(), metric).is_ok() {
            return Ok(());
        }
        let (kind, own) = (self.kind(), self.metric());
        let cosine = kind.native_metric(Metric::Cosine) == own;
        let also = if cosine { " or cosine" } else { "" };
        Err(Error::foreign(
            &self.path,
            format!(
                "the metric {metric} was asked for, and its index {kind} was made with {own}: give {own}{also}"
            ),
        ))
    }

    /// The vectors of some rows, as the index keeps them, checked to be such as the metric can be for.
    ///
    /// # Errors
    /// [`Error::BadForeign`] for a kind that keeps too little to tell vectors ([`Kind::can_reconstruct`]), and naming the id
    /// of a vector with NaN, infinity, a length beyond [`crate::MAX_NORM`], a component that the metric has no meaning
    /// for, or, for cosine, another length than 1.
    pub fn vectors(&self, rows: Range<usize>, metric: Metric) -> Result<Vec<f32>> {
        let bad = |reason: String| Error::foreign(&self.path, reason);
        if !self.kind().can_reconstruct() {
            let kind = self.kind();
            return Err(bad(format!(
                "its index {kind} keeps too little of its vectors to read them back"
            )));
        }
        let start = rows.start;
        let rows: Vec<i64> = rows.filter_map(|row| i64::try_from(row).ok()).collect();
        let kept = self.index.raw().reconstruct(&rows)?;
        let kept = vectors::restored(&kept, self.metric());
        for (row, vector) in kept.chunks_exact(self.dimension()).enumerate() {
            let checked = vectors::prepare(vector, self.dimension(), metric).map(drop);
            let told = checked.map_err(|error| error.to_string());
            told.and_then(|()| self.check_length(vector, metric))
                .map_err(|reason| {
                    let id = self.ids.get(start + row).copied().unwrap_or(-1);
                    bad(format!("the vector of id {id} does not do: {reason}"))
                })?;
        }
        Ok(kept)
    }

    fn check_length(&self, vector: &[f32], metric: Metric) -> std::result::Result<(), String> {
        if metric != Metric::Cosine {
            return Ok(());
        }
        let square: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let length = square.sqrt();
        let fits = match self.kind().is_lossless() {
            true => (length - 1.0).abs() <= LENGTH_TOLERANCE,
            false => LENGTH_BY_CODES.contains(&length),
        };
        if fits {
            return Ok(());
        }
        let own = self.metric();
        Err(format!(
            "its length is {length}, and cosine has vectors of length 1; as {own} it can be had"
        ))
    }

    /// The index, with these ids for its rows in their order.
    ///
    /// # Errors
    /// As [`Foreign::check_metric`]; [`Error::IdCount`], [`Error::IdOrder`] or [`Error::IdRange`] about the ids.
    pub fn into_index(mut self, metric: Metric, ids: &[i64]) -> Result<Index> {
        self.check_metric(metric)?;
        let vectors = self.ids.len();
        if ids.len() != vectors {
            return Err(Error::IdCount {
                ids: ids.len(),
                vectors,
            });
        }
        if let Some(&id) = ids.iter().find(|id| !(0..=MAX_ID).contains(*id)) {
            return Err(Error::IdRange {
                id,
                maximum: MAX_ID,
            });
        }
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] >= pair[1]) {
            let (previous, id) = (pair[0], pair[1]);
            return Err(Error::IdOrder { id, previous });
        }
        self.index.raw_mut()?.renumber(ids)?;
        self.index.set_metric(metric);
        Ok(self.index)
    }
}

/// Searches for two vectors, roughly and exactly: what a search trips over shows where the file is tried.
fn try_search(index: &Index) -> Result<()> {
    let queries = vec![0.5; 2 * index.dimension()];
    let exact = SearchParams {
        exact: true,
        ..SearchParams::DEFAULT
    };
    for params in [SearchParams::DEFAULT, exact] {
        index.search(&queries, 10, &params, Select::All)?;
    }
    Ok(())
}

/// What FAISS says, without the function and line in which it says so.
fn without_place(message: &str) -> &str {
    let behind = message.find(".cpp:").map(|place| &message[place..]);
    let told = behind.and_then(|rest| rest.split_once(": "));
    match told.map_or(message, |(_, told)| told) {
        "std::bad_alloc" => "it asks for more memory than there is",
        told => told,
    }
}
