//! Worker threads, each with a session of its own, behind one bounded queue.
//!
//! Invariants: every queued text is answered, skipped because its caller left, or its channel closes: nobody waits in
//! vain. A text that fails, fails alone: the batch is halved until it is found. A panic below costs the session, which is opened anew, never the thread's
//! callers. Dropping [`Workers`] ends every thread. Which texts go together is `batch.rs`' matter.

use crate::Purpose;
use crate::batch::{Planner, Size};
use crate::caller::Caller;
use crate::embed::{Answer, LOOK};
use crate::error::{Error, Result};
use crate::pace::Pace;
use crate::tokenize::Encoding;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A session: the vectors of a batch, in its order. Owned by one thread.
pub(crate) type Run = Box<dyn FnMut(&[&Encoding]) -> Result<Vec<Vec<f32>>> + Send>;
/// Opens a session.
pub(crate) type Opener = Box<dyn Fn() -> Result<Run> + Send + Sync>;

/// A text that waits for its vector.
pub(crate) struct Job {
    pub(crate) encoding: Encoding,
    pub(crate) row: usize,
    pub(crate) answers: Sender<Answer>,
    /// Gone once what it answers to is dropped.
    pub(crate) pending: Weak<()>,
    pub(crate) caller: Caller,
}

impl Job {
    fn is_wanted(&self) -> bool {
        self.pending.strong_count() > 0 && !self.caller.has_left()
    }

    /// Nobody listening is no error: the caller left.
    fn answer(&self, answer: Result<Vec<f32>, Arc<Error>>) {
        let _ = self.answers.send((self.row, answer));
    }
}

/// How many sessions and how much waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Sessions at most; at least 1.
    pub(crate) sessions: usize,
    /// The largest batch.
    pub(crate) batch: Size,
    /// How long a batch may take, by what the ones before it took.
    pub(crate) longest_batch: Duration,
    /// How long a text may wait for others to fill its batch.
    pub(crate) longest_wait: Duration,
    /// Texts per lane.
    pub(crate) queue_texts: usize,
}

/// The threads and their queue.
pub(crate) struct Workers(Arc<Shared>);

struct Shared {
    limits: Limits,
    open: Opener,
    state: Mutex<State>,
    /// Something was queued, or the end came.
    work: Condvar,
    /// Something left the queue, or the end came.
    room: Condvar,
}

struct State {
    planner: Planner<Job>,
    pace: Pace,
    /// Since when something has been waiting.
    since: Option<Instant>,
    workers: usize,
    idle: usize,
    closed: bool,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts one worker with the session `first`; further ones are opened by `open` when there is a backlog.
    pub(crate) fn start(first: Run, open: Opener, limits: Limits) -> Result<Self> {
        let state = State {
            planner: Planner::new(limits.batch),
            pace: Pace::default(),
            since: None,
            workers: 0,
            idle: 0,
            closed: false,
            threads: Vec::new(),
        };
        let shared = Arc::new(Shared {
            limits,
            open,
            state: Mutex::new(state),
            work: Condvar::new(),
            room: Condvar::new(),
        });
        let mut state = shared.lock();
        shared.spawn(&mut state, Some(first));
        let started = state.workers > 0;
        drop(state);
        if started {
            Ok(Self(shared))
        } else {
            Err(Error::Closed)
        }
    }

    /// Queues part of a submission: `first` is its first part, the only one that a full queue of queries refuses.
    pub(crate) fn push(&self, jobs: Vec<Job>, purpose: Purpose, first: bool) -> Result<()> {
        let caller = Caller::current();
        let mut state = self.0.lock();
        match purpose {
            Purpose::Query if first => self.0.admit(&mut state)?,
            Purpose::Query => {}
            Purpose::Document => state = self.0.wait_for_room(state, &caller)?,
        }
        if caller.has_left() {
            return Err(Error::Withdrawn);
        }
        state.since.get_or_insert_with(Instant::now);
        for job in jobs {
            state.planner.push(purpose, job.encoding.ids.len(), job);
        }
        self.0.grow(&mut state);
        if state.workers == 0 {
            return Err(Error::Closed);
        }
        self.0.work.notify_all();
        Ok(())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let threads = {
            let mut state = self.0.lock();
            state.closed = true;
            drop(state.planner.drain());
            std::mem::take(&mut state.threads)
        };
        self.0.work.notify_all();
        self.0.room.notify_all();
        for thread in threads {
            // Panics end within the thread.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// No code panics while it holds the lock, except on lack of memory: the state is whole even then.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_full(&self, state: &mut State, purpose: Purpose) -> bool {
        if state.planner.len(purpose) >= self.limits.queue_texts {
            state.planner.retain(Job::is_wanted);
        }
        state.planner.len(purpose) >= self.limits.queue_texts
    }

    fn admit(&self, state: &mut State) -> Result<()> {
        if self.is_full(state, Purpose::Query) {
            let queued = state.planner.len(Purpose::Query);
            return Err(Error::Overloaded {
                queued,
                limit: self.limits.queue_texts,
            });
        }
        Ok(())
    }

    /// Waits until there is room for documents, or `caller` left.
    fn wait_for_room<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        caller: &Caller,
    ) -> Result<MutexGuard<'a, State>> {
        while !state.closed
            && !caller.has_left()
            && state.workers > 0
            && self.is_full(&mut state, Purpose::Document)
        {
            let woken = self.room.wait_timeout(state, LOOK);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.closed {
            Err(Error::Closed)
        } else {
            Ok(state)
        }
    }

    /// Starts another worker when texts wait and no worker is idle.
    fn grow(self: &Arc<Self>, state: &mut State) {
        let backlog = !state.planner.is_empty() && state.idle == 0;
        if backlog && state.workers < self.limits.sessions && !state.closed {
            self.spawn(state, None);
        }
    }

    /// Failing to start a thread leaves the workers that there are.
    fn spawn(self: &Arc<Self>, state: &mut State, session: Option<Run>) {
        let shared = Arc::clone(self);
        let name = format!("embedder-{}", state.workers);
        let life = move || {
            let ended = catch_unwind(AssertUnwindSafe(|| shared.work(session)));
            ended.unwrap_or_else(|panic| shared.retire(Error::panicked("worker", &*panic)));
        };
        if let Ok(thread) = std::thread::Builder::new().name(name).spawn(life) {
            state.workers += 1;
            state.threads.retain(|thread| !thread.is_finished());
            state.threads.push(thread);
        }
    }

    /// A worker's life: one batch after the other until the end, or until no session can be had.
    fn work(self: &Arc<Self>, mut session: Option<Run>) {
        loop {
            if session.is_none() {
                match open_caught(&self.open) {
                    Ok(opened) => session = Some(opened),
                    Err(error) => return self.retire(error),
                }
            }
            let Some(batch) = self.next() else { return };
            let began = Instant::now();
            if answer(&batch, &mut session, &self.open) {
                let longest = batch.iter().map(|job| job.encoding.ids.len()).max();
                let tokens = longest.unwrap_or(0) * batch.len();
                self.lock().pace.observe(tokens, began.elapsed());
            }
        }
    }

    /// The next batch of wanted texts; nothing at the end.
    fn next(self: &Arc<Self>) -> Option<Vec<Job>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(rest) = self.time_to_fill(&state) {
                state = self.sleep(state, Some(rest));
                continue;
            }
            match self.take(&mut state) {
                Some(batch) if batch.is_empty() => {}
                Some(batch) => {
                    self.grow(&mut state);
                    return Some(batch);
                }
                None => state = self.sleep(state, None),
            }
        }
    }

    /// The wanted texts of the planner's next batch; nothing when nothing waits.
    fn take(&self, state: &mut State) -> Option<Vec<Job>> {
        let Limits {
            batch,
            longest_batch,
            ..
        } = self.limits;
        let tokens = state.pace.budget(batch.tokens, longest_batch);
        state.planner.set_tokens(tokens);
        let workers = state.workers;
        let mut batch = state.planner.next(workers)?;
        if state.planner.is_empty() {
            state.since = None;
        }
        self.room.notify_all();
        batch.retain(Job::is_wanted);
        Some(batch)
    }

    /// How long what waits may still wait for more.
    fn time_to_fill(&self, state: &State) -> Option<Duration> {
        let waited = state.since?.elapsed();
        let rest = self.limits.longest_wait.checked_sub(waited)?;
        let may_wait = !rest.is_zero() && !state.planner.is_empty();
        (may_wait && !state.planner.has_a_full_batch()).then_some(rest)
    }

    /// Waits for work, at most so long.
    fn sleep<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        most: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        state.idle += 1;
        let mut state = match most {
            None => self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            Some(most) => {
                let woken = self.work.wait_timeout(state, most);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.idle -= 1;
        state
    }

    /// Gives up this worker. The last one answers all that wait; a later submission tries again.
    fn retire(&self, error: Error) {
        let mut state = self.lock();
        state.workers -= 1;
        if state.workers == 0 {
            let error = Arc::new(error);
            for job in state.planner.drain() {
                job.answer(Err(Arc::clone(&error)));
            }
            self.room.notify_all();
        }
    }
}

/// Answers every text of `batch`; whether it went through as a whole. When it fails, its halves are tried, down to the texts
/// at fault, so that only these fail.
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

/// Runs a batch; a panic costs the session, since nobody knows what state it is in.
fn attempt(batch: &[&Encoding], session: &mut Option<Run>, open: &Opener) -> Result<Vec<Vec<f32>>> {
    let mut run = match session.take() {
        Some(run) => run,
        None => open_caught(open)?,
    };
    let rows = catch_unwind(AssertUnwindSafe(|| run(batch)))
        .map_err(|panic| Error::panicked("model", &*panic))?;
    *session = Some(run);
    rows
}

fn open_caught(open: &Opener) -> Result<Run> {
    catch_unwind(AssertUnwindSafe(open))
        .unwrap_or_else(|panic| Err(Error::panicked("model", &*panic)))
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
