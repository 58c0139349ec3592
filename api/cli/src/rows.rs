//! Rows out of files, one at a time: CSV, JSON, JSON Lines, npy, fvecs; gzipped or not.
//!
//! A row that cannot be read is a row with a reason; a file that cannot be read ends the import.

mod csv;
mod json;
mod row;

use std::{
    fs::File,
    io::{self, BufRead, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{
    format::{Format, Reader, format_of, unzip},
    vectors,
};
pub(crate) use row::{Item, Row};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
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
        Format::Jsonl => Box::new(json::Lines::new(reader)),
        Format::Json => Box::new(json::array(reader).with_context(|| path.display().to_string())?),
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

/// Skips the byte order mark that some programs put ahead of UTF-8.
fn without_mark(mut reader: Reader) -> io::Result<Reader> {
    if reader.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    Ok(reader)
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
