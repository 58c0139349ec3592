//! Documents as `application/x-ndjson`, one a line: a body of any length in bounded memory.
//!
//! The lines are committed batch by batch, in their order. A line that cannot be taken ends the upload: the batches before
//! it stay, its own is dropped, and the error says how far the upload came. What is remembered of committed lines is
//! their keys, since a key may stand in an upload only once, as in any batch.

use std::collections::{HashMap, hash_map::Entry};

use axum::{Json, body::Body, http::StatusCode};

use super::{
    AppState, MAX_BODY_BYTES,
    error::Failure,
    extract::{compute, drain, next, parse},
};
use storage::Key;

use crate::{collection::Collection, document::Document, error::Error, write::Upserted};

/// Documents per transaction.
const BATCH: usize = 512;
/// Bytes of lines per transaction.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Bytes that are gathered before they are looked at.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Upserts the documents of a body.
pub(crate) async fn upsert_lines(
    state: AppState,
    name: String,
    mut body: Body,
) -> Result<Json<Upserted>, Failure> {
    let done = upload(state, name, &mut body).await;
    if done.is_err() {
        drain(&mut body).await;
    }
    done
}

async fn upload(state: AppState, name: String, body: &mut Body) -> Result<Json<Upserted>, Failure> {
    let db = state.db.clone();
    let mut upload = compute(move || Ok(Upload::new(db.collection(&name)?))).await?;
    let mut block = Vec::new();
    while let Some(part) = next(body).await? {
        block.extend_from_slice(&part);
        if block.len() >= BLOCK_BYTES {
            let bytes = std::mem::take(&mut block);
            let permit = state.writing().await;
            upload = compute(move || upload.take(&bytes).map(|()| upload)).await?;
            drop(permit);
        }
    }
    let _permit = state.writing().await;
    compute(move || upload.finish(&block).map(Json)).await
}

struct Upload {
    collection: Collection,
    /// A line whose end has not come yet.
    open: Vec<u8>,
    /// Lines that have been read.
    lines: usize,
    batch: Vec<Document>,
    batch_bytes: usize,
    /// Where each key stands.
    seen: HashMap<Key, usize>,
    /// The first line that is not committed.
    next_line: usize,
    committed: usize,
    done: Upserted,
}

impl Upload {
    fn new(collection: Collection) -> Self {
        Self {
            collection,
            open: Vec::new(),
            lines: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            seen: HashMap::new(),
            next_line: 1,
            committed: 0,
            done: Upserted::default(),
        }
    }

    /// Takes the next bytes, and commits what makes a whole batch.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.open.len() + piece.len() > MAX_BODY_BYTES {
                return Err(self.too_long());
            }
            if !piece.ends_with(b"\n") {
                self.open.extend_from_slice(piece);
            } else if self.open.is_empty() {
                self.line(piece)?;
            } else {
                let mut line = std::mem::take(&mut self.open);
                line.extend_from_slice(piece);
                self.line(&line)?;
            }
        }
        Ok(())
    }

    /// Takes the last bytes and commits the rest.
    fn finish(mut self, bytes: &[u8]) -> Result<Upserted, Failure> {
        self.take(bytes)?;
        let last = std::mem::take(&mut self.open);
        if !last.is_empty() {
            self.line(&last)?;
        }
        self.commit()?;
        Ok(self.done)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.lines += 1;
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let here = self.lines;
        let document: Document = parse(line).map_err(|failure| self.at_line(here, failure))?;
        match self.seen.entry(document.key.clone()) {
            Entry::Vacant(entry) => entry.insert(here),
            Entry::Occupied(entry) => {
                let failure = twice(&document.key, *entry.get());
                return Err(self.at_line(here, failure));
            }
        };
        self.batch.push(document);
        self.batch_bytes += line.len();
        if self.batch.len() == BATCH || self.batch_bytes >= BATCH_BYTES {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.batch);
        let size = batch.len();
        let done = match self.collection.upsert(batch) {
            Ok(done) => done,
            Err(error) => return Err(self.at(&self.place_of(&error), error.into())),
        };
        self.done.added += done.added;
        self.done.updated += done.updated;
        self.done.unchanged += done.unchanged;
        self.done.embedded += done.embedded;
        self.done.reused += done.reused;
        self.done.truncated += done.truncated;
        self.committed += size;
        self.batch_bytes = 0;
        self.next_line = self.lines + 1;
        Ok(())
    }

    fn place_of(&self, error: &Error) -> String {
        let line = match error {
            Error::UnusableDocument { key, .. } => self.seen.get(key),
            _ => None,
        };
        match line {
            Some(line) => format!("line {line}"),
            None => format!("lines {} to {}", self.next_line, self.lines),
        }
    }

    fn too_long(&self) -> Failure {
        let message =
            format!("it is longer than {MAX_BODY_BYTES} bytes: split it into several documents");
        let failure = Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message);
        self.at_line(self.lines + 1, failure)
    }

    fn at_line(&self, line: usize, failure: Failure) -> Failure {
        self.at(&format!("line {line}"), failure)
    }

    /// Says where an upload ended, and what is left of it.
    fn at(&self, place: &str, failure: Failure) -> Failure {
        let kept = match self.committed {
            0 => "nothing was written".to_owned(),
            committed => format!(
                "the {committed} documents before line {} are written, nothing else",
                self.next_line
            ),
        };
        failure.within(place, &kept)
    }
}

fn twice(key: &Key, first: usize) -> Failure {
    let message = format!("key {key} stands already at line {first}: keep one of them");
    Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "duplicate_key", message)
}
