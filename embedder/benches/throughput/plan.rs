//! What is measured on what: arguments, texts, machine.

use std::path::{Path, PathBuf};
use std::time::Instant;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The file under `$VINEDB_DATA` that is taken when none is given.
const WINE_REVIEWS: &str = "wine/winemag_130k_v2_first5811.csv";
/// The argument that makes a process the bare side.
pub(crate) const BARE: &str = "--bare-process";

pub(crate) struct Plan {
    pub(crate) passes: usize,
    pub(crate) budgets: Vec<usize>,
    pub(crate) is_bare_process: bool,
    file: Option<PathBuf>,
    count: usize,
}

impl Plan {
    pub(crate) fn from_arguments() -> Result<Self, Failure> {
        let data =
            std::env::var_os("VINEDB_DATA").map(|folder| Path::new(&folder).join(WINE_REVIEWS));
        let mut plan = Self {
            passes: 5,
            budgets: Vec::new(),
            is_bare_process: false,
            file: data,
            count: 2000,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || {
                arguments
                    .next()
                    .ok_or("a number is missing")?
                    .parse()
                    .map_err(Failure::from)
            };
            match argument.as_str() {
                "--bench" => {}
                BARE => plan.is_bare_process = true,
                "--texts" => plan.count = number()?,
                "--passes" => plan.passes = number()?,
                "--budget" => plan.budgets.push(number()?),
                file => plan.file = Some(file.into()),
            }
        }
        if plan.budgets.is_empty() {
            plan.budgets
                .push(vinedb_embedder::Options::default().token_budget);
        }
        Ok(plan)
    }

    pub(crate) fn texts(&self) -> Result<Vec<String>, Failure> {
        match &self.file {
            Some(file) => descriptions(file, self.count),
            None => Ok((0..self.count).map(generated).collect()),
        }
    }
}

fn descriptions(file: &Path, count: usize) -> Result<Vec<String>, Failure> {
    let mut reader =
        csv::Reader::from_path(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let column = reader
        .headers()?
        .iter()
        .position(|name| name == "description");
    let column = column.ok_or_else(|| format!("{} has no column `description`", file.display()))?;
    let text = |record: csv::StringRecord| record.get(column).unwrap_or_default().to_owned();
    Ok(reader
        .records()
        .take(count)
        .map(|record| record.map(text))
        .collect::<Result<_, _>>()?)
}

/// A review-like text of 15 to 90 words, always the same for a number.
fn generated(number: usize) -> String {
    const WORDS: [&str; 24] = [
        "cherry", "oak", "with", "a", "firm", "tannins", "and", "the", "finish", "is", "long",
        "aromas", "of", "dried", "herb", "bright", "acidity", "apple", "palate", "offers", "ripe",
        "plum", "spice", "now",
    ];
    let mut state = number.wrapping_mul(0x9e37_79b9).wrapping_add(12345);
    let mut draw = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let length = 15 + draw(76);
    (0..length)
        .map(|_| WORDS[draw(WORDS.len())])
        .collect::<Vec<_>>()
        .join(" ")
}

/// Processor and cores.
pub(crate) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{}, {cores} cores",
        name.map_or("unknown processor", |(_, name)| name)
    )
}

/// What a pass took: by the clock, and of the processor. The second hardly changes when other programs run beside it.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    pub(crate) processor_seconds: f64,
}

/// Runs `work` and says what it took this process.
pub(crate) fn cost<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<Cost, Failure> {
    let (start, used) = (Instant::now(), processor_seconds()?);
    std::hint::black_box(work()?);
    let seconds = start.elapsed().as_secs_f64();
    Ok(Cost {
        seconds,
        processor_seconds: processor_seconds()? - used,
    })
}

/// User and system time of this process so far, in Linux's ticks of 10 ms.
fn processor_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat
        .rsplit_once(')')
        .ok_or("/proc/self/stat has no command name")?;
    let ticks = |place: usize| {
        fields
            .split_whitespace()
            .nth(place)
            .unwrap_or_default()
            .parse::<f64>()
    };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
