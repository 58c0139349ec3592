//! `vinedb search` as a command, on a collection of 5,000 reviews: what a user waits for one answer, and where it goes.
//!
//! A run opens the database, loads the model, embeds the question, searches, prints and ends. The split is that of
//! `--timing`; the rest is what the process takes to start and to end. Medians of the runs, whose files are in memory.
//!
//! ```text
//! cargo bench -p vinedb-tests --bench command -- [--runs 21] [--texts 5000] [--fresh]
//! ```
//!
//! The collection is imported once, in a minute or so, and kept in the target folder; `--fresh` imports it again. Texts as
//! in the bench `import`.
#![expect(clippy::print_stdout, reason = "a bench prints its results")]

#[path = "../reviews.rs"]
mod reviews;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use reviews::Reviews;
use vinedb_tests::measure::{self, Failure, median};

const QUESTIONS: [&str; 3] = [
    "a light red for grilled fish under 20 dollars",
    "crisp white with citrus and a salty finish",
    "something sweet to drink with blue cheese",
];

fn main() -> Result<(), Failure> {
    let texts = measure::number("--texts", 5_000)?;
    let runs = measure::number("--runs", 21)?;
    println!("{}", measure::machine());
    let folder = tempfile::tempdir_in(measure::kept_folder()?)?;
    let reviews = Reviews::write(folder.path(), texts)?;
    println!(
        "vinedb {}, ONNX Runtime {}; {texts} {}, k = 5, {runs} runs\n",
        env!("CARGO_PKG_VERSION"),
        measure::runtime_version(),
        reviews.source
    );
    let database = database(&reviews)?;
    QUESTIONS
        .iter()
        .try_for_each(|question| Run::of(&database, question).map(drop))?;
    let questions = QUESTIONS.iter().cycle().take(runs);
    let runs = questions
        .map(|question| Run::of(&database, question))
        .collect::<Result<Vec<_>, _>>()?;
    println!("{}", report(&runs)?);
    Ok(())
}

/// The database with the reviews, imported if it is not there.
fn database(reviews: &Reviews) -> Result<PathBuf, Failure> {
    let name = format!(
        "{}-{}.vinedb",
        reviews.source.replace([' ', ','], "-"),
        reviews.texts.len()
    );
    let database = measure::kept_folder()?.join(name);
    if measure::flag("--fresh") || !database.exists() {
        let pending = database.with_extension("pending");
        reviews::create(&pending)?;
        reviews::import(&pending, reviews)?;
        if database.exists() {
            fs::remove_dir_all(&database)?;
        }
        fs::rename(pending, &database)?;
    }
    Ok(database)
}

/// Milliseconds of one run.
struct Run {
    parts: Vec<(String, f64)>,
    whole: f64,
}

impl Run {
    fn of(database: &Path, question: &str) -> Result<Self, Failure> {
        let started = Instant::now();
        let run = reviews::vinedb(&[
            "search",
            reviews::argument(database)?,
            "reviews",
            question,
            "-k",
            "5",
            "--timing",
        ])?;
        let whole = started.elapsed().as_secs_f64() * 1e3;
        Ok(Self {
            parts: split(&run.stderr)?,
            whole,
        })
    }

    fn rest(&self) -> f64 {
        self.whole - self.parts.iter().map(|(_, time)| time).sum::<f64>()
    }
}

/// `open 3.1 ms, load model 210.4 ms, …` as names and numbers.
fn split(line: &str) -> Result<Vec<(String, f64)>, Failure> {
    let part = |part: &str| {
        let (name, time) = part.strip_suffix(" ms")?.rsplit_once(' ')?;
        Some((name.to_owned(), time.parse().ok()?))
    };
    let parts: Option<Vec<_>> = line.trim().split(", ").map(part).collect();
    parts.ok_or_else(|| format!("this is no split of times: {line}").into())
}

fn report(runs: &[Run]) -> Result<String, Failure> {
    let first = runs.first().ok_or("there were no runs")?;
    let milliseconds = |values: &mut dyn Iterator<Item = f64>| format!("{:.1}", median(values));
    let part = |place: usize| milliseconds(&mut runs.iter().map(|run| run.parts[place].1));
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (place, (name, _)) in first.parts.iter().enumerate() {
        rows.push(vec![name.clone(), part(place)]);
    }
    rows.push(vec![
        "start and end of the process".to_owned(),
        milliseconds(&mut runs.iter().map(Run::rest)),
    ]);
    rows.push(vec![
        "**the whole command**".to_owned(),
        milliseconds(&mut runs.iter().map(|run| run.whole)),
    ]);
    Ok(measure::table(&["part", "median, ms"], &rows))
}
