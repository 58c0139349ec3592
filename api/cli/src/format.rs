//! The formats of files that are read, and the gzip around them.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use clap::ValueEnum;
use flate2::bufread::MultiGzDecoder;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BUFFER: usize = 1 << 18;

/// A file's bytes, decompressed.
pub(crate) type Reader = Box<dyn BufRead + Send>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Csv,
    Tsv,
    Json,
    Jsonl,
    Npy,
    Fvecs,
}

/// The format that a file's name tells.
pub(crate) fn format_of(path: &Path) -> Option<Format> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    Some(match plain.rsplit_once('.').map(|(_, ending)| ending) {
        Some("csv") => Format::Csv,
        Some("tsv") => Format::Tsv,
        Some("json") => Format::Json,
        Some("jsonl" | "ndjson") => Format::Jsonl,
        Some("npy") => Format::Npy,
        Some("fvecs") => Format::Fvecs,
        _ => return None,
    })
}

/// Reads through gzip if that is what the file is, whatever its name.
pub(crate) fn unzip(reader: Box<dyn Read + Send>) -> io::Result<Reader> {
    let mut reader = BufReader::with_capacity(BUFFER, reader);
    if reader.fill_buf()?.starts_with(&GZIP_MAGIC) {
        return Ok(Box::new(BufReader::with_capacity(
            BUFFER,
            MultiGzDecoder::new(reader),
        )));
    }
    Ok(Box::new(reader))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_format() {
        let named = |name: &str| format_of(Path::new(name));
        assert_eq!(named("a/b.CSV.gz"), Some(Format::Csv));
        assert_eq!(named("x.fvecs"), Some(Format::Fvecs));
        assert_eq!(named("x.doc"), None);
    }
}
