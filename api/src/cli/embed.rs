//! `vinedb embed`: JSON Lines with `text` in, the same lines with `embedding` out, in order, as they come.

use std::{
    io::{self, BufRead, BufWriter, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};
use serde_json::Value;
use vinedb::{Embed, Metadata, Purpose};

use super::{Outcome, args};

/// Lines per batch.
const CHUNK: usize = 256;

/// Runs the command.
pub(crate) fn run(args: args::Embed, home: PathBuf) -> Result<Outcome> {
    let model = vinedb::open_model(&home, &args.model)?;
    let purpose = if args.query {
        Purpose::Query
    } else {
        Purpose::Document
    };
    let mut lines = io::stdin().lock().lines().enumerate();
    let mut out = BufWriter::new(io::stdout().lock());
    loop {
        let mut rows = Vec::new();
        for (number, line) in lines.by_ref() {
            let line = line.with_context(|| format!("standard input, line {}", number + 1))?;
            if !line.trim().is_empty() {
                rows.push(
                    parse(&line).with_context(|| format!("standard input, line {}", number + 1))?,
                );
            }
            if rows.len() == CHUNK {
                break;
            }
        }
        if rows.is_empty() {
            out.flush()?;
            return Ok(Outcome::Done);
        }
        embed(&*model, purpose, rows, &mut out)?;
    }
}

fn parse(line: &str) -> Result<Metadata> {
    let row: Metadata = serde_json::from_str(line).context("a JSON object was expected")?;
    anyhow::ensure!(
        row.get("text").is_some_and(Value::is_string),
        "\"text\" is missing or is no string"
    );
    Ok(row)
}

fn embed(
    model: &dyn Embed,
    purpose: Purpose,
    rows: Vec<Metadata>,
    out: &mut impl Write,
) -> Result<()> {
    let texts: Vec<&str> = rows
        .iter()
        .filter_map(|row| row.get("text")?.as_str())
        .collect();
    let embeddings = model.embed(&texts, purpose)?;
    for (mut row, vector) in rows.clone().into_iter().zip(embeddings.rows()) {
        row.insert("embedding".to_owned(), serde_json::to_value(vector)?);
        serde_json::to_writer(&mut *out, &row)?;
        writeln!(out)?;
    }
    Ok(())
}
