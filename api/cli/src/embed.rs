//! `vinedb embed`: JSON Lines with `text` in, the same lines with `embedding` out, in order, as they come; or the vectors
//! alone into an npy file, which needs a file to go back to its head in.

use std::{
    io::{self, BufRead, BufWriter, Write},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use vinedb::{
    Document, Metadata,
    embed::{Embed, Purpose},
};

use crate::{args, exit::Outcome, npy_writer::NpyWriter, output::STANDARD_OUTPUT};

/// Lines per batch.
const CHUNK: usize = 256;

/// Runs the command.
pub(crate) fn run(args: args::Embed, home: PathBuf) -> Result<Outcome> {
    let model = models::open(&home, &args.model)?;
    let purpose = if args.query {
        Purpose::Query
    } else {
        Purpose::Document
    };
    let mut lines = io::stdin().lock().lines().enumerate();
    let mut out = match &args.npy {
        Some(path) => Out::Npy(NpyWriter::create(path, model.identity().dimension)?),
        None => Out::Lines(BufWriter::new(io::stdout().lock())),
    };
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
            out.finish()?;
            return Ok(Outcome::Done);
        }
        embed(&*model, purpose, rows, &mut out)?;
    }
}

/// Where the vectors go.
enum Out {
    Lines(BufWriter<io::StdoutLock<'static>>),
    Npy(NpyWriter),
}

impl Out {
    fn write(&mut self, mut row: Metadata, vector: &[f32]) -> Result<()> {
        match self {
            Self::Npy(file) => file.row(vector),
            Self::Lines(out) => {
                row.insert("embedding".to_owned(), serde_json::to_value(vector)?);
                writeln!(out, "{}", serde_json::to_string(&row)?).context(STANDARD_OUTPUT)
            }
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Npy(file) => file.finish(),
            Self::Lines(mut out) => out.flush().context(STANDARD_OUTPUT),
        }
    }
}

fn parse(line: &str) -> Result<Metadata> {
    let row: Metadata = serde_json::from_str(line).context("a JSON object was expected")?;
    match row.get("text") {
        Some(Value::String(text)) if text.trim().is_empty() => {
            bail!("\"text\" is empty, so there is nothing to embed: leave the line out")
        }
        Some(Value::String(text)) if text.len() > Document::MAX_TEXT_BYTES => bail!(
            "\"text\" has {} bytes, at most {} are taken: split it",
            text.len(),
            Document::MAX_TEXT_BYTES
        ),
        Some(Value::String(_)) => Ok(row),
        _ => bail!("\"text\" is missing or is no string: give {{\"text\": \"…\"}}"),
    }
}

fn embed(model: &dyn Embed, purpose: Purpose, rows: Vec<Metadata>, out: &mut Out) -> Result<()> {
    let texts: Vec<&str> = rows
        .iter()
        .filter_map(|row| row.get("text")?.as_str())
        .collect();
    let embeddings = model.embed(&texts, purpose)?;
    let pairs = rows.clone().into_iter().zip(embeddings.rows());
    pairs
        .into_iter()
        .try_for_each(|(row, vector)| out.write(row, vector))
}
