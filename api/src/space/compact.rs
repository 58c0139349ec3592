//! Compaction: fresh rows go into a new sealed index, deleted ones leave it.
//!
//! The next index is built beside the live one (`build`) and sealed (`seal`), so searches and writes go on. A compaction that is
//! stopped or fails leaves everything as it was.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle},
};

use engine::Watch;

use super::{
    Space,
    build::build,
    due::Effort,
    order::{Order, Start},
};
use crate::error::Result;

/// Runs compactions in the background. Dropping it tells the running one to stop, without waiting for it.
pub(crate) struct Compactor {
    space: Arc<Space>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Compactor {
    pub(crate) fn new(space: Arc<Space>) -> Self {
        Self {
            space,
            thread: Mutex::default(),
        }
    }

    /// Starts a compaction when one is worth its work. The caller has stored the view that makes it so.
    pub(crate) fn wake_if_due(&self) {
        if self.space.is_due() {
            self.wake();
        }
    }

    /// Starts a compaction unless one runs.
    pub(crate) fn wake(&self) {
        if self.space.background.swap(true, Ordering::SeqCst) {
            return;
        }
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        join(thread.take());
        let space = Arc::clone(&self.space);
        let collection = &self.space.documents.name;
        let spawned = thread::Builder::new()
            .name(format!("compact-{collection}"))
            .spawn(move || run(&space));
        match spawned {
            Ok(handle) => *thread = Some(handle),
            Err(error) => {
                drop(Running(&self.space));
                tracing::warn!(%error, collection, "no thread for compaction; the next write tries again");
            }
        }
    }

    /// Stops what runs in the background and waits for it.
    pub(crate) fn stop(&self) {
        self.space.stopping.store(true, Ordering::Release);
        join(
            self.thread
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

impl Drop for Compactor {
    fn drop(&mut self) {
        self.space.stopping.store(true, Ordering::Release);
    }
}

fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread {
        // A compaction that panicked has changed nothing that is kept.
        let _ = thread.join();
    }
}

/// Clears the flag that a compaction runs in the background, however it ends, and releases the writes that wait for it.
struct Running<'a>(&'a Space);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.background.store(false, Ordering::SeqCst);
        self.0.pace.look_again();
    }
}

/// While it lives, the background leaves building to a caller who trains a new index.
struct Retraining<'a>(&'a Space);

impl<'a> Retraining<'a> {
    fn start(space: &'a Space) -> Self {
        space.retraining.fetch_add(1, Ordering::SeqCst);
        Self(space)
    }
}

impl Drop for Retraining<'_> {
    fn drop(&mut self) {
        self.0.retraining.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Compacts while there is need. The flag stays up from one compaction to the next, so that no write slips through between
/// them, and goes down before the last check, so that a write that comes after it starts the next one itself.
fn run(space: &Space) {
    let is_next = || !space.stopping.load(Ordering::Acquire) && space.is_due();
    loop {
        let running = Running(space);
        loop {
            if !has_compacted(space) {
                return;
            }
            if !is_next() {
                break;
            }
        }
        drop(running);
        if !is_next() || space.background.swap(true, Ordering::SeqCst) {
            return;
        }
    }
}

/// Compacts once in the background; whether that succeeded.
fn has_compacted(space: &Space) -> bool {
    let order = Order {
        effort: Effort::Background,
        retrain: false,
        watch: &|_| {
            if is_wanted(space) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        },
    };
    match space.compact(order) {
        Ok(()) => true,
        Err(error) if error.is_cancelled() => false,
        Err(error) => {
            let collection = &space.documents.name;
            tracing::warn!(%error, collection, "compaction failed; searches go on without it");
            false
        }
    }
}

/// Whether what the background builds will be used.
fn is_wanted(space: &Space) -> bool {
    !space.stopping.load(Ordering::Acquire) && space.retraining.load(Ordering::Acquire) == 0
}

impl Space {
    /// Builds the sealed index anew while the background holds back.
    pub(crate) fn retrain(&self, watch: Watch<'_>) -> Result<()> {
        let _retraining = Retraining::start(self);
        self.compact(Order {
            effort: Effort::Foreground,
            retrain: true,
            watch,
        })
    }

    /// Compacts once, if there is anything to do.
    pub(crate) fn compact(&self, order: Order<'_>) -> Result<()> {
        let _one_at_a_time = self.start_compacting();
        let sealed = self.seal(order);
        if !matches!(sealed, Ok(true)) {
            self.frozen.store(0, Ordering::Release);
        }
        self.pace.look_again();
        sealed.map(drop)
    }

    /// Whether a new index was sealed.
    fn seal(&self, order: Order<'_>) -> Result<bool> {
        let start = Start::frozen(self)?;
        if start.is_idle(self, order) {
            return Ok(false);
        }
        let (index, keeps_removed) = build(self, &start, order)?;
        self.publish(&start, index, keeps_removed)?;
        Ok(true)
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    use crate::{Collection, CollectionConfig, Database, Document};

    fn space(collection: &Collection) -> &Space {
        &collection.core.local().space
    }

    #[test]
    fn the_background_builds_nothing_that_a_caller_builds_anew() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path()).unwrap();
        let config = CollectionConfig::given(2);
        let collection = database.create_collection("c", config).unwrap();
        let retraining = Retraining::start(space(&collection));
        let documents = (0..5_000_i16)
            .map(|key| Document::from_vector(i64::from(key), vec![f32::from(key), 1.0]));
        collection.upsert(documents.collect()).unwrap();
        run(space(&collection));
        assert_eq!(collection.stats().unwrap().local.unwrap().sealed, 0);
        drop(retraining);
        run(space(&collection));
        assert_eq!(collection.stats().unwrap().local.unwrap().sealed, 5_000);
    }

    /// Two numbers for each key, at no two keys the same.
    #[cfg(feature = "faiss")]
    fn write(collection: &Collection, keys: std::ops::Range<i16>) {
        let vector = |key: i16| vec![f32::from(key).sin(), f32::from(key)];
        let documents = keys.map(|key| Document::from_vector(i64::from(key), vector(key)));
        collection.upsert(documents.collect()).unwrap();
    }

    #[cfg(feature = "faiss")]
    #[test]
    fn a_graph_is_looked_through_now_and_then_as_it_grows_and_whenever_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path()).unwrap();
        let config = CollectionConfig::given(2).metric(engine::Metric::L2);
        let config = config.index(engine::IndexSpec::from(engine::Kind::hnsw(8)));
        let collection = database.create_collection("c", config).unwrap();
        let state = || {
            let view = space(&collection).view.load();
            let sealed = view.sealed.as_ref().unwrap();
            (
                sealed.index.reached(),
                sealed.index.len(),
                sealed.seal.generation,
            )
        };
        // The test decides when the background compacts.
        space(&collection).background.store(true, Ordering::SeqCst);
        write(&collection, 0..12_000);
        assert!(has_compacted(space(&collection)));
        assert_eq!(state(), (12_000, 12_000, 1));
        write(&collection, 12_000..17_000);
        assert!(has_compacted(space(&collection)));
        assert_eq!(
            state(),
            (12_000, 17_000, 2),
            "it has grown by less than half"
        );
        write(&collection, 17_000..22_000);
        assert!(has_compacted(space(&collection)));
        assert_eq!(state(), (22_000, 22_000, 3));
        write(&collection, 22_000..27_000);
        assert!(has_compacted(space(&collection)));
        assert_eq!(state(), (22_000, 27_000, 4));
        collection.compact().unwrap();
        assert_eq!(state(), (27_000, 27_000, 5));
        collection.compact().unwrap();
        assert_eq!(state(), (27_000, 27_000, 5), "there is nothing left to do");
        space(&collection).background.store(false, Ordering::SeqCst);
    }
}
