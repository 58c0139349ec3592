//! JSON: an object a line, or one array.

use std::io::{self, BufRead, Read};

use anyhow::{Context, Result};
use serde_json::Value;

use super::row::{Item, Row};
use crate::{format::Reader, vectors};

/// A line longer than this is not read into memory.
const MAX_LINE: u64 = 64 << 20;

/// JSON Lines.
pub(super) struct Lines {
    reader: Reader,
    line: u64,
}

impl Lines {
    pub(super) fn new(reader: Reader) -> Self {
        Self { reader, line: 0 }
    }
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
pub(super) fn array(reader: Reader) -> Result<impl Iterator<Item = io::Result<Row>> + Send> {
    let values: Vec<Value> = serde_json::from_reader(reader)
        .context("a JSON array was expected (use jsonl for an object a line)")?;
    Ok(values.into_iter().enumerate().map(|(position, value)| {
        Ok(Row {
            line: position as u64 + 1,
            item: item(value),
        })
    }))
}

fn item(value: Value) -> Result<Item, String> {
    match value {
        Value::Object(fields) => Ok(Item::Fields(fields)),
        Value::Array(_) => vectors::from_json(&value).map(Item::Vector),
        _ => Err("a JSON object or an array of numbers was expected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_lines_skip_blank_lines_and_name_broken_ones() {
        let text = "{\"a\": 1}\n\n[1]\n{\"a\": \n{\"b\": 2}";
        let rows: Vec<Row> = Lines::new(Box::new(text.as_bytes()))
            .map(Result::unwrap)
            .collect();
        let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
        assert_eq!(lines, [1, 3, 4, 5]);
        assert!(rows[1].item.is_err() && rows[2].item.is_err());
        assert_eq!(rows[3].shown(), serde_json::json!({"b": 2}));
    }
}
