//! A queued text, and how a session embeds a batch of them.

use crate::caller::Caller;
use crate::embed::Answer;
use crate::error::{Error, Result};
use crate::tokenize::Encoding;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// A session: embeds a batch, in its order. Used by one thread at a time.
pub(crate) type Run = Box<dyn FnMut(&[&Encoding]) -> Result<Vec<Vec<f32>>> + Send>;
/// Opens a session.
pub(crate) type Opener = Box<dyn Fn() -> Result<Run> + Send + Sync>;

/// A queued text.
pub(crate) struct Job {
    pub(crate) encoding: Encoding,
    pub(crate) row: usize,
    pub(crate) answers: Sender<Answer>,
    /// Dead once the submission's `Pending` is dropped.
    pub(crate) pending: Weak<()>,
    pub(crate) caller: Caller,
}

impl Job {
    pub(crate) fn is_wanted(&self) -> bool {
        self.pending.strong_count() > 0 && !self.caller.has_left()
    }

    /// A closed channel is no error: the caller left.
    pub(crate) fn answer(&self, answer: Result<Vec<f32>, Arc<Error>>) {
        let _ = self.answers.send((self.row, answer));
    }
}

/// The outcome of a batch.
#[derive(Default)]
pub(crate) struct Outcome {
    /// `None` when it was lost.
    pub(crate) session: Option<Run>,
    /// Padded tokens.
    pub(crate) tokens: usize,
    /// How long it took, if it was not split.
    pub(crate) took: Option<Duration>,
}

impl Outcome {
    /// Answers every text of `batch`.
    pub(crate) fn of(batch: &[Job], session: Run, open: &Opener) -> Self {
        let longest = batch.iter().map(|job| job.encoding.ids.len()).max();
        let mut session = Some(session);
        let began = Instant::now();
        let whole = answer(batch, &mut session, open);
        Self {
            session,
            tokens: longest.unwrap_or(0) * batch.len(),
            took: whole.then(|| began.elapsed()),
        }
    }
}

/// Answers every text of `batch` and returns whether it ran as a whole. A batch that fails is split in halves, down to the
/// texts at fault, so that only these fail.
fn answer(batch: &[Job], session: &mut Option<Run>, open: &Opener) -> bool {
    let encodings: Vec<&Encoding> = batch.iter().map(|job| &job.encoding).collect();
    match (attempt(&encodings, session, open), batch) {
        (Ok(rows), _) => {
            let answered = batch.iter().zip(rows);
            answered.for_each(|(job, row)| job.answer(Ok(row)));
            return true;
        }
        (Err(error), [job]) => job.answer(Err(Arc::new(error))),
        (Err(_), _) => {
            let (first, second) = batch.split_at(batch.len() / 2);
            answer(first, session, open);
            answer(second, session, open);
        }
    }
    false
}

/// Runs a batch; a panic costs the session, whose state is then unknown.
pub(crate) fn attempt(
    batch: &[&Encoding],
    session: &mut Option<Run>,
    open: &Opener,
) -> Result<Vec<Vec<f32>>> {
    let mut run = match session.take() {
        Some(run) => run,
        None => open_caught(open)?,
    };
    let rows = catch_unwind(AssertUnwindSafe(|| run(batch)))
        .map_err(|panic| Error::panicked("model", &*panic))?;
    *session = Some(run);
    rows
}

pub(crate) fn open_caught(open: &Opener) -> Result<Run> {
    catch_unwind(AssertUnwindSafe(open))
        .unwrap_or_else(|panic| Err(Error::panicked("model", &*panic)))
}
