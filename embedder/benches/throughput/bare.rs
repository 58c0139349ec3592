//! The measure: ONNX Runtime with nothing around it. Texts are tokenized and sorted beforehand, cut into batches of the
//! token budget, and taken longest first by one single-threaded session per core; the outputs are thrown away.
//!
//! It lives in a process of its own, since a process has one ONNX Runtime environment and the embedder keeps its to itself.

use crate::home;
use crate::plan::{self, BARE, Cost, Failure};
use ort::environment::Environment;
use ort::session::Session;
use ort::value::Tensor;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokenizers::Tokenizer;

/// The bare side, as the other process sees it.
pub(crate) struct BareProcess {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl BareProcess {
    /// Starts this program a second time, with the same arguments.
    pub(crate) fn start() -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(std::env::args().skip(1))
            .arg(BARE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("the bare process has no input")?;
        let output = BufReader::new(
            child
                .stdout
                .take()
                .ok_or("the bare process has no output")?,
        );
        Ok(Self {
            child,
            input,
            output,
        })
    }

    /// All texts at the budget.
    pub(crate) fn pass(&mut self, budget: usize) -> Result<Cost, Failure> {
        writeln!(self.input, "{budget}")?;
        self.input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let (seconds, processor) = line
            .trim()
            .split_once(' ')
            .ok_or("the bare process failed")?;
        Ok(Cost {
            seconds: seconds.parse()?,
            processor_seconds: processor.parse()?,
        })
    }
}

impl Drop for BareProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bare side itself: a budget per line comes in, what the pass took goes out.
pub(crate) fn serve(texts: &[String]) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism()?.get();
    let environment = ort::init_from(home::runtime())?.build()?;
    let mut sessions = (0..cores)
        .map(|_| open(&environment))
        .collect::<Result<Vec<_>, _>>()?;
    let mut ids = tokenize(texts)?;
    ids.sort_by_key(|ids| std::cmp::Reverse(ids.len()));
    for line in std::io::stdin().lines() {
        let budget = line?.trim().parse()?;
        let cost = plan::cost(|| pass(&mut sessions, &ids, budget))?;
        println!("{} {}", cost.seconds, cost.processor_seconds);
    }
    Ok(())
}

fn open(environment: &Environment) -> ort::Result<Session> {
    Session::builder(environment)?
        .with_intra_threads(1)?
        .with_intra_op_spinning(false)?
        .commit_from_file(home::model().join("model.onnx"))
}

fn tokenize(texts: &[String]) -> Result<Vec<Vec<i64>>, Failure> {
    let mut tokenizer = Tokenizer::from_file(home::model().join("tokenizer.json"))?;
    let truncation = tokenizers::TruncationParams {
        max_length: 256,
        ..Default::default()
    };
    tokenizer
        .with_padding(None)
        .with_truncation(Some(truncation))?;
    let encode = |text: &String| {
        tokenizer
            .encode_fast(text.as_str(), true)
            .map(|encoding| encoding.get_ids().iter().copied().map(i64::from).collect())
    };
    texts.iter().map(encode).collect()
}

fn pass(sessions: &mut [Session], texts: &[Vec<i64>], budget: usize) -> Result<(), Failure> {
    let batches = cut(texts, budget);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (batches, next) = (&batches, &next);
        let work = |session| scope.spawn(move || work(session, batches, next));
        let threads: Vec<_> = sessions.iter_mut().map(work).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "a bare thread panicked")?)
    })
}

/// Neighbours of a sorted list, as many as the budget takes.
fn cut(texts: &[Vec<i64>], budget: usize) -> Vec<&[Vec<i64>]> {
    let mut batches = Vec::new();
    let mut rest = texts;
    while let Some(longest) = rest.first() {
        let (batch, others) = rest.split_at((budget / longest.len()).clamp(1, rest.len()));
        batches.push(batch);
        rest = others;
    }
    batches
}

fn work(session: &mut Session, batches: &[&[Vec<i64>]], next: &AtomicUsize) -> Result<(), Failure> {
    while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
        let width = batch[0].len();
        let padded = |value: fn(i64) -> i64| -> Vec<i64> {
            batch
                .iter()
                .flat_map(|ids| {
                    ids.iter()
                        .map(move |&id| value(id))
                        .chain((ids.len()..width).map(|_| 0))
                })
                .collect()
        };
        let tensor = |values| Tensor::from_array(([batch.len(), width], values));
        let inputs = ort::inputs! {
            "input_ids" => tensor(padded(|id| id))?,
            "attention_mask" => tensor(padded(|_| 1))?,
            "token_type_ids" => tensor(padded(|_| 0))?,
        };
        std::hint::black_box(session.run(inputs)?);
    }
    Ok(())
}
