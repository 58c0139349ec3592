//! Vector files: NumPy's npy and the fvecs and ivecs formats of the TEXMEX collections (an int32 with the dimension, then
//! that many float32 or int32, for each vector; little-endian).

use std::{
    io::{self, Read},
    path::Path,
};

use anyhow::{Context, Result, bail};
use npyz::{DType, NpyFile, Order};
use serde_json::Value;

use crate::format::{Format, format_of, unzip};

/// Beyond any vector: a file that says more is no fvecs file.
const MAX_DIMENSION: usize = 1 << 20;

type Vectors = Box<dyn Iterator<Item = io::Result<Vec<f32>>> + Send>;

/// All the vectors of a file (npy, fvecs or JSON), to search by.
pub(crate) fn read_all(path: &Path) -> Result<Vec<Vec<f32>>> {
    let named = || path.display().to_string();
    let file = std::fs::File::open(path).with_context(named)?;
    let reader = unzip(Box::new(file)).with_context(named)?;
    let vectors: Vectors = match format_of(path) {
        Some(Format::Npy) => npy(reader).with_context(named)?,
        Some(Format::Fvecs) => Box::new(fvecs(reader)),
        Some(Format::Json) => return from_json_file(reader).with_context(named),
        _ => bail!(
            "{}: vectors to search by are read from .npy, .fvecs or .json, gzipped or not",
            path.display()
        ),
    };
    vectors.collect::<io::Result<_>>().with_context(named)
}

/// All the rows of an ivecs file.
pub(crate) fn read_ivecs(path: &Path) -> Result<Vec<Vec<i32>>> {
    let named = || path.display().to_string();
    let file = std::fs::File::open(path).with_context(named)?;
    let reader = unzip(Box::new(file)).with_context(named)?;
    ivecs(reader).collect::<io::Result<_>>().with_context(named)
}

/// One vector, or an array of vectors.
fn from_json_file(reader: impl Read) -> Result<Vec<Vec<f32>>> {
    let value: Value = serde_json::from_reader(reader)?;
    match value.as_array() {
        Some(rows) if rows.iter().any(Value::is_array) => rows
            .iter()
            .map(|row| from_json(row).map_err(anyhow::Error::msg))
            .collect(),
        _ => Ok(vec![from_json(&value).map_err(anyhow::Error::msg)?]),
    }
}

/// A vector out of a JSON array, or out of the text of one.
pub(crate) fn from_json(value: &Value) -> Result<Vec<f32>, String> {
    if let Value::String(text) = value {
        return serde_json::from_str(text)
            .map_err(|error| format!("the vector cannot be read: {error}"));
    }
    serde_json::from_value(value.clone())
        .map_err(|error| format!("the vector cannot be read: {error}"))
}

/// The rows of a two-dimensional npy array of numbers; a one-dimensional one is one row.
pub(crate) fn npy(reader: impl Read + Send + 'static) -> Result<Vectors> {
    let file = NpyFile::new(reader).context("not an npy file")?;
    let dimension = match *file.shape() {
        [dimension] | [_, dimension] => usize::try_from(dimension)?,
        ref shape => bail!(
            "an array of shape {shape:?} was given, rows of vectors (two dimensions) were expected"
        ),
    };
    if file.order() != Order::C && file.shape().len() > 1 {
        bail!("the array is stored by columns: save it with numpy.ascontiguousarray");
    }
    let DType::Plain(kind) = file.dtype() else {
        bail!("records were given, plain numbers were expected")
    };
    let kind = kind.to_string();
    Ok(match kind.trim_start_matches(['<', '>', '|', '=']) {
        "f4" => rows(file.data::<f32>()?, dimension),
        "f8" => rows(
            file.data::<f64>()?.map(|value| value.map(narrow)),
            dimension,
        ),
        "u1" => rows(
            file.data::<u8>()?.map(|value| value.map(f32::from)),
            dimension,
        ),
        "i1" => rows(
            file.data::<i8>()?.map(|value| value.map(f32::from)),
            dimension,
        ),
        _ => bail!("numbers of type {kind} were given; float32, float64, uint8 and int8 are read"),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "indexes hold float32, whatever comes in"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

fn rows(
    mut values: impl Iterator<Item = io::Result<f32>> + Send + 'static,
    dimension: usize,
) -> Vectors {
    Box::new(std::iter::from_fn(move || {
        let first = values.next()?;
        let rest = values.by_ref().take(dimension - 1);
        let row: io::Result<Vec<f32>> = std::iter::once(first).chain(rest).collect();
        Some(row.and_then(|row| {
            if row.len() == dimension {
                Ok(row)
            } else {
                Err(truncated())
            }
        }))
    }))
}

/// The vectors of an fvecs file.
pub(crate) fn fvecs(
    reader: impl Read + Send + 'static,
) -> impl Iterator<Item = io::Result<Vec<f32>>> + Send + 'static {
    vecs(reader, "fvecs", f32::from_le_bytes)
}

/// The rows of an ivecs file: as fvecs, with int32 for float32.
pub(crate) fn ivecs(
    reader: impl Read + Send + 'static,
) -> impl Iterator<Item = io::Result<Vec<i32>>> + Send + 'static {
    vecs(reader, "ivecs", i32::from_le_bytes)
}

fn vecs<T>(
    mut reader: impl Read + Send + 'static,
    format: &'static str,
    number: impl Fn([u8; 4]) -> T + Send + 'static,
) -> impl Iterator<Item = io::Result<Vec<T>>> + Send + 'static {
    std::iter::from_fn(move || next_vec(&mut reader, format, &number).transpose())
}

fn next_vec<T>(
    reader: &mut impl Read,
    format: &str,
    number: impl Fn([u8; 4]) -> T,
) -> io::Result<Option<Vec<T>>> {
    let mut head = Vec::new();
    reader.take(4).read_to_end(&mut head)?;
    let Ok(head) = <[u8; 4]>::try_from(head.as_slice()) else {
        return if head.is_empty() {
            Ok(None)
        } else {
            Err(truncated())
        };
    };
    let dimension = usize::try_from(i32::from_le_bytes(head)).unwrap_or(0);
    if !(1..=MAX_DIMENSION).contains(&dimension) {
        let message = format!(
            "not an {format} file: a vector of dimension {}",
            i32::from_le_bytes(head)
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut bytes = Vec::new();
    reader.take(dimension as u64 * 4).read_to_end(&mut bytes)?;
    let (values, _) = bytes.as_chunks::<4>();
    let vector: Vec<T> = values.iter().map(|value| number(*value)).collect();
    if vector.len() == dimension {
        Ok(Some(vector))
    } else {
        Err(truncated())
    }
}

fn truncated() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the file ends in the middle of a vector",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fvec(vector: &[f32]) -> Vec<u8> {
        let head = i32::try_from(vector.len()).unwrap().to_le_bytes();
        head.into_iter()
            .chain(vector.iter().flat_map(|value| value.to_le_bytes()))
            .collect()
    }

    #[test]
    fn fvecs_are_read_and_a_cut_off_one_is_an_error() {
        let bytes = [fvec(&[1.0, 2.0]), fvec(&[3.0, 4.0])].concat();
        let all: Vec<_> = fvecs(io::Cursor::new(bytes.clone()))
            .collect::<io::Result<_>>()
            .unwrap();
        assert_eq!(all, [vec![1.0, 2.0], vec![3.0, 4.0]]);
        for cut in 1..12 {
            assert!(
                fvecs(io::Cursor::new(bytes[..cut].to_vec()))
                    .collect::<io::Result<Vec<_>>>()
                    .is_err(),
                "{cut}"
            );
        }
        assert!(
            fvecs(io::Cursor::new(b"{\"a\": 1}".to_vec()))
                .next()
                .unwrap()
                .is_err()
        );
    }

    #[test]
    fn ivecs_are_whole_numbers() {
        let bytes: Vec<u8> = [2_i32, 7, -1, 1, 3]
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        let all: Vec<_> = ivecs(io::Cursor::new(bytes))
            .collect::<io::Result<_>>()
            .unwrap();
        assert_eq!(all, [vec![7, -1], vec![3]]);
        let damaged = ivecs(io::Cursor::new([0, 0, 0, 0].to_vec())).next();
        assert!(damaged.unwrap().is_err());
    }

    #[test]
    fn npy_is_read_by_rows() {
        use npyz::WriterBuilder;
        let mut bytes = Vec::new();
        let mut writer = npyz::WriteOptions::new()
            .default_dtype()
            .shape(&[2, 3])
            .writer(&mut bytes)
            .begin_nd()
            .unwrap();
        writer.extend([1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        writer.finish().unwrap();
        let all: Vec<_> = npy(io::Cursor::new(bytes.clone()))
            .unwrap()
            .collect::<io::Result<_>>()
            .unwrap();
        assert_eq!(all, [vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]]);
        bytes.truncate(bytes.len() - 5);
        assert!(
            npy(io::Cursor::new(bytes))
                .unwrap()
                .collect::<io::Result<Vec<_>>>()
                .is_err()
        );
        assert!(npy(io::Cursor::new(b"nonsense".to_vec())).is_err());
    }
}
