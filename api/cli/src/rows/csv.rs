//! CSV and TSV: a header, then rows of cells that become numbers where they look like ones.

use std::{
    collections::HashSet,
    io::{self, BufRead, Read},
};

use ::csv::{ErrorKind, Position, ReaderBuilder, StringRecord};
use anyhow::{Context, Result, bail};
use serde_json::{Number, Value};

use super::row::{Item, Row};
use crate::{
    format::{Format, Reader},
    output::counted,
};

/// Follows the last row of a CSV file on its way to the parser. When it arrives inside of a field, a quote was never closed.
const END: &str = "\u{4}the end of the file\u{4}";

/// The columns, and the rows under them. Cells of `verbatim` columns stay as they are written.
pub(super) fn rows(
    mut reader: Reader,
    format: Format,
    verbatim: &[&str],
) -> Result<(
    Vec<String>,
    impl Iterator<Item = io::Result<Row>> + Send + use<>,
)> {
    let delimiter = if format == Format::Tsv { b'\t' } else { b',' };
    let uncounted = u64::from(ends_lines_with_cr_lf(&mut reader)?);
    let end = format!("\n{END}");
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(reader.chain(io::Cursor::new(end)));
    let header = reader.headers();
    let columns =
        column_names(header.context("its first line cannot be read: is it CSV in UTF-8?")?);
    if columns.is_empty() || columns == [END] {
        bail!("it is empty: a first line with the names of the columns was expected");
    }
    if columns.iter().any(|column| column.ends_with(END)) {
        bail!("a quote that opens in the first line is never closed: close it");
    }
    if let Some(name) = twice(&columns) {
        bail!("the column {name:?} stands twice in the first line: rename one of them");
    }
    let typed = |name: &String| (name.clone(), !verbatim.contains(&name.as_str()));
    let typed: Vec<(String, bool)> = columns.iter().map(typed).collect();
    let mut previous = 1;
    let rows = reader
        .into_records()
        .filter(|record| !record.as_ref().is_ok_and(|record| *record == [END][..]))
        .map(move |record| {
            let row = row(&typed, record, &mut previous)?;
            let line = row.line + uncounted;
            Ok(Row { line, ..row })
        });
    Ok((columns, rows))
}

/// Whether lines end as on Windows. The parser takes the first of the two bytes for the end of a row, and counts the line only
/// at the second, when the next row has begun.
fn ends_lines_with_cr_lf(reader: &mut Reader) -> io::Result<bool> {
    let seen = reader.fill_buf()?;
    let end = seen.iter().position(|&byte| byte == b'\n');
    Ok(end.is_some_and(|end| seen[..end].ends_with(b"\r")))
}

/// A name that two columns have.
fn twice(columns: &[String]) -> Option<&String> {
    let mut seen = HashSet::new();
    columns.iter().find(|name| !seen.insert(*name))
}

/// A column without a name is called by its number.
fn column_names(header: &StringRecord) -> Vec<String> {
    let name = |(position, name): (usize, &str)| match name.trim() {
        "" => format!("column_{}", position + 1),
        name => name.to_owned(),
    };
    header.iter().enumerate().map(name).collect()
}

/// `columns` are their names, and whether their cells may become numbers.
fn row(
    columns: &[(String, bool)],
    record: ::csv::Result<StringRecord>,
    previous: &mut u64,
) -> io::Result<Row> {
    let record = match record {
        Ok(record) => record,
        Err(error) => return unreadable(error, *previous),
    };
    let line = record.position().map_or(*previous + 1, Position::line);
    *previous = line;
    if let Some(reason) = broken(columns.len(), &record) {
        return Ok(Row {
            line,
            item: Err(reason),
        });
    }
    let fields = columns
        .iter()
        .zip(&record)
        .filter(|(_, cell)| !cell.is_empty())
        .map(|((name, typed), cell)| {
            let value = if *typed {
                value_of(cell)
            } else {
                verbatim(cell)
            };
            (name.clone(), value)
        })
        .collect();
    Ok(Row {
        line,
        item: Ok(Item::Fields(fields)),
    })
}

/// Why a record is no row of these columns.
fn broken(columns: usize, record: &StringRecord) -> Option<String> {
    if let Some(swallowed) = record
        .iter()
        .next_back()
        .and_then(|cell| cell.strip_suffix(END))
    {
        return Some(format!(
            "a quote that opens here is never closed, so the {} lines up to the end of the file are lost to it",
            swallowed.trim_end().lines().count()
        ));
    }
    (record.len() != columns).then(|| {
        format!(
            "{} where the header names {columns}",
            counted(record.len(), "field")
        )
    })
}

fn unreadable(error: ::csv::Error, previous: u64) -> io::Result<Row> {
    let line = error.position().map_or(previous + 1, Position::line);
    match error.into_kind() {
        ErrorKind::Io(error) => Err(error),
        ErrorKind::Utf8 { err, .. } => Ok(Row {
            line,
            item: Err(format!("field {} is not UTF-8", err.field() + 1)),
        }),
        _ => Ok(Row {
            line,
            item: Err("it cannot be read as CSV".to_owned()),
        }),
    }
}

/// Numbers as JSON writes them, `true` and `false` become that; anything else is text.
fn value_of(cell: &str) -> Value {
    match cell {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => cell
            .parse::<Number>()
            .map_or_else(|_| Value::String(cell.to_owned()), Value::Number),
    }
}

/// A text, or an integer that is written the same.
fn verbatim(cell: &str) -> Value {
    match cell.parse::<i64>() {
        Ok(number) if number.to_string() == cell => number.into(),
        _ => cell.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &'static str) -> (Vec<String>, Vec<Row>) {
        let (columns, rows) =
            super::rows(Box::new(text.as_bytes()), Format::Csv, &["code"]).unwrap();
        (columns, rows.map(Result::unwrap).collect())
    }

    #[test]
    fn csv_has_quoted_newlines_types_and_line_numbers() {
        let (columns, rows) = csv(",name,price\n0,\"two\nlines\",15\n1,only\n2,\"007\",1.50\n");
        assert_eq!(columns, ["column_1", "name", "price"]);
        let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
        assert_eq!(lines, [2, 4, 5]);
        assert_eq!(
            rows[0].shown(),
            serde_json::json!({"column_1": 0, "name": "two\nlines", "price": 15})
        );
        assert_eq!(rows[1].shown(), "2 fields where the header names 3");
        assert_eq!(
            rows[2].shown(),
            serde_json::json!({"column_1": 2, "name": "007", "price": 1.5})
        );
    }

    #[test]
    fn lines_are_counted_alike_whatever_ends_them() {
        let (_, rows) = csv("id,text\r\n1,\"a\r\nb\"\r\n2\r\n3,c\r\n");
        let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
        assert_eq!(lines, [2, 4, 5]);
    }

    #[test]
    fn a_column_that_stands_twice_is_refused() {
        let error = super::rows(Box::new(&b"id,name,name\n1,a,b\n"[..]), Format::Csv, &[]);
        let error = error.err().unwrap().to_string();
        assert!(error.contains("\"name\" stands twice"), "{error}");
    }

    #[test]
    fn a_key_stays_as_it_is_written() {
        let (_, rows) = csv("code,price\n1.10,1.10\n17,17\n007,7\n");
        let expected = [
            serde_json::json!({"code": "1.10", "price": 1.1}),
            serde_json::json!({"code": 17, "price": 17}),
            serde_json::json!({"code": "007", "price": 7}),
        ];
        assert_eq!(rows.iter().map(Row::shown).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_quote_that_is_never_closed_costs_a_row_that_says_so() {
        let (_, rows) = csv("id,text\n1,fine\n2,\"open\n3,lost\n4,lost\n");
        assert_eq!(rows.len(), 2);
        let reason = rows[1].shown().to_string();
        assert_eq!(rows[1].line, 3);
        assert!(
            reason.contains("never closed") && reason.contains("3 lines"),
            "{reason}"
        );
        let header = super::rows(Box::new(&b"id,\"text\n1,a\n"[..]), Format::Csv, &[]);
        assert!(header.is_err());
        assert!(super::rows(Box::new(&b""[..]), Format::Csv, &[]).is_err());
        let (_, rows) = csv("one\n\"closed\n\"\n\n");
        assert_eq!(rows[0].shown(), serde_json::json!({"one": "closed\n"}));
        assert_eq!(rows.len(), 1);
    }
}
