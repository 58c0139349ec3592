//! The public handle: a model folder and an ONNX Runtime library become an [`Embed`].
//!
//! Texts are tokenized on the calling thread, in parts, so that the model works on the first while the next are prepared.
//! Sessions belong to the workers.

use crate::caller::Caller;
use crate::embed::{Answer, Embed, Embeddings, Pending, Purpose};
use crate::error::{Error, Result};
use crate::identity::{self, Identity};
use crate::runtime;
use crate::session::{Layers, Loading, ModelSession};
use crate::settings::Settings;
use crate::tokenize::{Encoding, TextTokenizer};
use crate::worker::{Job, Limits, Opener, Run, Share, Size, Workers};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Texts that are tokenized before the first of them is queued.
pub(crate) const PART: usize = 128;

/// How the model is run: speed and memory. Vectors change by rounding at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The most sessions, each with its own threads and memory (some 100 MB for a small model). 0, the default: cores divided
    /// by `threads`. The first is opened at once, the others when texts queue.
    pub sessions: usize,
    /// Additional sessions for queries while documents are embedded; 1 by default. A query then shares the cores instead of
    /// waiting for a batch of documents to end. Opened when a query first waits for one, and as large as the others; 0 saves
    /// that memory.
    pub query_sessions: usize,
    /// Threads per session; 1 by default. Sessions side by side embed more texts per second; more threads answer a single
    /// long text sooner.
    pub threads: usize,
    /// Whether a session's threads spin while they wait for each other; false by default. With several threads it gives the
    /// lowest latency for one text after another, and keeps their cores busy between texts too.
    pub spin: bool,
    /// The niceness of threads that embed documents, as in nice(1): from 0 to 19, 10 by default. Queries have the priority of
    /// their callers. Linux only.
    pub nice: u8,
    /// The most texts per batch; 256 by default.
    pub batch_texts: usize,
    /// The most tokens per batch, padding included; 256 by default. More make a query wait longer behind a bulk import and gain
    /// nothing: of 256, 512, 1024 and 2048, the smallest embedded the most texts per second of CPU time.
    pub token_budget: usize,
    /// Milliseconds that a batch may take; 100 by default. For a slower model, as measured, batches are smaller than
    /// `token_budget`, so that a query never waits long behind one. A text that takes longer goes alone.
    pub batch_ms: u64,
    /// Milliseconds that a text may wait for others to fill its batch; 0 by default: texts that arrive while a batch runs share
    /// the next one anyway, and waiting gains nothing on CPUs.
    pub wait_ms: u64,
    /// The length of each of the two queues, in texts; 4096 by default. Beyond it queries are refused, and documents block
    /// their callers (back-pressure).
    pub queue_texts: usize,
    /// For a program that embeds a text or two and exits; false by default. Skips ONNX Runtime's graph optimization and the
    /// trial run: all-MiniLM-L6-v2 opens in a sixth of the time, and each short text takes four times as long. Vectors differ
    /// by rounding, which is more in 8 bits: a cosine of some 0.9999.
    pub quick_start: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sessions: 0,
            query_sessions: 1,
            threads: 1,
            spin: false,
            nice: 10,
            batch_texts: 256,
            token_budget: 256,
            batch_ms: 100,
            wait_ms: 0,
            queue_texts: 4096,
            quick_start: false,
        }
    }
}

impl Options {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Options`] naming the first option that is out of its range.
    pub fn validate(&self) -> Result<()> {
        let refuse = |name, given, expected| {
            Err(Error::Options {
                name,
                given,
                expected,
            })
        };
        match self {
            Self {
                sessions: 1025.., ..
            } => refuse("sessions", self.sessions, "from 0 (one per core) to 1024"),
            Self {
                query_sessions: 1025..,
                ..
            } => refuse("query_sessions", self.query_sessions, "from 0 to 1024"),
            Self {
                threads: 0 | 1025..,
                ..
            } => refuse("threads", self.threads, "from 1 to 1024"),
            Self { nice: 20.., .. } => refuse("nice", usize::from(self.nice), "from 0 to 19"),
            Self { batch_texts: 0, .. } => refuse("batch_texts", 0, "at least 1"),
            Self { batch_ms: 0, .. } => refuse("batch_ms", 0, "at least 1"),
            Self {
                token_budget: 0 | 1_048_577..,
                ..
            } => refuse("token_budget", self.token_budget, "from 1 to 1048576"),
            Self { queue_texts: 0, .. } => refuse("queue_texts", 0, "at least 1"),
            _ => Ok(()),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let sessions = if self.sessions == 0 {
            (cores() / self.threads).max(1)
        } else {
            self.sessions
        };
        Limits {
            share: Share {
                sessions,
                for_queries: self.query_sessions,
            },
            nice: self.nice,
            batch: Size {
                tokens: self.token_budget,
                texts: self.batch_texts,
            },
            longest_batch: Duration::from_millis(self.batch_ms),
            longest_wait: Duration::from_millis(self.wait_ms),
            queue_texts: self.queue_texts,
        }
    }
}

/// A BERT-family model, run by ONNX Runtime. Dropping it joins its threads; queued texts fail with [`Error::Closed`].
pub struct OnnxEmbedder {
    identity: Identity,
    tokenizer: TextTokenizer,
    workers: Workers,
}

impl OnnxEmbedder {
    /// Opens the model in the folder `dir`, known to users as `name`, on the ONNX Runtime library `runtime`
    /// (`libonnxruntime.so`, 1.17 or later).
    ///
    /// # Errors
    /// A missing, unreadable, contradictory or unsupported file is named with its path and what to put there.
    pub fn open(name: &str, dir: &Path, runtime: &Path, options: &Options) -> Result<Self> {
        options.validate()?;
        let settings = Settings::read(dir)?;
        let open = opener(&settings, runtime, options)?;
        // The session takes longest: tokenizer and hash are prepared meanwhile.
        let (session, tokenizer, identity) = std::thread::scope(|scope| {
            let session = scope.spawn(&open);
            let tokenizer = TextTokenizer::open(&settings);
            let identity = identity::of(name, &settings);
            let session = session
                .join()
                .unwrap_or_else(|panic| Err(Error::panicked("model", &*panic)));
            (session, tokenizer, identity)
        });
        let (mut session, tokenizer) = (session?, tokenizer?);
        if !options.quick_start {
            probe(&mut session, &tokenizer.encode("", Purpose::Document)?)?;
        }
        Ok(Self {
            identity: identity?,
            tokenizer,
            workers: Workers::start(session, open, options.limits())?,
        })
    }

    /// Tokenizes a part of a submission, whose first text is number `start`.
    fn encode(
        &self,
        texts: &[impl AsRef<str>],
        start: usize,
        purpose: Purpose,
    ) -> Result<Vec<Encoding>> {
        let encode = |(offset, text): (usize, _)| {
            self.tokenizer
                .encode(AsRef::as_ref(text), purpose)
                .map_err(|source| Error::Text {
                    index: start + offset,
                    source: Arc::new(source),
                })
        };
        texts.iter().enumerate().map(encode).collect()
    }

    /// Embeds one text, on the calling thread where that is possible.
    fn embed_one(&self, text: &str, purpose: Purpose) -> Result<Embeddings> {
        if Caller::current().has_left() {
            return Err(Error::Withdrawn);
        }
        let encodings = self.encode(&[text], 0, purpose)?;
        let (tokens, truncated) = (encodings[0].ids.len(), encodings[0].truncated);
        let dimension = self.identity.dimension;
        let Some(row) = self.workers.run_here(&encodings[0], purpose) else {
            let pending = self.queue_one(encodings, truncated, purpose)?;
            return pending.with_tokens(tokens).wait();
        };
        let failed = |source| Error::Text {
            index: 0,
            source: Arc::new(source),
        };
        let embeddings = Embeddings::new(dimension, row.map_err(failed)?, vec![truncated])?;
        Ok(embeddings.with_tokens(tokens))
    }

    fn queue_one(&self, one: Vec<Encoding>, truncated: bool, purpose: Purpose) -> Result<Pending> {
        let alive = Arc::new(());
        let (send, answers) = channel();
        queue(&self.workers, one, 0, (&send, &alive), purpose)?;
        let dimension = self.identity.dimension;
        Ok(Pending::waiting(dimension, vec![truncated], answers, alive))
    }
}

pub(crate) fn opener(settings: &Settings, runtime: &Path, options: &Options) -> Result<Opener> {
    let environment = runtime::environment(runtime)?;
    let layers = Arc::new(Layers::open(settings)?);
    let settings = settings.clone();
    let loading = Loading {
        quick: options.quick_start,
        threads: options.threads,
        spin: options.spin,
    };
    Ok(Box::new(move || {
        let mut session = ModelSession::open(&settings, &layers, &environment, loading)?;
        Ok(Box::new(move |batch: &[&Encoding]| session.run(batch)) as Run)
    }))
}

/// [`Embed::room`] of the model in the folder `dir`, without opening a session.
///
/// # Errors
/// As [`identity()`](crate::identity()).
pub fn room(dir: &Path) -> Result<usize> {
    Ok(TextTokenizer::open(&Settings::read(dir)?)?.document_room())
}

/// A trial run on an empty text, so that weights and settings that do not fit show now, not at the first query.
pub(crate) fn probe(session: &mut Run, empty: &Encoding) -> Result<()> {
    session(&[empty]).map(drop)
}

/// Queues a part of a submission, whose first text is number `start`, for who listens to `send` as long as `pending` lives.
pub(crate) fn queue(
    workers: &Workers,
    encodings: Vec<Encoding>,
    start: usize,
    (send, pending): (&Sender<Answer>, &Arc<()>),
    purpose: Purpose,
) -> Result<()> {
    let caller = Caller::current();
    let job = |(offset, encoding)| Job {
        encoding,
        row: start + offset,
        answers: send.clone(),
        pending: Arc::downgrade(pending),
        caller: caller.clone(),
    };
    let jobs = encodings.into_iter().enumerate().map(job);
    workers.push(jobs.collect(), purpose, start == 0)
}

impl Embed for OnnxEmbedder {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn room(&self) -> usize {
        self.tokenizer.document_room()
    }

    fn tokens(&self, text: &str) -> Result<Vec<usize>> {
        self.tokenizer.starts(text)
    }

    fn submit(&self, texts: Vec<String>, purpose: Purpose) -> Result<Pending> {
        let alive = Arc::new(());
        let (send, answers) = channel();
        let mut truncated = Vec::with_capacity(texts.len());
        let mut tokens = 0;
        for part in texts.chunks(PART) {
            let start = truncated.len();
            let encodings = self.encode(part, start, purpose)?;
            tokens += encodings
                .iter()
                .map(|encoding| encoding.ids.len())
                .sum::<usize>();
            truncated.extend(encodings.iter().map(|encoding| encoding.truncated));
            queue(&self.workers, encodings, start, (&send, &alive), purpose)?;
        }
        let dimension = self.identity.dimension;
        Ok(Pending::waiting(dimension, truncated, answers, alive).with_tokens(tokens))
    }

    fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Embeddings> {
        match texts {
            [text] => self.embed_one(text, purpose),
            _ => {
                let texts = texts.iter().map(|&text| text.to_owned()).collect();
                self.submit(texts, purpose)?.wait()
            }
        }
    }
}

impl std::fmt::Debug for OnnxEmbedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnnxEmbedder")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
