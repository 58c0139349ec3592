//! The outputs that a file declares, read without its weights: these may be gigabytes, and are skipped.

use super::model::field;
use super::proto::ValueInfo;
use super::wire::{FIXED32, FIXED64, LENGTH_DELIMITED, VARINT, no_onnx};
use crate::error::{Error, Result};
use prost::Message;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

/// Bytes at most of one output's declaration: a name and a handful of sizes.
const LARGEST: u64 = 1 << 20;

/// The outputs of the graph in the file at `path`, in its order.
///
/// # Errors
/// [`Error::Io`], and [`Error::ModelConfig`] where the file is no ONNX model.
pub(crate) fn outputs(path: &Path) -> Result<Vec<ValueInfo>> {
    read(path).map_err(|source| match source.kind() {
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => no_onnx(&source.to_string()).at(path),
        _ => Error::Io {
            path: path.to_owned(),
            source,
        },
    })
}

fn read(path: &Path) -> io::Result<Vec<ValueInfo>> {
    let file = File::open(path)?;
    let end = file.metadata()?.len();
    let mut scan = Scan {
        file: BufReader::new(file),
        at: 0,
    };
    let mut found = Vec::new();
    while scan.at < end {
        let (number, length) = scan.field(end)?;
        if number != field::GRAPH {
            scan.skip(length)?;
            continue;
        }
        let graph_end = scan.at + length;
        while scan.at < graph_end {
            match scan.field(graph_end)? {
                (field::OUTPUT, length) => found.push(scan.message(length)?),
                (_, length) => scan.skip(length)?,
            }
        }
    }
    Ok(found)
}

/// A place in the file.
struct Scan {
    file: BufReader<File>,
    at: u64,
}

impl Scan {
    /// The next field's number and the length of its content, which ends before `end`.
    fn field(&mut self, end: u64) -> io::Result<(usize, u64)> {
        let key = self.varint()?;
        let kind = usize::try_from(key & 7).unwrap_or(usize::MAX);
        let length = match kind {
            VARINT => {
                self.varint()?;
                0
            }
            FIXED64 => 8,
            FIXED32 => 4,
            LENGTH_DELIMITED => self.varint()?,
            other => return Err(invalid(format!("a field has the unknown kind {other}"))),
        };
        if end.checked_sub(self.at).is_none_or(|rest| length > rest) {
            return Err(invalid("it ends in the middle of a field"));
        }
        Ok((usize::try_from(key >> 3).unwrap_or(usize::MAX), length))
    }

    /// A varint is at most ten bytes of seven bits each, the lowest first.
    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.file.read_exact(&mut byte)?;
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(value);
            }
        }
        Err(invalid("a number is longer than ten bytes"))
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let offset = i64::try_from(length).map_err(|_| invalid("a field is too long"))?;
        self.at += length;
        self.file.seek_relative(offset)
    }

    fn message(&mut self, length: u64) -> io::Result<ValueInfo> {
        if length > LARGEST {
            return Err(invalid("an output's declaration is too long"));
        }
        let mut bytes = Vec::new();
        self.file.by_ref().take(length).read_to_end(&mut bytes)?;
        self.at += length;
        ValueInfo::decode(bytes.as_slice()).map_err(invalid)
    }
}

fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{Field, Model};

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn model() -> Vec<u8> {
        let output = |name| {
            Field::message(
                field::OUTPUT,
                &ValueInfo::tensor(name, 1, &[Err("batch"), Ok(8)]),
            )
        };
        let graph = vec![
            output("first"),
            Field::bytes(field::INITIALIZER, &[7; 20_000]),
            output("second"),
        ];
        let mut bytes = Vec::new();
        Model::new(graph, 17).write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn outputs_are_found_around_the_weights() {
        let found = outputs(file(&model()).path()).unwrap();
        let names: Vec<&str> = found.iter().map(|output| output.name.as_str()).collect();
        assert_eq!(names, ["first", "second"]);
    }

    #[test]
    fn what_is_cut_off_or_no_model_is_refused() {
        let whole = model();
        for bytes in [
            &whole[..whole.len() - 1],
            &whole[..40],
            b"weights",
            b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            let message = outputs(file(bytes).path()).unwrap_err().to_string();
            assert!(message.contains("no whole ONNX model"), "{message}");
        }
    }
}
