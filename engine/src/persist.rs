//! An index in a file: magic, version, a checksummed header, then FAISS's own bytes, checksummed too. FAISS does not
//! survive damaged bytes, so it sees none that were not verified. A file appears whole or not at all: temporary file,
//! fsync, rename, fsync of the folder. A crash in between can leave a file named `.<name>.….tmp`, which is never read.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `VINEDBIX` |
//! | 4 | version, little-endian like all numbers here |
//! | 4 | length of the header |
//! | n | header (bincode, fixed-width integers) |
//! | 8 | XXH3 of everything before |
//! | rest | FAISS's index file, of the length and XXH3 that the header says |

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::backend::Backend;
use crate::ffi::RawIndex;
use crate::{Error, Index, Kind, Metric, Result, vectors};

const MAGIC: &[u8; 8] = b"VINEDBIX";
const VERSION: u32 = 2;
/// Magic, version, length of the header.
const PREFIX: usize = 16;
const CHECKSUM: usize = 8;
/// No header comes near this; a length above it is damage.
const MAX_HEADER: usize = 4096;
const BUFFER: usize = 1 << 20;

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

/// Its encoding has one length for one kind, whatever the numbers: it is written twice over.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    dimension: u64,
    rows: u64,
    metric: Metric,
    kind: Kind,
    stamp: Stamp,
    payload_bytes: u64,
    payload_checksum: u64,
}

impl Index {
    /// Writes the index to a file, in place of one that may be there.
    ///
    /// # Errors
    /// [`Error::Io`] naming the path (missing folder, full disk); what was there before is then untouched.
    pub fn save(&self, path: &Path, stamp: &Stamp) -> Result<()> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".{name}.");
        builder.prefix(&prefix).suffix(".tmp");
        share(&mut builder);
        let temporary = builder
            .tempfile_in(folder)
            .map_err(|source| Error::io(path, source))?;
        self.write_to(temporary.as_file(), path, stamp)?;
        temporary
            .as_file()
            .sync_all()
            .map_err(|source| Error::io(path, source))?;
        temporary
            .persist(path)
            .map_err(|failed| Error::io(path, failed.error))?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| Error::io(folder, source))
    }

    fn write_to(&self, mut file: &File, path: &Path, stamp: &Stamp) -> Result<()> {
        let io = |source| Error::io(path, source);
        let mut header = Header {
            dimension: self.dimension() as u64,
            rows: self.len() as u64,
            metric: self.metric(),
            kind: self.kind().clone(),
            stamp: *stamp,
            payload_bytes: 0,
            payload_checksum: 0,
        };
        file.write_all(&framed(&header).map_err(io)?).map_err(io)?;
        let mut payload = Hashed::new(BufWriter::with_capacity(BUFFER, file));
        self.raw().write(&mut payload)?.map_err(io)?;
        payload.end.flush().map_err(io)?;
        (header.payload_bytes, header.payload_checksum) = (payload.bytes, payload.hash.digest());
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        file.write_all(&framed(&header).map_err(io)?).map_err(io)
    }

    /// Reads an index from a file, if it is whole and of the state that is expected.
    ///
    /// # Errors
    /// [`Error::CorruptIndex`] on any doubt about the file, [`Error::StaleIndex`] for a sound file of another state,
    /// [`Error::Io`] when it cannot be read.
    pub fn load(path: &Path, expected: &Stamp) -> Result<Self> {
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
        file.seek(SeekFrom::Start(start))
            .map_err(|source| Error::io(path, source))?;
        let mut payload = BufReader::with_capacity(BUFFER, file).take(header.payload_bytes);
        if let Some(index) = read_ours(&mut payload, path, &header)? {
            return Ok(index);
        }
        let raw = match RawIndex::read(&mut payload) {
            Err(Error::Faiss { message, .. }) => return Err(Error::corrupt(path, message)),
            other => other?,
        };
        adopt(raw, path, &header)
    }
}

/// Everything before the payload.
fn framed(header: &Header) -> io::Result<Vec<u8>> {
    let encoded = bincode::serde::encode_to_vec(header, encoding()).map_err(io::Error::other)?;
    let length = u32::try_from(encoded.len()).map_err(io::Error::other)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(encoded);
    let checksum = xxh3_64(&bytes);
    bytes.extend(checksum.to_le_bytes());
    Ok(bytes)
}

fn encoding() -> impl bincode::config::Config {
    bincode::config::standard()
        .with_fixed_int_encoding()
        .with_limit::<MAX_HEADER>()
}

/// The header, and where the payload starts.
fn read_header(file: &mut File, path: &Path) -> Result<(Header, u64)> {
    let prefix: [u8; PREFIX] = read_some(file, path, PREFIX)?
        .try_into()
        .map_err(|_| Error::corrupt(path, "it has no header"))?;
    let (magic, rest) = prefix.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(Error::corrupt(path, "it is no index file of vinedb"));
    }
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes);
    let (version, length) = (number(&rest[..4]), number(&rest[4..]) as usize);
    if version != VERSION {
        return Err(Error::corrupt(
            path,
            format!("its version is {version} and this program reads {VERSION}"),
        ));
    }
    if length > MAX_HEADER {
        return Err(Error::corrupt(path, "its header is damaged"));
    }
    let body = read_some(file, path, length + CHECKSUM)?;
    let (encoded, checksum) = body.split_at(length);
    if xxh3_64(&[&prefix, encoded].concat()).to_le_bytes() != *checksum {
        return Err(Error::corrupt(path, "its header is damaged"));
    }
    let (header, used) = bincode::serde::decode_from_slice(encoded, encoding())
        .map_err(|error| Error::corrupt(path, format!("its header cannot be read: {error}")))?;
    if used != length {
        return Err(Error::corrupt(
            path,
            "its header is longer than it should be",
        ));
    }
    Ok((header, (PREFIX + length + CHECKSUM) as u64))
}

fn read_some(file: &mut File, path: &Path, bytes: usize) -> Result<Vec<u8>> {
    let mut buffer = vec![0; bytes];
    file.read_exact(&mut buffer)
        .map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => Error::corrupt(path, "it ends within its header"),
            _ => Error::io(path, source),
        })?;
    Ok(buffer)
}

fn verify_payload(file: &mut File, path: &Path, header: &Header, start: u64) -> Result<()> {
    let io = |source| Error::io(path, source);
    let found = file.metadata().map_err(io)?.len().saturating_sub(start);
    if found != header.payload_bytes {
        return Err(Error::corrupt(
            path,
            format!(
                "it has {found} bytes of index instead of {}",
                header.payload_bytes
            ),
        ));
    }
    let mut payload = Hashed::new(io::sink());
    io::copy(&mut BufReader::with_capacity(BUFFER, file), &mut payload).map_err(io)?;
    if payload.hash.digest() != header.payload_checksum {
        return Err(Error::corrupt(path, "its checksum does not match"));
    }
    Ok(())
}

/// An index that is held in Rust; `None` for FAISS's kinds.
fn read_ours(source: &mut dyn Read, path: &Path, header: &Header) -> Result<Option<Index>> {
    let damaged = |_| Error::corrupt(path, "its header is damaged");
    let dimension = usize::try_from(header.dimension).map_err(damaged)?;
    let rows = usize::try_from(header.rows).map_err(damaged)?;
    if vectors::check_dimension(dimension).is_err()
        || header.kind.check(dimension, header.metric).is_err()
    {
        return Err(Error::corrupt(
            path,
            "there is no such index as its header says",
        ));
    }
    match Backend::read(source, &header.kind, rows, dimension, header.metric) {
        Some(Err(Error::HnswRs { message, .. })) => Err(Error::corrupt(path, message)),
        Some(Ok(backend)) if !backend.ids().is_sorted_by(|one, two| one < two) => {
            Err(Error::corrupt(path, "its ids do not ascend"))
        }
        other => Ok(other.transpose()?.map(|backend| {
            Index::from_backend(backend, dimension, header.metric, header.kind.clone())
        })),
    }
}

/// What FAISS read must be what the header says it is.
fn adopt(raw: RawIndex, path: &Path, header: &Header) -> Result<Index> {
    let facts = raw.facts()?;
    let parameter = usize::try_from(facts.parameter).unwrap_or(0);
    let kind = match facts.kind {
        0 => Some(Kind::flat()),
        1 => Some(Kind::hnsw(parameter)),
        2 => Some(Kind::hnsw(parameter).sq8()),
        3 => Some(Kind::ivf(parameter)),
        _ => None,
    };
    let same = u64::try_from(facts.dimension) == Ok(header.dimension)
        && u64::try_from(facts.rows) == Ok(header.rows)
        && facts.metric == crate::ffi::metric_code(header.kind.native_metric(header.metric))
        && kind.as_ref() == Some(&header.kind);
    let ids_ascend = raw.ids().is_sorted_by(|one, two| one < two);
    let dimension = usize::try_from(header.dimension)
        .ok()
        .filter(|_| same && facts.consistent && ids_ascend);
    let Some(dimension) = dimension else {
        return Err(Error::corrupt(
            path,
            "the index is not what its header says",
        ));
    };
    let index = Index::from_backend(
        Backend::Faiss(raw),
        dimension,
        header.metric,
        header.kind.clone(),
    );
    index.use_huge_pages();
    Ok(index)
}

/// New files are as readable as any the process makes; a temporary file's default is the owner only.
#[cfg(unix)]
fn share(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(std::fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn share(_: &mut tempfile::Builder<'_, '_>) {}

/// Counts and hashes what is written through it.
struct Hashed<W> {
    end: W,
    hash: Xxh3,
    bytes: u64,
}

impl<W> Hashed<W> {
    fn new(end: W) -> Self {
        Self {
            end,
            hash: Xxh3::new(),
            bytes: 0,
        }
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.end.write(data)?;
        self.hash.update(&data[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.end.flush()
    }
}
