//! One side of the comparison: a process that is asked one thing at a time, so that the other side rests meanwhile.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde::Deserialize;
use serde_json::{Value, json};
use vinedb_tests::{measure::Failure, sets::K};

use crate::cases::Files;

/// Ours and FAISS's, in this order wherever there are two.
pub(crate) const NAMES: [&str; 2] = ["vinedb", "FAISS"];

const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/engine/peer.py");

/// A process with the vectors loaded.
pub(crate) struct Side {
    name: &'static str,
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// What it is, for the head of a report.
    pub(crate) version: String,
}

/// What building took: seconds by the clock and of the processor, and memory.
#[derive(Deserialize, Clone, Copy)]
pub(crate) struct Built {
    pub(crate) clock: f64,
    pub(crate) processor: f64,
    /// Bytes by which the process grew.
    pub(crate) resident: f64,
    /// Bytes by its own account: `memory_bytes`, and what Python's `serialize_index` writes.
    pub(crate) bytes: f64,
}

/// What one query of a pass took, in seconds by the clock and of the processor. The latter changes less when other
/// programs run beside; it counts in threads that spin while they wait.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pace {
    pub(crate) clock: f64,
    pub(crate) processor: f64,
}

/// How a pass goes.
#[derive(Clone, Copy)]
pub(crate) struct Mode {
    pub(crate) batch: usize,
    pub(crate) threads: usize,
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Side {
    /// Ours, or FAISS's.
    pub(crate) fn start(which: usize, files: &Files) -> Result<Self, Failure> {
        let mut command = if which == 0 { ours()? } else { peer() };
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| {
                format!(
                    "{}: {error}; `make bench` fetches FAISS's Python package",
                    command.get_program().display()
                )
            })?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (requests, answers) = pipes.ok_or("a process without pipes")?;
        let mut side = Self {
            name: NAMES[which],
            process,
            requests,
            answers: BufReader::new(answers),
            version: String::new(),
        };
        let loaded = side.ask(&files.request())?;
        side.version = loaded["version"]
            .as_str()
            .unwrap_or("of unknown version")
            .to_owned();
        Ok(side)
    }

    pub(crate) fn build(&mut self, factory: &str, threads: usize) -> Result<Built, Failure> {
        let request = json!({"do": "build", "factory": factory, "threads": threads});
        Ok(serde_json::from_value(self.ask(&request)?)?)
    }

    /// The rows that each query finds, -1 left out.
    pub(crate) fn find(&mut self, params: &Value) -> Result<Vec<Vec<usize>>, Failure> {
        let answer = self.ask(&json!({"do": "find", "params": params, "k": K}))?;
        let rows: Vec<Vec<i64>> = serde_json::from_value(answer["rows"].clone())?;
        let kept = |rows: Vec<i64>| {
            rows.into_iter()
                .filter_map(|row| usize::try_from(row).ok())
                .collect()
        };
        Ok(rows.into_iter().map(kept).collect())
    }

    /// A pass over `count` queries.
    pub(crate) fn pass(
        &mut self,
        params: &Value,
        mode: Mode,
        count: usize,
    ) -> Result<Pace, Failure> {
        let answer = self.ask(&json!({
            "do": "search", "params": params, "k": K, "count": count, "batch": mode.batch, "threads": mode.threads,
        }))?;
        let each = |name: &str| answer[name].as_f64().map(|seconds| seconds / count as f64);
        let pace = each("clock").zip(each("processor"));
        let (clock, processor) = pace.ok_or("a pass without its time")?;
        Ok(Pace { clock, processor })
    }

    fn ask(&mut self, request: &Value) -> Result<Value, Failure> {
        writeln!(self.requests, "{request}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let answer: Value =
            serde_json::from_str(&line).map_err(|_| format!("{} ended", self.name))?;
        match answer["error"].as_str() {
            Some(error) => Err(format!("{}: {error}", self.name).into()),
            None => Ok(answer),
        }
    }
}

fn ours() -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--serve");
    Ok(command)
}

fn peer() -> Command {
    let python = vinedb::models::default_home().join("bench/python");
    let mut command = Command::new(python.join("python3"));
    command.arg(PEER).env("PYTHONPATH", python);
    command
}
