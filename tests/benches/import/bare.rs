//! The measure: ONNX Runtime with nothing around it. The texts are tokenized and sorted beforehand, the sessions are open
//! and warm, the outputs are thrown away.

use std::sync::atomic::{AtomicUsize, Ordering};

use ort::{environment::Environment, session::Session, value::Tensor};
use tokenizers::Tokenizer;
use vinedb_tests::measure::{self, Failure};

/// The most tokens that the model reads of a text.
const MAX_TOKENS: usize = 256;

/// How bare ONNX Runtime is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Sessions side by side.
    pub(crate) sessions: usize,
    /// Threads within each.
    pub(crate) threads: usize,
    /// Tokens per batch, padding included.
    pub(crate) budget: usize,
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            sessions,
            threads,
            budget,
        } = self;
        write!(
            f,
            "sessions: {sessions}, threads in each: {threads}, tokens per batch: {budget}"
        )
    }
}

/// ONNX Runtime, and the texts as tokens, longest first.
pub(crate) struct Bare {
    environment: Environment,
    texts: Vec<Vec<i64>>,
}

impl Bare {
    pub(crate) fn new(texts: &[String]) -> Result<Self, Failure> {
        let environment = ort::init_from(measure::runtime())?.build()?;
        let mut texts = tokenize(texts)?;
        texts.sort_by_key(|ids| std::cmp::Reverse(ids.len()));
        Ok(Self { environment, texts })
    }

    /// Tokens in all texts together.
    pub(crate) fn tokens(&self) -> usize {
        self.texts.iter().map(Vec::len).sum()
    }

    /// The sessions of a setting.
    pub(crate) fn sessions(&self, setting: Setting) -> Result<Vec<Session>, Failure> {
        let open = |_| {
            let builder =
                Session::builder(&self.environment)?.with_intra_threads(setting.threads)?;
            builder
                .with_intra_op_spinning(setting.threads > 1)?
                .commit_from_file(model().join("model.onnx"))
        };
        Ok((0..setting.sessions)
            .map(open)
            .collect::<ort::Result<_>>()?)
    }

    /// Every `step`-th text once.
    pub(crate) fn pass(
        &self,
        sessions: &mut [Session],
        budget: usize,
        step: usize,
    ) -> Result<(), Failure> {
        let texts: Vec<&[i64]> = self.texts.iter().step_by(step).map(Vec::as_slice).collect();
        let batches = cut(&texts, budget);
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let (batches, next) = (&batches, &next);
            let threads: Vec<_> = sessions
                .iter_mut()
                .map(|session| scope.spawn(move || work(session, batches, next)))
                .collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().map_err(|_| "a bare thread panicked")?)
        })
    }

    /// Texts in a pass over every `step`-th.
    pub(crate) fn len(&self, step: usize) -> usize {
        self.texts.len().div_ceil(step)
    }
}

fn model() -> std::path::PathBuf {
    vinedb::models::default_home()
        .join("models")
        .join(vinedb::models::DEFAULT_MODEL)
}

fn tokenize(texts: &[String]) -> Result<Vec<Vec<i64>>, Failure> {
    let mut tokenizer = Tokenizer::from_file(model().join("tokenizer.json"))?;
    let truncation = tokenizers::TruncationParams {
        max_length: MAX_TOKENS,
        ..Default::default()
    };
    tokenizer
        .with_padding(None)
        .with_truncation(Some(truncation))?;
    let encode = |text: &String| {
        let encoding = tokenizer.encode_fast(text.as_str(), true)?;
        Ok(encoding.get_ids().iter().copied().map(i64::from).collect())
    };
    texts.iter().map(encode).collect()
}

/// Neighbours of a list that is sorted longest first, as many as the budget takes.
fn cut<'a>(texts: &'a [&'a [i64]], budget: usize) -> Vec<&'a [&'a [i64]]> {
    let (mut batches, mut rest) = (Vec::new(), texts);
    while let Some(longest) = rest.first() {
        let (batch, others) = rest.split_at((budget / longest.len()).clamp(1, rest.len()));
        batches.push(batch);
        rest = others;
    }
    batches
}

fn work(session: &mut Session, batches: &[&[&[i64]]], next: &AtomicUsize) -> Result<(), Failure> {
    while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
        let width = batch[0].len();
        let padded = |value: fn(i64) -> i64| -> Vec<i64> {
            let row = |ids: &&[i64]| -> Vec<i64> {
                let padding = std::iter::repeat_n(0, width - ids.len());
                ids.iter().map(|&id| value(id)).chain(padding).collect()
            };
            batch.iter().flat_map(row).collect()
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
