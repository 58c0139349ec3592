//! Document batches on a low-priority thread, so that an import hardly delays a search on the same cores. It has a thread of
//! its own because a thread cannot raise its priority again.

use super::job::{Job, Outcome, Run};
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

type Parcel = (Vec<Job>, Run);

/// The thread. Dropping it joins it.
pub(crate) struct Bulk {
    parcels: Option<Sender<Parcel>>,
    outcomes: Receiver<Outcome>,
    thread: Option<JoinHandle<()>>,
}

impl Bulk {
    /// Starts the thread at the priority `nice`; it does `work` for each batch.
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

    /// Runs a batch and waits for it. If the thread has ended, the session is lost and the batch's channels close.
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
            // Panics are caught within the thread.
            let _ = thread.join();
        }
    }
}

/// On Linux, a priority is a thread's own. Where it is refused, the priority stays.
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
