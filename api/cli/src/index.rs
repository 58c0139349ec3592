//! `vinedb index export` and `vinedb index import`: plain FAISS files.
//!
//! A file from elsewhere is parsed in a process of its own first, with bounds on its memory: FAISS does not survive every file,
//! and what it does not survive must not take this command down.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use vinedb::{
    Stats,
    index::{Exported, ImportedIndex, IndexFile},
};

use crate::{
    args::{Index, IndexExport, IndexImport},
    database::{in_database, read},
    exit::Outcome,
    output::{Output, thousands},
    progress::watched,
};

/// What the process that looks at a file may take beside the file, in KiB of addresses: mostly stacks of threads.
const BASE_KIB: u64 = 4 << 20;
/// How many times a file's length FAISS may take to read it.
const TIMES_THE_FILE: u64 = 8;

/// Runs the command.
pub(crate) fn run(command: Index, home: PathBuf, output: &Output) -> Result<Outcome> {
    match command {
        Index::Export(args) => export(args, home, output),
        Index::Import(args) => import(args, home, output),
        Index::Inspect { file } => {
            let found = vinedb::index::inspect(&file)?;
            output.result(&found, IndexFile::to_string)?;
            Ok(Outcome::Done)
        }
    }
}

fn export(args: IndexExport, home: PathBuf, output: &Output) -> Result<Outcome> {
    let collection = read(home, &args.at.dir)?.collection(&args.at.name)?;
    let exported = watched(|watch| Ok(collection.export_index_with(&args.file, watch)?))?;
    let Some(exported) = exported else {
        return Ok(Outcome::Interrupted);
    };
    output.result(&exported, |done| exported_text(done, &args.file))?;
    Ok(Outcome::Done)
}

fn exported_text(done: &Exported, file: &Path) -> String {
    let mut lines = vec![format!("{} is in {}", done.file, file.display())];
    lines.push(match &done.keys {
        None => "ids: the documents' keys".to_owned(),
        Some(keys) => format!("ids: numbers, whose keys are in {}", keys.display()),
    });
    if done.unit_length {
        lines.push(
            "cosine: the vectors are scaled to length 1; scale queries in the same way".to_owned(),
        );
    }
    lines.join("\n")
}

/// What an import prints.
#[derive(Serialize)]
struct Imported {
    #[serde(flatten)]
    stats: Stats,
    file: IndexFile,
}

fn import(args: IndexImport, home: PathBuf, output: &Output) -> Result<Outcome> {
    let found = inspect(&args.file)?;
    tracing::debug!(%found, "the file can be read");
    let imported = watched(|watch| {
        in_database(home, &args.at.dir, |db| {
            let ImportedIndex { collection, file } =
                db.import_index_with(&args.at.name, &args.file, args.metric, watch)?;
            let stats = collection.stats()?;
            Ok(Imported { stats, file })
        })
    })?;
    let Some(imported) = imported else {
        return Ok(Outcome::Interrupted);
    };
    output.result(&imported, imported_text)?;
    Ok(Outcome::Done)
}

fn imported_text(done: &Imported) -> String {
    let mut lines = vec![format!(
        "made {}: {} documents with the file's ids as keys, metric {}, index {}",
        done.stats.name,
        thousands(done.stats.documents),
        done.stats.config.metric,
        done.stats.config.index
    )];
    if !done.file.whole {
        lines.push(
            "the file keeps codes alone: the documents' vectors are what those tell of them"
                .to_owned(),
        );
    }
    lines.join("\n")
}

/// What is in a file, as another process sees it. However that one ends, this one goes on.
fn inspect(file: &Path) -> Result<IndexFile> {
    let named = || file.display().to_string();
    let about = std::fs::metadata(file).with_context(named)?;
    if !about.is_file() {
        bail!(
            "{} is no file: name a file that FAISS wrote",
            file.display()
        );
    }
    let bytes = about.len();
    let kib = BASE_KIB + (bytes >> 10) * TIMES_THE_FILE;
    let script = format!("ulimit -c 0; ulimit -v {kib} && exec \"$0\" --json index inspect \"$1\"");
    let run = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe()?)
        .arg(file)
        .env("OMP_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .output()
        .context("sh, which bounds the memory of the process that looks at the file")?;
    if run.status.success() {
        return serde_json::from_slice(&run.stdout).with_context(named);
    }
    let said = String::from_utf8_lossy(&run.stderr);
    match said.trim_end().strip_prefix("error: ") {
        Some(sentence) if !sentence.contains('\n') => bail!("{sentence}"),
        _ => bail!(
            "{} cannot be imported: reading it ended the process that tried ({}), so it is damaged or no FAISS index; \
             nothing was changed",
            file.display(),
            run.status
        ),
    }
}
