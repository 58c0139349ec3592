//! The threads' promises, on sessions that the tests make: no model is needed.
//!
//! A made session answers each text with its first token, so that a test sees which answer went where. Texts of token
//! [`BAD`] fail, of [`PANIC`] panic, of [`WAIT`] wait until the test lets them go on.

use super::*;
use crate::embed::Pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

mod waiting;

mod beside;

const BAD: u32 = 1001;
const PANIC: u32 = 1002;
const WAIT: u32 = 1003;

/// What the test controls and sees of its sessions.
#[derive(Clone)]
struct Rig {
    opened: Arc<AtomicUsize>,
    batches: Arc<Mutex<Vec<Vec<u32>>>>,
    gate: Arc<Mutex<Receiver<()>>>,
    /// Sessions that may be opened; more fail.
    allowed: usize,
}

impl Rig {
    /// The rig and what opens its gate, once per message, for good when dropped.
    fn new(allowed: usize) -> (Self, Sender<()>) {
        let (release, gate) = channel();
        let gate = Arc::new(Mutex::new(gate));
        (
            Self {
                opened: Arc::default(),
                batches: Arc::default(),
                gate,
                allowed,
            },
            release,
        )
    }

    fn open(&self) -> Result<Run> {
        if self.opened.fetch_add(1, Ordering::SeqCst) >= self.allowed {
            return Err(Error::ModelLoad {
                path: "gone.onnx".into(),
                source: "no such file".into(),
            });
        }
        let rig = self.clone();
        Ok(Box::new(move |batch: &[&Encoding]| rig.run(batch)))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the tokens of these tests are small"
    )]
    fn run(&self, batch: &[&Encoding]) -> Result<Vec<Vec<f32>>> {
        let tokens: Vec<u32> = batch.iter().map(|encoding| encoding.ids[0]).collect();
        self.batches.lock().unwrap().push(tokens.clone());
        if tokens.contains(&WAIT) {
            let _ = self.gate.lock().unwrap().recv();
        }
        assert!(!tokens.contains(&PANIC), "made to panic");
        if tokens.contains(&BAD) {
            return Err(Error::Run {
                source: "bad text".into(),
            });
        }
        Ok(tokens.into_iter().map(|token| vec![token as f32]).collect())
    }

    fn start(&self, limits: Limits) -> Workers {
        let (first, rig) = (self.open().unwrap(), self.clone());
        Workers::start(first, Box::new(move || rig.open()), limits).unwrap()
    }

    fn batches(&self) -> Vec<Vec<u32>> {
        self.batches.lock().unwrap().clone()
    }

    /// Waits until the sessions have begun `count` batches.
    fn await_batches(&self, count: usize) {
        while self.batches().len() < count {
            std::thread::yield_now();
        }
    }
}

fn limits(sessions: usize, queue_texts: usize) -> Limits {
    Limits {
        share: Share {
            sessions,
            for_queries: 0,
        },
        nice: 10,
        batch: Size {
            tokens: 8,
            texts: 100,
        },
        longest_batch: Duration::MAX,
        longest_wait: Duration::ZERO,
        queue_texts,
    }
}

fn jobs(tokens: &[u32]) -> (Vec<Job>, Pending) {
    let (answers, receive) = channel();
    let alive = Arc::new(());
    let job = |(row, &token)| Job {
        encoding: Encoding {
            ids: vec![token; 4],
            type_ids: vec![0; 4],
            prompt: 0,
            truncated: false,
        },
        row,
        answers: answers.clone(),
        pending: Arc::downgrade(&alive),
        caller: Caller::current(),
    };
    let jobs = tokens.iter().enumerate().map(job).collect();
    (
        jobs,
        Pending::waiting(1, vec![false; tokens.len()], receive, alive),
    )
}

fn submit(workers: &Workers, tokens: &[u32], purpose: Purpose) -> Result<Pending> {
    let (jobs, pending) = jobs(tokens);
    workers.push(jobs, purpose, true).map(|()| pending)
}

fn rows(pending: Pending) -> Vec<f32> {
    pending.wait().unwrap().into_data()
}

#[test]
fn every_caller_gets_its_own_rows_in_order() {
    let (rig, _release) = Rig::new(4);
    let workers = rig.start(limits(3, 1000));
    std::thread::scope(|scope| {
        for caller in 0..8_u16 {
            let workers = &workers;
            scope.spawn(move || {
                let tokens: Vec<u32> = (0..50).map(|text| u32::from(caller) * 100 + text).collect();
                let purpose = if caller % 2 == 0 {
                    Purpose::Query
                } else {
                    Purpose::Document
                };
                let expected: Vec<f32> = (0..50_u16)
                    .map(|text| f32::from(caller * 100 + text))
                    .collect();
                assert_eq!(rows(submit(workers, &tokens, purpose).unwrap()), expected);
            });
        }
    });
}

#[test]
fn a_text_that_fails_fails_alone() {
    let (rig, release) = Rig::new(1);
    let workers = rig.start(limits(1, 100));
    let blocker = submit(&workers, &[WAIT], Purpose::Document).unwrap();
    rig.await_batches(1);
    let good = submit(&workers, &[1], Purpose::Query).unwrap();
    let bad = submit(&workers, &[BAD], Purpose::Query).unwrap();
    drop(release);
    assert_eq!(rows(good), [1.0]);
    assert_eq!(
        bad.wait().unwrap_err().to_string(),
        "text 0 cannot be embedded: ONNX Runtime failed: bad text"
    );
    assert_eq!(
        rig.batches(),
        [vec![WAIT], vec![1, BAD], vec![1], vec![BAD]],
        "together first, then each alone"
    );
    drop(blocker);
}

#[test]
fn a_panic_costs_the_session_and_only_its_text() {
    let (rig, release) = Rig::new(10);
    let workers = rig.start(limits(1, 100));
    let blocker = submit(&workers, &[WAIT], Purpose::Document).unwrap();
    rig.await_batches(1);
    let good = submit(&workers, &[1], Purpose::Query).unwrap();
    let bad = submit(&workers, &[PANIC], Purpose::Query).unwrap();
    drop(release);
    assert_eq!(rows(good), [1.0]);
    let message = bad.wait().unwrap_err().to_string();
    assert!(
        message.contains("the model panicked on it: made to panic"),
        "{message}"
    );
    assert_eq!(
        rows(submit(&workers, &[2], Purpose::Query).unwrap()),
        [2.0],
        "the worker goes on"
    );
    assert!(
        rig.opened.load(Ordering::SeqCst) >= 3,
        "each panic costs a session"
    );
    drop(blocker);
}

#[test]
fn further_sessions_open_only_when_texts_wait() {
    let (rig, release) = Rig::new(2);
    let workers = rig.start(limits(2, 100));
    for token in 0..20 {
        let row = rows(submit(&workers, &[token], Purpose::Query).unwrap());
        assert_eq!(row.len(), 1);
    }
    let alone = rig.opened.load(Ordering::SeqCst);
    let blocker = submit(&workers, &[WAIT], Purpose::Query).unwrap();
    rig.await_batches(21);
    assert_eq!(
        rows(submit(&workers, &[7], Purpose::Query).unwrap()),
        [7.0],
        "answered beside the blocked session"
    );
    assert_eq!(rig.opened.load(Ordering::SeqCst), 2);
    assert!(alone <= 2, "{alone}");
    drop(release);
    drop(blocker);
}

#[test]
fn queries_overtake_documents() {
    let (rig, release) = Rig::new(1);
    let workers = rig.start(limits(1, 100));
    let blocker = submit(&workers, &[WAIT], Purpose::Query).unwrap();
    rig.await_batches(1);
    let documents = submit(&workers, &[1, 2, 3, 4], Purpose::Document).unwrap();
    let query = submit(&workers, &[9], Purpose::Query).unwrap();
    drop(release);
    assert_eq!((rows(query), rows(documents).len()), (vec![9.0], 4));
    let order = rig.batches();
    let place = |token| {
        order
            .iter()
            .position(|batch| batch.contains(&token))
            .unwrap()
    };
    assert!(
        place(9) <= 2,
        "at most one batch of documents comes first: {order:?}"
    );
    drop(blocker);
}

#[test]
fn callers_that_left_are_skipped() {
    let (rig, release) = Rig::new(1);
    let workers = rig.start(limits(1, 100));
    let blocker = submit(&workers, &[WAIT], Purpose::Query).unwrap();
    rig.await_batches(1);
    drop(submit(&workers, &[5, 6], Purpose::Document).unwrap());
    let last = submit(&workers, &[7], Purpose::Document).unwrap();
    drop(release);
    assert_eq!(rows(last), [7.0]);
    assert_eq!(rig.batches().concat(), [WAIT, 7]);
    drop(blocker);
}

#[test]
fn a_full_queue_refuses_queries_and_room_is_made_by_those_who_leave() {
    let (rig, release) = Rig::new(1);
    let workers = rig.start(limits(1, 3));
    let blocker = submit(&workers, &[WAIT], Purpose::Query).unwrap();
    rig.await_batches(1);
    let waiting = submit(&workers, &[1, 2, 3, 4], Purpose::Query).unwrap();
    let error = submit(&workers, &[5], Purpose::Query).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Overloaded {
                queued: 4,
                limit: 3
            }
        ),
        "{error}"
    );
    drop(waiting);
    let accepted = submit(&workers, &[6], Purpose::Query).unwrap();
    drop(release);
    assert_eq!(rows(accepted), [6.0]);
    drop(blocker);
}

#[test]
fn a_full_queue_holds_documents_back_until_there_is_room() {
    let (rig, release) = Rig::new(1);
    let workers = rig.start(limits(1, 2));
    let blocker = submit(&workers, &[WAIT], Purpose::Query).unwrap();
    rig.await_batches(1);
    let first = submit(&workers, &[1, 2], Purpose::Document).unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| submit(&workers, &[3], Purpose::Document).map(rows));
        let seen = rig.batches();
        drop(release);
        assert_eq!(second.join().unwrap().unwrap(), [3.0]);
        assert_eq!(seen, [[WAIT]], "nothing ran before the gate opened");
    });
    assert_eq!(rows(first), [1.0, 2.0]);
    drop(blocker);
}

#[test]
fn dropping_the_workers_closes_what_waits() {
    let (rig, release) = Rig::new(1);
    let workers = rig.start(limits(1, 100));
    let blocker = submit(&workers, &[WAIT], Purpose::Query).unwrap();
    rig.await_batches(1);
    let waiting = submit(&workers, &[1], Purpose::Document).unwrap();
    let closing = std::thread::spawn(move || drop(workers));
    assert!(
        matches!(waiting.wait(), Err(Error::Closed)),
        "closed while the running batch still runs"
    );
    drop(release);
    closing.join().unwrap();
    assert_eq!(rows(blocker), [1003.0], "what runs is finished");
}

#[test]
fn when_no_session_can_be_had_callers_are_told_and_later_ones_try_again() {
    let (rig, _release) = Rig::new(1);
    let workers = rig.start(limits(1, 100));
    let message = submit(&workers, &[PANIC], Purpose::Query)
        .unwrap()
        .wait()
        .unwrap_err()
        .to_string();
    assert!(message.contains("panicked"), "{message}");
    for _ in 0..3 {
        let error = submit(&workers, &[1], Purpose::Query)
            .and_then(Pending::wait)
            .unwrap_err();
        assert!(
            error.to_string().contains("gone.onnx") || matches!(error, Error::Closed),
            "{error}"
        );
    }
}

#[test]
fn one_session_that_cannot_be_opened_leaves_the_others_at_work() {
    let (rig, _release) = Rig::new(1);
    let workers = rig.start(limits(4, 1000));
    let tokens: Vec<u32> = (0..100).collect();
    assert_eq!(
        rows(submit(&workers, &tokens, Purpose::Document).unwrap()).len(),
        100
    );
}
