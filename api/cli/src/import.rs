//! `vinedb import`: rows of files become documents, in chunks that are durable one by one.
//!
//! Two chunks are on their way at a time, so that the model works on one while the other is read, checked and committed.
//! What is stored already, exactly so, is not embedded again; so an import that was stopped goes on where it was.

mod mapping;
mod summary;

use std::{
    collections::{HashMap, hash_map::Entry},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use anyhow::{Context, Result};
use vinedb::{Collection, Document, Key};

use crate::{
    args::Import,
    database::write,
    exit::Outcome,
    interrupt::Interrupt,
    output::Output,
    progress::Progress,
    rows::{self, Reading, Source},
};
use mapping::Mapping;
use summary::{Place, Summary, Tally};

/// Documents per transaction.
const CHUNK: usize = 256;
/// Chunks on their way at a time.
const WORKERS: usize = 2;

/// A document, and where it stands.
struct Placed {
    place: Place,
    document: Document,
}

type Chunk = Vec<Placed>;

/// Runs the command.
pub(crate) fn run(args: Import, home: PathBuf, output: &Output) -> Result<Outcome> {
    let interrupt = Interrupt::listen()?;
    let db = write(home, &args.at.dir)?;
    let collection = db.collection(&args.at.name)?;
    let mapping = Mapping::new(&args, collection.config(), collection.dimension())?;
    let progress = Progress::new(total_bytes(&args.files)?);
    let reading = Reading {
        format: args.format,
        verbatim: mapping.verbatim(),
    };
    check_all(&args.files, &reading, &mapping)?;
    let tally = Tally::new(args.rejects.as_deref(), &args.files)?;
    let job = Job {
        args: &args,
        collection: &collection,
        mapping: &mapping,
        reading: &reading,
        progress: &progress,
        tally: &tally,
        interrupt: &interrupt,
    };
    let result = job.run();
    progress.finish();
    let summary = tally.finish(interrupt.is_asked());
    let compacted = if result.is_ok() && !interrupt.is_asked() {
        collection.compact()
    } else {
        Ok(())
    };
    // Said first: what is stored stays so, whatever comes of the index.
    if result.is_ok() || !summary.is_empty() {
        output.result(&summary, summary::text)?;
    }
    result?;
    compacted?;
    Ok(outcome(&summary, interrupt.is_asked()))
}

fn outcome(summary: &Summary, interrupted: bool) -> Outcome {
    if interrupted {
        Outcome::Interrupted
    } else if summary.is_futile() {
        Outcome::Nothing
    } else {
        Outcome::Done
    }
}

fn total_bytes(files: &[PathBuf]) -> Result<u64> {
    let size = |path: &PathBuf| {
        std::fs::metadata(path)
            .map(|meta| meta.len())
            .with_context(|| path.display().to_string())
    };
    files.iter().map(size).sum()
}

/// Refuses what can be told before anything is written: one bad file of several, and none is imported.
fn check_all(files: &[PathBuf], reading: &Reading<'_>, mapping: &Mapping) -> Result<()> {
    // A pipe gives its bytes only once.
    for path in files.iter().filter(|path| path.is_file()) {
        let source = rows::open(path, reading, |file| Box::new(file))?;
        first_rows(source, mapping)?;
    }
    Ok(())
}

/// The source, whose columns have what the mapping names, and the rows that were read to find that out.
fn first_rows(
    mut source: Source,
    mapping: &Mapping,
) -> Result<(Vec<std::io::Result<rows::Row>>, Source)> {
    let mut first = Vec::new();
    if source.columns.is_none() {
        first.extend(source.rows.by_ref().take(CHUNK));
    }
    mapping.check(&source, &first)?;
    Ok((first, source))
}

struct Job<'a> {
    args: &'a Import,
    collection: &'a Collection,
    mapping: &'a Mapping,
    reading: &'a Reading<'a>,
    progress: &'a Progress,
    tally: &'a Tally,
    interrupt: &'a Interrupt,
}

impl Job<'_> {
    fn run(&self) -> Result<()> {
        let (send, receive) = sync_channel(1);
        let receive = Mutex::new(receive);
        let failed = AtomicBool::new(false);
        thread::scope(|scope| {
            let worker = || self.work(&receive, &failed);
            let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
            let read = self.read(send, &failed);
            let written = workers.into_iter().map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            written.collect::<Result<Vec<()>>>()?;
            read
        })
    }

    /// Commits chunks until there are no more.
    fn work(&self, chunks: &Mutex<Receiver<Chunk>>, failed: &AtomicBool) -> Result<()> {
        loop {
            let next = chunks.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(chunk) = next else { return Ok(()) };
            // What is not begun when the user stops is left to the next run.
            if failed.load(Ordering::Acquire) || self.interrupt.is_asked() {
                continue;
            }
            let rows = chunk.len();
            self.write(chunk)
                .inspect_err(|_| failed.store(true, Ordering::Release))?;
            self.progress.add(rows);
        }
    }

    /// Commits a chunk. When a document in it is at fault, the halves are tried, down to the one, which is rejected.
    fn write(&self, mut chunk: Chunk) -> Result<()> {
        let documents = chunk.iter().map(|placed| placed.document.clone()).collect();
        let error = match self.collection.upsert(documents) {
            Ok(done) => {
                self.tally.add(&done);
                return Ok(());
            }
            Err(error) if error.is_about_a_document() => error,
            Err(error) => return Err(error.into()),
        };
        if chunk.len() > 1 {
            let rest = chunk.split_off(chunk.len() / 2);
            self.write(chunk)?;
            return self.write(rest);
        }
        chunk.pop().map_or(Ok(()), |placed| {
            self.reject(placed.place, &error.to_string())
        })
    }

    fn reject(&self, place: Place, reason: &str) -> Result<()> {
        self.tally.reject(place, reason, self.progress)
    }

    /// Reads all files into chunks.
    fn read(&self, send: SyncSender<Chunk>, failed: &AtomicBool) -> Result<()> {
        let mut seen = HashMap::new();
        let mut chunk = Chunk::new();
        for path in &self.args.files {
            self.progress.file(path);
            let source = rows::open(path, self.reading, |file| self.progress.count(file))?;
            let file = self.tally.file(path);
            let (first, source) = first_rows(source, self.mapping)?;
            for (number, row) in first
                .into_iter()
                .chain(source.rows)
                .enumerate()
                .take(self.args.limit.unwrap_or(usize::MAX))
            {
                if self.interrupt.is_asked() || failed.load(Ordering::Acquire) {
                    break;
                }
                let row = row.with_context(|| path.display().to_string())?;
                let place = Place {
                    file,
                    line: row.line,
                };
                match self.document(path, number, row, place, &mut seen) {
                    Ok(document) => chunk.push(Placed { place, document }),
                    Err(reason) => self.reject(place, &reason)?,
                }
                if chunk.len() == CHUNK && send.send(std::mem::take(&mut chunk)).is_err() {
                    return Ok(());
                }
            }
        }
        // Nobody receives any more only when a worker failed, which is reported as such.
        let _ = send.send(chunk);
        Ok(())
    }

    fn document(
        &self,
        path: &Path,
        number: usize,
        row: rows::Row,
        place: Place,
        seen: &mut HashMap<Key, Place>,
    ) -> Result<Document, String> {
        let document = self.mapping.document(path, number, row.item?)?;
        match seen.entry(document.key.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(place);
                Ok(document)
            }
            Entry::Occupied(entry) => {
                let first = self.tally.name(*entry.get());
                Err(format!("key {} stands already at {first}", document.key))
            }
        }
    }
}
