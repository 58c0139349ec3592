//! Worker threads, one per session, behind one bounded queue; and a way around it, for a text that finds the queue empty.
//!
//! Invariants: every queued text is answered, or skipped because its caller left, or its channel closes, so that no caller
//! waits forever. A text that fails, fails alone: its batch is bisected. A panic below costs the session, which is reopened,
//! and never the callers. Dropping [`Workers`] joins every thread. `batch` decides which texts go together, `slots` which
//! batch gets a session.

mod batch;
mod bulk;
mod job;
mod pace;
mod slots;

pub(crate) use batch::Size;
pub(crate) use job::{Job, Opener, Run};
pub(crate) use slots::Share;

use crate::Purpose;
use crate::caller::Caller;
use crate::embed::LOOK;
use crate::error::{Error, Result};
use crate::tokenize::Encoding;
use batch::Planner;
use bulk::Bulk;
use job::{Outcome, attempt, open_caught};
use pace::Pace;
use slots::{Content, Slots};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Limits of sessions, batches and queues.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) share: Share,
    /// The priority of document batches, as in nice(1).
    pub(crate) nice: u8,
    /// The largest batch.
    pub(crate) batch: Size,
    /// How long a batch may take, estimated from those before it.
    pub(crate) longest_batch: Duration,
    /// How long a text may wait for others to fill its batch.
    pub(crate) longest_wait: Duration,
    /// Texts per lane.
    pub(crate) queue_texts: usize,
}

/// A worker's next task.
enum Task {
    /// A batch, with a session taken for it.
    Run(Vec<Job>, Content, Run),
    /// Open a session.
    Open,
    End,
}

/// The threads and their queue.
pub(crate) struct Workers(Arc<Shared>);

struct Shared {
    limits: Limits,
    open: Opener,
    state: Mutex<State>,
    /// Signals that texts were queued, or the end.
    work: Condvar,
    /// Signals that the queue has room, or the end.
    room: Condvar,
}

struct State {
    planner: Planner<Job>,
    pace: Pace,
    /// Since when the queue has not been empty.
    since: Option<Instant>,
    /// As many sessions as threads.
    slots: Slots<Run>,
    closed: bool,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts one worker with the session `first`; `open` opens more when there is a backlog.
    pub(crate) fn start(first: Run, open: Opener, limits: Limits) -> Result<Self> {
        let state = State {
            planner: Planner::new(limits.batch),
            pace: Pace::default(),
            since: None,
            slots: Slots::new(limits.share),
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
        let started = state.slots.total() > 0;
        drop(state);
        if started {
            Ok(Self(shared))
        } else {
            Err(Error::Closed)
        }
    }

    /// Queues part of a submission. A full queue of queries refuses only a submission's `first` part; a full queue of documents
    /// blocks (back-pressure).
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
        if state.slots.total() == 0 {
            return Err(Error::Closed);
        }
        self.0.work.notify_all();
        Ok(())
    }

    /// Embeds one text on the calling thread: with an empty queue and a free session, the hand-over to a worker and back would
    /// be a good part of a short text's latency. `None` where the text has to be queued.
    pub(crate) fn run_here(&self, text: &Encoding, purpose: Purpose) -> Option<Result<Vec<f32>>> {
        let content = match purpose {
            Purpose::Query => Content::Queries,
            Purpose::Document => Content::Documents,
        };
        let mut session = Some(self.0.take_idle(content)?);
        let began = Instant::now();
        let rows = attempt(&[text], &mut session, &self.0.open);
        let outcome = Outcome {
            session,
            tokens: text.ids.len(),
            took: rows.is_ok().then(|| began.elapsed()),
        };
        self.0.end(outcome, content);
        Some(rows.and_then(|rows| rows.into_iter().next().ok_or(Error::Closed)))
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
            // Panics are caught within the thread.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// No code panics while it holds the lock except for lack of memory, and the state is consistent even then.
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

    /// Blocks until there is room for documents, or `caller` leaves.
    fn wait_for_room<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        caller: &Caller,
    ) -> Result<MutexGuard<'a, State>> {
        while !state.closed
            && !caller.has_left()
            && state.slots.total() > 0
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

    /// Starts another worker when queued texts would use one more session.
    fn grow(self: &Arc<Self>, state: &mut State) {
        let waits = |purpose| state.planner.len(purpose) > 0;
        let is_short = waits(Purpose::Query) && state.slots.is_short(Content::Queries)
            || waits(Purpose::Document) && state.slots.is_short(Content::Documents);
        if is_short && !state.closed {
            self.spawn(state, None);
        }
    }

    /// Where no thread can be started, the existing workers go on.
    fn spawn(self: &Arc<Self>, state: &mut State, session: Option<Run>) {
        let shared = Arc::clone(self);
        let name = format!("embedder-{}", state.slots.total());
        let life = move || {
            let ended = catch_unwind(AssertUnwindSafe(|| shared.work()));
            ended.unwrap_or_else(|panic| shared.retire(Error::panicked("worker", &*panic)));
        };
        if let Ok(thread) = std::thread::Builder::new().name(name).spawn(life) {
            state.slots.add(session);
            state.threads.retain(|thread| !thread.is_finished());
            state.threads.push(thread);
        }
    }

    /// A worker's loop: batch after batch until the end, or until no session opens.
    fn work(self: &Arc<Self>) {
        let mut bulk = None;
        loop {
            match self.next() {
                Task::End => return,
                Task::Open => match open_caught(&self.open) {
                    Ok(session) => self.lock().slots.put(Some(session)),
                    Err(error) => return self.retire(error),
                },
                Task::Run(batch, content, session) => {
                    let outcome = match content {
                        Content::Documents => self.run_documents(&mut bulk, batch, session),
                        Content::Queries => Outcome::of(&batch, session, &self.open),
                    };
                    self.end(outcome, content);
                }
            }
        }
    }

    /// Runs a batch with documents, on the worker's low-priority thread if it has one.
    fn run_documents(
        self: &Arc<Self>,
        bulk: &mut Option<Bulk>,
        batch: Vec<Job>,
        session: Run,
    ) -> Outcome {
        if bulk.is_none() && self.limits.nice > 0 {
            let shared = Arc::clone(self);
            let work = move |batch: Vec<Job>, session| Outcome::of(&batch, session, &shared.open);
            *bulk = Bulk::start(self.limits.nice, work).ok();
        }
        let Some(thread) = bulk else {
            return Outcome::of(&batch, session, &self.open);
        };
        let outcome = thread.run(batch, session);
        if outcome.session.is_none() {
            // The thread may be lost with it.
            *bulk = None;
        }
        outcome
    }

    /// Blocks until there is a next task.
    fn next(self: &Arc<Self>) -> Task {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Task::End;
            }
            if state.slots.unopened() {
                return Task::Open;
            }
            if let Some(rest) = self.time_to_fill(&state) {
                state = self.sleep(state, Some(rest));
                continue;
            }
            match self.take(&mut state) {
                Some((batch, content, session)) if batch.is_empty() => {
                    state.slots.give_back(Some(session), content);
                }
                Some((batch, content, session)) => {
                    self.grow(&mut state);
                    return Task::Run(batch, content, session);
                }
                None => state = self.sleep(state, None),
            }
        }
    }

    /// The planner's next batch, without withdrawn texts, and a session for it; `None` when the queue is empty or no session is
    /// free.
    fn take(&self, state: &mut State) -> Option<(Vec<Job>, Content, Run)> {
        let limits = &self.limits;
        let tokens = state.pace.budget(limits.batch.tokens, limits.longest_batch);
        state.planner.set_tokens(tokens);
        let documents = state.planner.len(Purpose::Document);
        let workers = state.slots.sharers();
        let mut batch = if state.slots.admits(Content::Documents) {
            state.planner.next(workers)?
        } else if state.slots.admits(Content::Queries) {
            state.planner.next_of_queries(workers)?
        } else {
            return None;
        };
        let content = if state.planner.len(Purpose::Document) < documents {
            Content::Documents
        } else {
            Content::Queries
        };
        if state.planner.is_empty() {
            state.since = None;
        }
        self.room.notify_all();
        batch.retain(Job::is_wanted);
        let session = state.slots.take(content)?;
        Some((batch, content, session))
    }

    /// A session for a text with none queued before it. Only queries overtake queued documents, and only while other documents
    /// are being embedded: otherwise callers that keep coming back would starve them.
    fn take_idle(&self, content: Content) -> Option<Run> {
        let mut state = self.lock();
        let passes = content == Content::Queries && state.slots.run_documents();
        let first = state.planner.len(Purpose::Query) == 0
            && (passes || state.planner.len(Purpose::Document) == 0);
        if first && self.limits.longest_wait.is_zero() && !state.closed {
            state.slots.take(content)
        } else {
            None
        }
    }

    /// Takes a session back after a batch.
    fn end(&self, outcome: Outcome, content: Content) {
        let mut state = self.lock();
        let lost = outcome.session.is_none();
        state.slots.give_back(outcome.session, content);
        if let Some(took) = outcome.took {
            state.pace.observe(outcome.tokens, took);
        }
        if lost || !state.planner.is_empty() {
            self.work.notify_all();
        }
    }

    /// How much longer the queue may wait for more texts.
    fn time_to_fill(&self, state: &State) -> Option<Duration> {
        let waited = state.since?.elapsed();
        let rest = self.limits.longest_wait.checked_sub(waited)?;
        let may_wait = !rest.is_zero() && !state.planner.is_empty();
        (may_wait && !state.planner.has_a_full_batch()).then_some(rest)
    }

    /// Waits for work, for at most `most`.
    fn sleep<'a>(
        &self,
        state: MutexGuard<'a, State>,
        most: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        match most {
            None => self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            Some(most) => {
                let woken = self.work.wait_timeout(state, most);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// Ends this worker. The last one fails all queued texts; a later submission tries again.
    fn retire(&self, error: Error) {
        let mut state = self.lock();
        state.slots.lose();
        if state.slots.total() == 0 {
            let error = Arc::new(error);
            for job in state.planner.drain() {
                job.answer(Err(Arc::clone(&error)));
            }
            self.room.notify_all();
        }
    }
}

#[cfg(test)]
mod tests;
