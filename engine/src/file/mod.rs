//! An index in a file: magic, version, a checksummed header, then FAISS's own bytes, checksummed too. FAISS does not
//! survive damaged bytes, so it sees none that were not verified.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `VINEDBIX` |
//! | 4 | version, little-endian like all numbers here |
//! | 4 | length of the header |
//! | n | header (bincode, fixed-width integers; metric and kind as strings), then zeros up to where the rest begins at a multiple of 64 |
//! | 8 | XXH3 of everything before |
//! | rest | FAISS's index with gaps (shim/io.cpp), or an index that is held in Rust, of the length and XXH3 that the header says |

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::backend::Backend;
#[cfg(feature = "faiss")]
use crate::backend::faiss::{Access, RawIndex};
use crate::error::{Error, Result};
use crate::index::Index;
use crate::vectors;

mod atomic;
mod faiss;
mod header;

pub(crate) use atomic::replace;
pub use faiss::Foreign;
use header::{BUFFER, Hashed, Header, framed, read_header, verify_payload};

/// Which state of its collection an index is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stamp {
    /// A hash of the collection's configuration.
    pub config: u64,
    /// The number of the index file.
    pub generation: u64,
    /// The last write that the index has.
    pub sequence: u64,
    /// The largest id that the index may hold.
    pub last_id: i64,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            config,
            generation,
            sequence,
            last_id,
        } = self;
        write!(
            f,
            "configuration {config:016x}, generation {generation}, sequence {sequence}, last id {last_id}"
        )
    }
}

impl Index {
    /// Writes the index to a file, in place of one that may be there.
    ///
    /// # Errors
    /// [`Error::Io`] naming the path (missing folder, full disk); what was there before is then untouched.
    pub fn save(&self, path: &Path, stamp: &Stamp) -> Result<()> {
        replace(path, |file| self.write_to(file, path, stamp))
    }

    fn write_to(&self, mut file: &File, path: &Path, stamp: &Stamp) -> Result<()> {
        let io = |source| Error::io(path, source);
        let mut header = Header {
            dimension: self.dimension() as u64,
            rows: self.len() as u64,
            metric: self.metric(),
            kind: self.kind().clone(),
            trained_on: self.trained_on() as u64,
            reached: self.reached() as u64,
            stamp: *stamp,
            curve: self.curve.clone(),
            payload_bytes: 0,
            payload_checksum: 0,
        };
        file.write_all(&framed(&header).map_err(io)?).map_err(io)?;
        let mut payload = Hashed::new(BufWriter::with_capacity(BUFFER, file));
        if self.is_trained() {
            self.raw().write(&mut payload)?.map_err(io)?;
        }
        payload.end.flush().map_err(io)?;
        (header.payload_bytes, header.payload_checksum) = (payload.bytes, payload.hash.digest());
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        file.write_all(&framed(&header).map_err(io)?).map_err(io)
    }

    /// Reads an index from a file, if it is whole and of the state that is expected.
    ///
    /// # Errors
    /// [`Error::CorruptIndex`] on any doubt about the file, also of an older version; [`Error::StaleIndex`] for a sound
    /// file of another state, [`Error::Io`] when it cannot be read.
    pub fn load(path: &Path, expected: &Stamp) -> Result<Self> {
        let (mut file, header, start) = verified(path, expected)?;
        if header.payload_bytes == 0 {
            return empty(path, &header);
        }
        file.seek(SeekFrom::Start(start))
            .map_err(|source| Error::io(path, source))?;
        let mut payload = BufReader::with_capacity(BUFFER, file).take(header.payload_bytes);
        let start = payload
            .fill_buf()
            .map_err(|source| Error::io(path, source))?;
        let index = if Backend::is_ours(start) {
            read_ours(&mut payload, path, &header)
        } else {
            read_of_faiss(&mut payload, path, &header)
        }?;
        Ok(index.known_by(header))
    }

    /// As [`Index::load`], for searching alone, and memory-mapped: what is large stays in the file, the system reads what
    /// searches touch, and may drop it again. Kinds that cannot be mapped ([`crate::Kind::maps`]) and systems but Linux and
    /// FreeBSD read it all; it is read-only nevertheless. All of the file is read once here, for its checksum, and what is
    /// mapped is checked in place.
    ///
    /// **The file must keep its bytes while the index lives**: whoever writes into it, or cuts it off, can make searches
    /// crash. Nothing of this crate does: [`Index::save`] puts a new file in the place of the old one, which stays as it is
    /// for those who have it mapped. Replace such files and remove them as you like, and keep other programs from writing
    /// into them. The function is not `unsafe` for that, as memory-mapped indexes elsewhere are not: no caller could show more
    /// than that, and locks of files bind only those who ask for them.
    ///
    /// # Errors
    /// As [`Index::load`].
    pub fn load_mapped(path: &Path, expected: &Stamp) -> Result<Self> {
        #[cfg(all(feature = "faiss", any(target_os = "linux", target_os = "freebsd")))]
        {
            let (mut file, header, start) = verified(path, expected)?;
            let mut first = [0; 8];
            let read = file
                .seek(SeekFrom::Start(start))
                .and_then(|_| file.read(&mut first));
            read.map_err(|source| Error::io(path, source))?;
            let of_faiss = header.payload_bytes > 0 && !Backend::is_ours(&first);
            if of_faiss && header.kind.maps() {
                let raw = found(RawIndex::map(&file, start).map(Access::Mapped), path)?;
                let index = adopt(raw, path, &header)?.for_reading();
                return Ok(index.known_by(header));
            }
        }
        Self::load(path, expected).map(Self::for_reading)
    }

    /// The same, with what its header alone says about it.
    fn known_by(mut self, header: Header) -> Self {
        self.reached = usize::try_from(header.reached).unwrap_or(usize::MAX);
        self.curve = header.curve;
        self
    }
}

/// The file, its header, and where FAISS's bytes start, once all of it is known to be what was written.
fn verified(path: &Path, expected: &Stamp) -> Result<(File, Header, u64)> {
    let mut file = File::open(path).map_err(|source| Error::io(path, source))?;
    let (header, start) = read_header(&mut file, path)?;
    if header.stamp != *expected {
        return Err(Error::StaleIndex {
            path: path.to_owned(),
            expected: *expected,
            found: header.stamp,
        });
    }
    verify_payload(&mut file, path, &header, start)?;
    Ok((file, header, start))
}

/// Before it is trained or has a row, an index is nothing but its kind.
fn empty(path: &Path, header: &Header) -> Result<Index> {
    let dimension = usize::try_from(header.dimension).unwrap_or(usize::MAX);
    match Index::new(dimension, header.metric, &header.kind) {
        Ok(index) if header.rows == 0 => Ok(index),
        _ => Err(Error::corrupt(path, "it has no index")),
    }
}

/// What FAISS says about bytes is said about their file.
#[cfg(feature = "faiss")]
fn found(outcome: Result<Access>, path: &Path) -> Result<Access> {
    match outcome {
        Err(Error::Faiss { message, .. }) => Err(Error::corrupt(path, message)),
        other => other,
    }
}

/// An index that is held in Rust.
fn read_ours(source: &mut dyn Read, path: &Path, header: &Header) -> Result<Index> {
    let damaged = |_| Error::corrupt(path, "its header is damaged");
    let dimension = usize::try_from(header.dimension).map_err(damaged)?;
    let rows = usize::try_from(header.rows).map_err(damaged)?;
    let (kind, metric) = (&header.kind, header.metric);
    if vectors::check_dimension(dimension).is_err() || kind.check(dimension, metric).is_err() {
        return Err(Error::corrupt(
            path,
            "there is no such index as its header says",
        ));
    }
    match Backend::read(source, kind, rows, dimension, metric) {
        Err(Error::InRust { message, .. }) => Err(Error::corrupt(path, message)),
        Ok(backend) if !backend.ids().is_sorted_by(|one, two| one < two) => {
            Err(Error::corrupt(path, "its ids do not ascend"))
        }
        outcome => Ok(Index::from_backend(
            outcome?,
            dimension,
            metric,
            kind.clone(),
            0,
        )),
    }
}

#[cfg(not(feature = "faiss"))]
fn read_of_faiss(_: &mut dyn Read, path: &Path, _: &Header) -> Result<Index> {
    Err(Error::corrupt(
        path,
        "it was written by FAISS, which this build is without",
    ))
}

#[cfg(feature = "faiss")]
fn read_of_faiss(source: &mut dyn Read, path: &Path, header: &Header) -> Result<Index> {
    let raw = found(RawIndex::read(source).map(Access::Owned), path)?;
    let index = adopt(raw, path, header)?;
    index.use_huge_pages();
    Ok(index)
}

/// What FAISS read must be what the header says it is.
#[cfg(feature = "faiss")]
fn adopt(raw: Access, path: &Path, header: &Header) -> Result<Index> {
    let facts = raw.facts();
    let native = header.kind.native_metric(header.metric);
    let ids_ascend = raw.ids().is_sorted_by(|one, two| one < two);
    let dimension = usize::try_from(header.dimension).ok().filter(|&dimension| {
        i64::try_from(dimension) == Ok(facts.dimension)
            && u64::try_from(facts.rows) == Ok(header.rows)
            && facts.metric == crate::backend::faiss::metric_code(native)
            && facts.exponent.to_bits() == crate::backend::faiss::exponent(native).to_bits()
            && ids_ascend
            && raw
                .kind()
                .is_ok_and(|kind| kind.is_same(&header.kind, dimension))
    });
    let Some(dimension) = dimension else {
        return Err(Error::corrupt(
            path,
            "the index is not what its header says",
        ));
    };
    let trained_on = usize::try_from(header.trained_on).unwrap_or(usize::MAX);
    Ok(Index::from_backend(
        Backend::Faiss(raw),
        dimension,
        header.metric,
        header.kind.clone(),
        trained_on,
    ))
}
