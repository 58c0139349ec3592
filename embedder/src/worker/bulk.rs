//! Batches of documents in a thread of low priority, so that all else that the machine does goes before them: a search that
//! shares its cores with an import then waits for the cores hardly at all. A thread of its own, as one cannot raise its
//! priority again.

use super::job::{Job, Outcome, Run};
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

type Parcel = (Vec<Job>, Run);

/// The thread. Dropping it waits for what it does.
pub(crate) struct Bulk {
    parcels: Option<Sender<Parcel>>,
    outcomes: Receiver<Outcome>,
    thread: Option<JoinHandle<()>>,
}

impl Bulk {
    /// Starts the thread, at the priority `nice`, which does `work` for each batch.
    pub(crate) fn start(
        nice: u8,
        work: impl Fn(Vec<Job>, Run) -> Outcome + Send + 'static,
    ) -> io::Result<Self> {
        let (parcels, taken) = channel::<Parcel>();
        let (done, outcomes) = channel();
        let life = move || {
            lower_priority(nice);
            for (batch, session) in taken {
                if done.send(work(batch, session)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("embedder-bulk".to_owned());
        Ok(Self {
            parcels: Some(parcels),
            outcomes,
            thread: Some(thread.spawn(life)?),
        })
    }

    /// Waits for a batch to be done. Its session is lost, and its callers are told, where the thread came to an end.
    pub(crate) fn run(&self, batch: Vec<Job>, session: Run) -> Outcome {
        let sent = self.parcels.as_ref().map(|all| all.send((batch, session)));
        match sent {
            Some(Ok(())) => self.outcomes.recv().unwrap_or_default(),
            _ => Outcome::default(),
        }
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        self.parcels = None;
        if let Some(thread) = self.thread.take() {
            // Panics end within the thread.
            let _ = thread.join();
        }
    }
}

/// Of this thread alone, as Linux has it. Refused, it leaves the priority as it was.
#[cfg(target_os = "linux")]
fn lower_priority(nice: u8) {
    let _ = rustix::process::setpriority_process(None, i32::from(nice));
}

#[cfg(not(target_os = "linux"))]
fn lower_priority(_: u8) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Run {
        Box::new(|_| Ok(Vec::new()))
    }

    #[test]
    fn work_is_done_at_the_priority_that_was_asked_for_and_leaves_the_callers_alone() {
        let own = || rustix::process::getpriority_process(None).unwrap();
        let before = own();
        let (say, said) = channel();
        let bulk = Bulk::start(19, move |_, session| {
            say.send(own()).unwrap();
            Outcome {
                session: Some(session),
                ..Outcome::default()
            }
        });
        let bulk = bulk.unwrap();
        assert!(bulk.run(Vec::new(), session()).session.is_some());
        assert_eq!((said.recv().unwrap(), own()), (19, before));
    }

    #[test]
    fn a_thread_that_ended_costs_sessions_and_hangs_nobody() {
        let bulk = Bulk::start(0, |_, _| panic!("made to panic")).unwrap();
        for _ in 0..3 {
            assert!(bulk.run(Vec::new(), session()).session.is_none());
        }
    }
}
