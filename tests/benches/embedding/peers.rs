//! The process with the others in it, which rests until it is asked.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};
use vinedb_tests::measure::{Cost, Failure};

/// In the order of the report.
pub(crate) const SIDES: [&str; 4] = ["sentence-transformers", "fastembed", "int8", "floats"];

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/embedding/peers.py");

pub(crate) struct Peers {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub(crate) versions: String,
    /// Tokens in all texts together.
    pub(crate) tokens: f64,
}

impl Drop for Peers {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Peers {
    /// Has the models opened: the published weights, and folders with ONNX files in 32-bit floats and in 8 bits.
    pub(crate) fn start(model: &Path, floats: &Path, texts: &[String]) -> Result<Self, Failure> {
        let python = vinedb::models::default_home().join("bench/embedding/bin/python3");
        let mut process = Command::new(&python)
            .arg(PROGRAM)
            .env("HF_HUB_OFFLINE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| {
                let python = python.display();
                format!("{python}: {error}; `make bench BENCH=embedding` fetches the packages")
            })?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (requests, answers) = pipes.ok_or("a process without pipes")?;
        let mut peers = Self {
            process,
            requests,
            answers: BufReader::new(answers),
            versions: String::new(),
            tokens: 0.0,
        };
        let cores = std::thread::available_parallelism()?.get();
        let opened = peers.ask(&json!({
            "do": "open", "published": model, "floats": floats, "int8": model, "texts": texts, "cores": cores,
        }))?;
        peers.versions = opened["versions"].as_str().unwrap_or_default().to_owned();
        peers.tokens = number(&opened, "tokens")?;
        Ok(peers)
    }

    /// Finds the quickest setting of bare ONNX Runtime, and says which.
    pub(crate) fn tune(&mut self, side: &str) -> Result<String, Failure> {
        let found = self.ask(&json!({"do": "tune", "side": side}))?;
        Ok(found["setting"].as_str().unwrap_or_default().to_owned())
    }

    /// All texts, by this side.
    pub(crate) fn all(&mut self, side: &str) -> Result<Cost, Failure> {
        let spent = self.ask(&json!({"do": "all", "side": side}))?;
        Ok(Cost {
            clock: number(&spent, "clock")?,
            processor: number(&spent, "processor")?,
        })
    }

    /// Milliseconds, the median, of a short text by bare ONNX Runtime on so many threads, which spin as is its default.
    pub(crate) fn query(
        &mut self,
        text: &str,
        count: usize,
        threads: usize,
    ) -> Result<f64, Failure> {
        let request = json!({"do": "query", "text": text, "count": count, "threads": threads});
        number(&self.ask(&request)?, "ms")
    }

    /// 8-bit operations per second of a large product by itself.
    pub(crate) fn peak(&mut self) -> Result<f64, Failure> {
        number(&self.ask(&json!({"do": "peak"}))?, "operations")
    }

    fn ask(&mut self, request: &Value) -> Result<Value, Failure> {
        writeln!(self.requests, "{request}")?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("the peers' process ended; its words are above".into());
        }
        let answer: Value = serde_json::from_str(&line)?;
        match &answer["error"] {
            Value::Null => Ok(answer),
            error => Err(format!("{}: {error}", request["do"]).into()),
        }
    }
}

fn number(answer: &Value, name: &str) -> Result<f64, Failure> {
    Ok(answer[name]
        .as_f64()
        .ok_or_else(|| format!("{answer} has no {name}"))?)
}
