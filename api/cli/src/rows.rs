//! Rows out of files, one at a time: CSV, JSON, JSON Lines, npy, fvecs; gzipped or not.
//!
//! A row that cannot be read is a row with a reason; a file that cannot be read ends the import.

mod csv;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use flate2::bufread::MultiGzDecoder;
use serde_json::Value;
use vinedb::Metadata;

use super::{args::Format, vectors};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BUFFER: usize = 1 << 18;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// A line longer than this is not read into memory.
const MAX_LINE: u64 = 64 << 20;

/// What a row holds.
pub(crate) enum Item {
    Fields(Metadata),
    Vector(Vec<f32>),
}

/// A row, or why it cannot be used.
pub(crate) struct Row {
    /// The line where it begins, from 1; of vector files and JSON arrays, the row's number from 1.
    pub(crate) line: u64,
    pub(crate) item: Result<Item, String>,
}

type Iter = Box<dyn Iterator<Item = io::Result<Row>> + Send>;

/// An open file.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// The columns, where the format has them.
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) rows: Iter,
}

/// How to read a file.
pub(crate) struct Reading<'a> {
    /// Its format; `None`: its name tells.
    pub(crate) format: Option<Format>,
    /// Columns of a CSV file whose cells stay as they are written.
    pub(crate) verbatim: Vec<&'a str>,
}

/// Opens a file; `count` sees the bytes that are read of it.
pub(crate) fn open(
    path: &Path,
    reading: &Reading<'_>,
    count: impl FnOnce(File) -> Box<dyn Read + Send>,
) -> Result<Source> {
    let Some(format) = reading.format.or_else(|| format_of(path)) else {
        bail!(
            "{}: its name does not tell its format; give --format csv, tsv, json, jsonl, npy or fvecs",
            path.display()
        );
    };
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let reader = unzip(count(file))
        .and_then(without_mark)
        .with_context(|| path.display().to_string())?;
    let mut columns = None;
    let rows: Iter = match format {
        Format::Csv | Format::Tsv => {
            let (names, rows) = csv::rows(reader, format, &reading.verbatim)
                .with_context(|| path.display().to_string())?;
            columns = Some(names);
            Box::new(rows)
        }
        Format::Jsonl => Box::new(Lines { reader, line: 0 }),
        Format::Json => Box::new(json_rows(reader).with_context(|| path.display().to_string())?),
        Format::Npy => {
            vector_rows(vectors::npy(reader).with_context(|| path.display().to_string())?)
        }
        Format::Fvecs => vector_rows(vectors::fvecs(reader)),
    };
    Ok(Source {
        path: path.to_owned(),
        columns,
        rows,
    })
}

/// Reads through gzip if that is what the file is, whatever its name.
pub(crate) fn unzip(reader: Box<dyn Read + Send>) -> io::Result<Box<dyn BufRead + Send>> {
    let mut reader = BufReader::with_capacity(BUFFER, reader);
    if reader.fill_buf()?.starts_with(&GZIP_MAGIC) {
        return Ok(Box::new(BufReader::with_capacity(
            BUFFER,
            MultiGzDecoder::new(reader),
        )));
    }
    Ok(Box::new(reader))
}

/// Skips the byte order mark that some programs put ahead of UTF-8.
fn without_mark(mut reader: Reader) -> io::Result<Reader> {
    if reader.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    Ok(reader)
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

type Reader = Box<dyn BufRead + Send>;

/// JSON Lines.
struct Lines {
    reader: Reader,
    line: u64,
}

impl Iterator for Lines {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut bytes = Vec::new();
            match (&mut self.reader)
                .take(MAX_LINE)
                .read_until(b'\n', &mut bytes)
            {
                Ok(0) => return None,
                Ok(_) => self.line += 1,
                Err(error) => return Some(Err(error)),
            }
            if bytes.len() as u64 == MAX_LINE && !bytes.ends_with(b"\n") {
                let reason = format!("longer than {MAX_LINE} bytes");
                let skipped = self.reader.skip_until(b'\n').map(|_| Row {
                    line: self.line,
                    item: Err(reason),
                });
                return Some(skipped);
            }
            if !bytes.iter().all(u8::is_ascii_whitespace) {
                return Some(Ok(Row {
                    line: self.line,
                    item: object(&bytes),
                }));
            }
        }
    }
}

fn object(bytes: &[u8]) -> Result<Item, String> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(Item::Fields(fields)),
        Ok(_) => Err("a JSON object was expected".to_owned()),
        Err(error) => Err(format!("not JSON: {error}")),
    }
}

/// A JSON array of objects, or of vectors.
fn json_rows(reader: Reader) -> Result<impl Iterator<Item = io::Result<Row>> + Send> {
    let values: Vec<Value> = serde_json::from_reader(reader)
        .context("a JSON array was expected (use jsonl for an object a line)")?;
    Ok(values.into_iter().enumerate().map(|(position, value)| {
        Ok(Row {
            line: position as u64 + 1,
            item: json_item(value),
        })
    }))
}

fn json_item(value: Value) -> Result<Item, String> {
    match value {
        Value::Object(fields) => Ok(Item::Fields(fields)),
        Value::Array(_) => vectors::from_json(&value).map(Item::Vector),
        _ => Err("a JSON object or an array of numbers was expected".to_owned()),
    }
}

fn vector_rows(vectors: impl Iterator<Item = io::Result<Vec<f32>>> + Send + 'static) -> Iter {
    let row = |(position, vector): (usize, io::Result<Vec<f32>>)| {
        vector.map(|vector| Row {
            line: position as u64 + 1,
            item: Ok(Item::Vector(vector)),
        })
    };
    Box::new(vectors.enumerate().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn fields(row: &Row) -> Value {
        match &row.item {
            Ok(Item::Fields(fields)) => Value::Object(fields.clone()),
            Ok(Item::Vector(vector)) => serde_json::json!(vector),
            Err(reason) => Value::String(reason.clone()),
        }
    }

    #[test]
    fn json_lines_skip_blank_lines_and_name_broken_ones() {
        let text = "{\"a\": 1}\n\n[1]\n{\"a\": \n{\"b\": 2}";
        let rows: Vec<Row> = Lines {
            reader: Box::new(text.as_bytes()),
            line: 0,
        }
        .map(Result::unwrap)
        .collect();
        let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
        assert_eq!(lines, [1, 3, 4, 5]);
        assert!(rows[1].item.is_err() && rows[2].item.is_err());
        assert_eq!(fields(&rows[3]), serde_json::json!({"b": 2}));
    }

    #[test]
    fn the_name_tells_the_format() {
        let named = |name: &str| format_of(Path::new(name));
        assert_eq!(named("a/b.CSV.gz"), Some(Format::Csv));
        assert_eq!(named("x.fvecs"), Some(Format::Fvecs));
        assert_eq!(named("x.doc"), None);
    }
}
