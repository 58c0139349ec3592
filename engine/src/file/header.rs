//! What stands before FAISS's bytes in a file, and their checksum.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::Stamp;
use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::recall::Curve;
use crate::spec::Kind;

const MAGIC: &[u8; 8] = b"VINEDBIX";
const VERSION: u32 = 4;
/// Magic, version, length of the header.
const PREFIX: usize = 16;
const CHECKSUM: usize = 8;
/// What follows the header begins at a multiple of this, by zeros at the header's end: a mapped index is read in place.
const ALIGNMENT: usize = 64;
/// No header comes near this; a length above it is damage.
const MAX_HEADER: usize = 4096;
pub(super) const BUFFER: usize = 1 << 20;

/// Its encoding has one length for one kind, whatever the numbers: it is written twice over.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) dimension: u64,
    pub(super) rows: u64,
    pub(super) metric: Metric,
    pub(super) kind: Kind,
    pub(super) trained_on: u64,
    pub(super) reached: u64,
    pub(super) stamp: Stamp,
    pub(super) curve: Option<Curve>,
    /// 0 for an index that is not trained or has no row: there is nothing but its kind.
    pub(super) payload_bytes: u64,
    pub(super) payload_checksum: u64,
}

/// Everything before the payload.
pub(super) fn framed(header: &Header) -> io::Result<Vec<u8>> {
    let mut encoded =
        bincode::serde::encode_to_vec(header, encoding()).map_err(io::Error::other)?;
    let whole = (PREFIX + encoded.len() + CHECKSUM).next_multiple_of(ALIGNMENT);
    encoded.resize(whole - PREFIX - CHECKSUM, 0);
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
pub(super) fn read_header(file: &mut File, path: &Path) -> Result<(Header, u64)> {
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
            format!("it is of version {version}, and this program reads version {VERSION}"),
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
    if encoded[used..].iter().any(|&byte| byte != 0)
        || !(PREFIX + length + CHECKSUM).is_multiple_of(ALIGNMENT)
    {
        return Err(Error::corrupt(
            path,
            "its header is of another length than it should be",
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

pub(super) fn verify_payload(
    file: &mut File,
    path: &Path,
    header: &Header,
    start: u64,
) -> Result<()> {
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

/// Counts and hashes what is written through it.
pub(super) struct Hashed<W> {
    pub(super) end: W,
    pub(super) hash: Xxh3,
    pub(super) bytes: u64,
}

impl<W> Hashed<W> {
    pub(super) fn new(end: W) -> Self {
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
