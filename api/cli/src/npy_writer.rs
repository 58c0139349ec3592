//! A NumPy array that grows by rows: 32-bit floats, two-dimensional, `npy` format 1.0 (NumPy, `numpy.lib.format`).
//!
//! The head says how many rows there are, so it is written twice: with none, and at the end. Until then the file is one of no
//! rows; `npyz` writes only arrays whose shape is known beforehand.

use std::{
    fs::File,
    io::{BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Bytes of the head, padded: a multiple of 64, as the format asks for, with room for any number of rows.
const HEAD: usize = 128;
/// Magic, version and the length of what follows.
const PREAMBLE: usize = 10;

/// The file, and what its head will say.
pub(crate) struct NpyWriter {
    file: BufWriter<File>,
    path: PathBuf,
    rows: usize,
    width: usize,
}

impl NpyWriter {
    /// Makes the file for rows of `width` values, or empties it.
    pub(crate) fn create(path: &Path, width: usize) -> Result<Self> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let mut writer = Self {
            file: BufWriter::new(file),
            path: path.to_owned(),
            rows: 0,
            width,
        };
        writer.head()?;
        Ok(writer)
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, row: &[f32]) -> Result<()> {
        self.rows += 1;
        let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.file
            .write_all(&bytes)
            .with_context(|| self.path.display().to_string())
    }

    /// Writes the head with the rows that came.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.file
            .seek(SeekFrom::Start(0))
            .with_context(|| self.path.display().to_string())?;
        self.head()?;
        self.file
            .flush()
            .with_context(|| self.path.display().to_string())
    }

    fn head(&mut self) -> Result<()> {
        let (rows, width) = (self.rows, self.width);
        let text =
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {width}), }}");
        let length = HEAD - PREAMBLE - 1;
        let mut head = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        head.extend(format!("{text:<length$}\n").into_bytes());
        self.file
            .write_all(&head)
            .with_context(|| self.path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_by_the_crate_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.npy");
        for rows in [0_u16, 1, 1000] {
            let mut writer = NpyWriter::create(&path, 3).unwrap();
            for row in 0..rows {
                writer.row(&[f32::from(row), 0.5, -1.0]).unwrap();
            }
            writer.finish().unwrap();
            let bytes = std::fs::read(&path).unwrap();
            let file = npyz::NpyFile::new(bytes.as_slice()).unwrap();
            assert_eq!(file.shape(), [u64::from(rows), 3]);
            let values: Vec<f32> = file.into_vec().unwrap();
            let expected = (0..rows).flat_map(|row| [f32::from(row), 0.5, -1.0]);
            assert_eq!(values, expected.collect::<Vec<_>>());
        }
    }
}
