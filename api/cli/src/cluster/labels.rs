//! The labels of all documents, as CSV or JSON Lines: into a file that takes its name once it is whole, or to standard output.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use vinedb::{
    Collection, Filter, Key,
    cluster::{Clustering, Label},
};

use crate::{exit::Outcome, interrupt::Interrupt, output::STANDARD_OUTPUT, progress::Steps};

/// Where labels go.
pub(super) enum Target {
    Output,
    Lines(PathBuf),
    Csv(PathBuf),
}

impl Target {
    /// Refuses a file whose name does not say what it holds, or whose folder does not exist, before anything is done.
    pub(super) fn of(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Output);
        }
        let shown = path.display();
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let folder = folder.unwrap_or(Path::new("."));
        ensure!(
            folder.is_dir(),
            "--labels: the folder {} does not exist",
            folder.display()
        );
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => Ok(Self::Csv(path.to_owned())),
            Some("jsonl" | "ndjson") => Ok(Self::Lines(path.to_owned())),
            _ => anyhow::bail!(
                "--labels: {shown} was given, a file name that ends in .csv or .jsonl, or -, was expected"
            ),
        }
    }
}

/// A document with its label.
#[derive(Serialize)]
struct Row<'a> {
    key: &'a Key,
    cluster: usize,
    name: Option<&'a str>,
    distance: f32,
}

/// Writes the labels of the documents that pass.
pub(super) fn write(
    collection: &Collection,
    clustering: &Clustering,
    filter: Option<&Filter>,
    target: &Target,
) -> Result<Outcome> {
    let total = usize::try_from(collection.count(filter)?)?;
    let work = Work {
        clustering,
        filter,
        total,
    };
    match target {
        Target::Output => {
            let out = BufWriter::new(io::stdout().lock());
            work.lines(out).context(STANDARD_OUTPUT)
        }
        Target::Lines(path) => whole(path, |file| work.lines(BufWriter::new(file))),
        Target::Csv(path) => whole(path, |file| work.csv(file)),
    }
}

/// Lets `make` write a file under a passing name, and gives it its own once it is whole.
fn whole(path: &Path, make: impl FnOnce(File) -> Result<Outcome>) -> Result<Outcome> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let made = File::create(&part)
        .map_err(Into::into)
        .and_then(make)
        .and_then(|outcome| {
            if matches!(outcome, Outcome::Done) {
                fs::rename(&part, path)?;
            }
            Ok(outcome)
        });
    if !matches!(made, Ok(Outcome::Done)) {
        let _ = fs::remove_file(&part);
    }
    made.with_context(|| path.display().to_string())
}

struct Work<'a> {
    clustering: &'a Clustering,
    filter: Option<&'a Filter>,
    total: usize,
}

impl Work<'_> {
    fn lines(&self, mut out: impl Write) -> Result<Outcome> {
        let outcome = self.each(|row| {
            serde_json::to_writer(&mut out, &row)?;
            Ok(out.write_all(b"\n")?)
        })?;
        out.flush()?;
        Ok(outcome)
    }

    fn csv(&self, file: File) -> Result<Outcome> {
        let mut out = csv::Writer::from_writer(BufWriter::new(file));
        if self.total == 0 {
            out.write_record(["key", "cluster", "name", "distance"])?;
        }
        let outcome = self.each(|row| Ok(out.serialize(row)?))?;
        out.flush()?;
        Ok(outcome)
    }

    /// Hands every row to `take`, with progress, until the user asks to stop.
    fn each(&self, mut take: impl FnMut(Row<'_>) -> Result<()>) -> Result<Outcome> {
        let steps = Steps::new(Interrupt::listen()?);
        let mut labels = self.clustering.labels_matching(self.filter)?;
        let mut done = 0;
        while let Some(page) = labels.next_page()? {
            if let ControlFlow::Break(()) = steps.step("labelling", done, self.total.max(done)) {
                steps.finish();
                return Ok(Outcome::Interrupted);
            }
            done += page.len();
            page.iter().try_for_each(|label| take(self.row(label)))?;
        }
        steps.finish();
        Ok(Outcome::Done)
    }

    fn row<'r>(&'r self, label: &'r Label) -> Row<'r> {
        Row {
            key: &label.key,
            cluster: label.cluster,
            name: self.clustering.names()[label.cluster].as_deref(),
            distance: label.distance,
        }
    }
}
