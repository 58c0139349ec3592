//! `vinedb embed`: JSON Lines with `text` in, the same lines with `embedding` out, in order, as they come.

use std::{
    io::{self, BufRead, BufWriter, Write},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use vinedb::{Embed, MAX_TEXT_BYTES, Metadata, Purpose};

use super::{Outcome, args, output::STANDARD_OUTPUT};

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
            out.flush().context(STANDARD_OUTPUT)?;
            return Ok(Outcome::Done);
        }
        embed(&*model, purpose, rows, &mut out)?;
    }
}

fn parse(line: &str) -> Result<Metadata> {
    let row: Metadata = serde_json::from_str(line).context("a JSON object was expected")?;
    match row.get("text") {
        Some(Value::String(text)) if text.trim().is_empty() => {
            bail!("\"text\" is empty, so there is nothing to embed: leave the line out")
        }
        Some(Value::String(text)) if text.len() > MAX_TEXT_BYTES => bail!(
            "\"text\" has {} bytes, at most {MAX_TEXT_BYTES} are taken: split it",
            text.len()
        ),
        Some(Value::String(_)) => Ok(row),
        _ => bail!("\"text\" is missing or is no string: give {{\"text\": \"…\"}}"),
    }
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
        writeln!(out, "{}", serde_json::to_string(&row)?).context(STANDARD_OUTPUT)?;
    }
    Ok(())
}
