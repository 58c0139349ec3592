//! Worker threads, one for each session, behind one bounded queue; and the way around it, for a text that finds nobody before it.
//!
//! Invariants: every queued text is answered, skipped because its caller left, or its channel closes: nobody waits in
//! vain. A text that fails, fails alone: the batch is halved until it is found. A panic below costs the session, which a
//! thread opens anew, never the thread's callers. Dropping [`Workers`] ends every thread. Which texts go together is
//! `batch.rs`' matter, who has a session that of `slots.rs`.

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

/// How many sessions and how much waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) share: Share,
    /// How far documents make way for all else, as nice(1) has it.
    pub(crate) nice: u8,
    /// The largest batch.
    pub(crate) batch: Size,
    /// How long a batch may take, by what the ones before it took.
    pub(crate) longest_batch: Duration,
    /// How long a text may wait for others to fill its batch.
    pub(crate) longest_wait: Duration,
    /// Texts per lane.
    pub(crate) queue_texts: usize,
}

/// What a worker is to do.
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
    /// As many sessions as threads.
    slots: Slots<Run>,
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
        if state.slots.total() == 0 {
            return Err(Error::Closed);
        }
        self.0.work.notify_all();
        Ok(())
    }

    /// The vector of a text by itself, made in this thread: where nothing waits and a session is free, handing the text to
    /// another thread and its vector back would take a good part of a short text's time. Nothing where it has to be queued.
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

    /// Starts another worker when texts wait that a further session would be used for.
    fn grow(self: &Arc<Self>, state: &mut State) {
        let waits = |purpose| state.planner.len(purpose) > 0;
        let is_short = waits(Purpose::Query) && state.slots.is_short(Content::Queries)
            || waits(Purpose::Document) && state.slots.is_short(Content::Documents);
        if is_short && !state.closed {
            self.spawn(state, None);
        }
    }

    /// Failing to start a thread leaves the workers that there are.
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

    /// A worker's life: one batch after the other until the end, or until no session can be had.
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

    /// Runs a batch that has documents, by the worker's own thread for them where there is to be one and one can be had.
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
            // Perhaps the thread is lost with it.
            *bulk = None;
        }
        outcome
    }

    /// What a worker does next; waits for it.
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

    /// The wanted texts of the planner's next batch, and a session for it; nothing when nothing waits or none is to be had.
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
        let content = match state.planner.len(Purpose::Document) < documents {
            true => Content::Documents,
            false => Content::Queries,
        };
        if state.planner.is_empty() {
            state.since = None;
        }
        self.room.notify_all();
        batch.retain(Job::is_wanted);
        let session = state.slots.take(content)?;
        Some((batch, content, session))
    }

    /// A session for a text that has none before it. Documents that wait are passed by queries alone, and only while others
    /// of them are embedded: else callers who come again and again would keep the sessions from them.
    fn take_idle(&self, content: Content) -> Option<Run> {
        let mut state = self.lock();
        let passes = content == Content::Queries && state.slots.run_documents();
        let first = state.planner.len(Purpose::Query) == 0
            && (passes || state.planner.len(Purpose::Document) == 0);
        match first && self.limits.longest_wait.is_zero() && !state.closed {
            true => state.slots.take(content),
            false => None,
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

    /// Gives up this worker. The last one answers all that wait; a later submission tries again.
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
