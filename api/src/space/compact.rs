//! Compaction: fresh rows go into a new sealed index, deleted ones leave it.
//!
//! It has the next index built beside the live one (`build`) and has it sealed (`sealing`), so searches and writes go on. Here is
//! decided when. A compaction that is stopped or fails leaves everything as it was.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle},
};

use engine::{Kind, Watch, unwatched};

use crate::{
    Collection, Error, Result, collection::Core, space::build::build, space::seal::publish,
    space::view::View,
};

/// Fewer fresh rows than this are not worth a compaction.
const FRESH_MINIMUM: usize = 4_096;
/// Fresh rows beyond one in this many of the sealed ones are compacted.
const FRESH_SHARE: usize = 8;
/// The same while somebody searches, where that takes no new index: 12,500 fresh vectors of 50 components take a search three
/// times as long as 100,000 in a graph.
const FRESH_SHARE_SEARCHED: usize = 32;
/// The share of deleted ids that a compaction on request leaves in a graph; in the background `Options::compact_at` says it.
const DELETED_SHARE_ON_REQUEST: f32 = 0.05;

/// Runs compactions in the background; the last handle waits for the one that runs.
pub(crate) struct Compactor {
    core: Arc<Core>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Compactor {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            thread: Mutex::default(),
        }
    }

    /// Starts a compaction when one is worth its work. The caller has stored the view that makes it so.
    pub(crate) fn wake_if_due(&self) {
        if is_due(&self.core) {
            self.wake();
        }
    }

    /// Starts a compaction unless one runs.
    pub(crate) fn wake(&self) {
        if self.core.background.swap(true, Ordering::SeqCst) {
            return;
        }
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        join(thread.take());
        let core = Arc::clone(&self.core);
        let spawned = thread::Builder::new()
            .name(format!("compact-{}", core.name))
            .spawn(move || run(&core));
        match spawned {
            Ok(handle) => *thread = Some(handle),
            Err(error) => {
                drop(Running(&self.core));
                tracing::warn!(%error, collection = self.core.name, "no thread for compaction; it is tried again at the next write")
            }
        }
    }

    /// Stops what runs in the background and waits for it.
    pub(crate) fn stop(&self) {
        self.core.stopping.store(true, Ordering::Release);
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
        self.stop();
    }
}

fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread {
        // A compaction that panicked has changed nothing that is kept.
        let _ = thread.join();
    }
}

/// Lowers the flag that a compaction runs in the background, however that ends, and lets go the writes that wait for it.
struct Running<'a>(&'a Core);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.background.store(false, Ordering::SeqCst);
        self.0.pace.look_again();
    }
}

/// While it lives, the background leaves building to a caller who has the index learn anew.
struct Retraining<'a>(&'a Core);

impl<'a> Retraining<'a> {
    fn start(core: &'a Core) -> Self {
        core.retraining.fetch_add(1, Ordering::SeqCst);
        Self(core)
    }
}

impl Drop for Retraining<'_> {
    fn drop(&mut self) {
        self.0.retraining.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Compacts while there is need. The flag stays up from one compaction to the next, so that no write slips through between
/// them, and goes down before the last look, so that a write that comes after that look starts the next one itself.
fn run(core: &Core) {
    let is_next = || !core.stopping.load(Ordering::Acquire) && is_due(core);
    loop {
        let running = Running(core);
        loop {
            if !has_compacted(core) {
                return;
            }
            if !is_next() {
                break;
            }
        }
        drop(running);
        if !is_next() || core.background.swap(true, Ordering::SeqCst) {
            return;
        }
    }
}

/// Compacts once, for nobody; whether that went well.
fn has_compacted(core: &Core) -> bool {
    let order = Order {
        effort: Effort::Background,
        retrain: false,
        watch: &|_| match is_wanted(core) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        },
    };
    match compact(core, order) {
        Ok(()) => true,
        Err(Error::Engine(engine::Error::Cancelled)) => false,
        Err(error) => {
            tracing::warn!(%error, collection = core.name, "compaction failed; searches go on without it");
            false
        }
    }
}

/// Whether what the background builds will be used.
fn is_wanted(core: &Core) -> bool {
    !core.stopping.load(Ordering::Acquire) && core.retraining.load(Ordering::Acquire) == 0
}

fn is_due(core: &Core) -> bool {
    let view = core.view.load();
    let tolerated = Effort::Background.tolerates(view.sealed_len(), core);
    view.fresh_len() >= due_at(core, &view) || dead(&view) > tolerated
}

/// So many fresh rows are worth a compaction.
pub(crate) fn due_at(core: &Core, view: &View) -> usize {
    let share = match view.kind().is_some_and(Kind::can_grow) && core.pace.is_searched() {
        true => FRESH_SHARE_SEARCHED,
        false => FRESH_SHARE,
    };
    FRESH_MINIMUM.max(view.sealed_len() / share)
}

/// Deleted ids that the sealed index may still hold.
pub(crate) fn dead(view: &View) -> usize {
    let Some(sealed) = view.sealed.as_ref().filter(|_| !view.deleted.is_empty()) else {
        return 0;
    };
    view.deleted
        .iter()
        .take_while(|&id| id <= sealed.seal.last_id)
        .count()
}

/// Who waits for a compaction, which decides how much is worth doing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Nobody: it leaves a core to searches.
    Background,
    /// The caller.
    Foreground,
}

impl Effort {
    /// Deleted ids that a sealed index of `len` vectors may go on holding.
    pub(crate) fn tolerates(self, len: usize, core: &Core) -> usize {
        match self {
            Self::Background => FRESH_MINIMUM.max(share_of(len, core.upkeep.compact_at)),
            Self::Foreground => share_of(len, DELETED_SHARE_ON_REQUEST.min(core.upkeep.compact_at)),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a number is no larger than it"
)]
fn share_of(len: usize, share: f32) -> usize {
    (len as f64 * f64::from(share)) as usize
}

/// What is asked of a compaction.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    pub(crate) effort: Effort,
    /// Learn anew, from the rows of today.
    pub(crate) retrain: bool,
    /// Hears of each step and may end it.
    pub(crate) watch: Watch<'a>,
}

impl Collection {
    /// Folds everything written so far into the sealed index, and takes out what was deleted; a graph, out of which nothing can
    /// be taken, is built anew for that when more than one in twenty of its vectors are deleted. In a graph, every vector that
    /// a short walk misses gets a link. Searches and writes go on meanwhile. Returns at once when there is nothing to do.
    ///
    /// # Errors
    /// When the handle is read-only, or the index cannot be built or written.
    pub fn compact(&self) -> Result<()> {
        self.compact_with(&unwatched)
    }

    /// As [`Collection::compact`], telling `watch` of each step (sampling, training, adding, measuring). When it answers to
    /// stop, everything is left as it was.
    ///
    /// # Errors
    /// As [`Collection::compact`]; [`engine::Error::Cancelled`] when told to stop.
    pub fn compact_with(&self, watch: Watch<'_>) -> Result<()> {
        self.core.check_writable("compact")?;
        self.order(false, watch)
    }

    /// Builds the sealed index anew from the documents of today: a kind that learns from a sample (IVF, PQ, SQ8, PCA …)
    /// learns again. Searches and writes go on meanwhile.
    ///
    /// # Errors
    /// When the handle is read-only; [`engine::Error::TooFewTrainingVectors`], naming the minimum; when the index cannot be
    /// built or written.
    pub fn train(&self) -> Result<()> {
        self.train_with(&unwatched)
    }

    /// As [`Collection::train`], telling `watch` of each step. When it answers to stop, everything is left as it was.
    ///
    /// # Errors
    /// As [`Collection::train`]; [`engine::Error::Cancelled`] when told to stop.
    pub fn train_with(&self, watch: Watch<'_>) -> Result<()> {
        self.core.check_writable("train")?;
        self.core.check_trainable()?;
        let retraining = Retraining::start(&self.core);
        let trained = self.order(true, watch);
        drop(retraining);
        if trained.is_err() {
            self.compactor.wake();
        }
        trained
    }

    fn order(&self, retrain: bool, watch: Watch<'_>) -> Result<()> {
        let order = Order {
            effort: Effort::Foreground,
            retrain,
            watch,
        };
        compact(&self.core, order)
    }
}

/// What a compaction starts from.
pub(crate) struct Start {
    pub(crate) view: Arc<View>,
    pub(crate) sequence: u64,
    pub(crate) last_id: i64,
    pub(crate) generation: u64,
    /// Vectors there are.
    pub(crate) rows: usize,
    /// An index was sealed and its file could not be used.
    lost: bool,
}

impl Start {
    /// From what the view has.
    pub(crate) fn of(core: &Core, view: Arc<View>) -> Result<Self> {
        let reader = core.read()?;
        Ok(Self {
            sequence: reader.sequence(),
            last_id: view.last_id,
            generation: reader.seal().map_or(0, |seal| seal.generation) + 1,
            lost: reader.seal().is_some() && view.sealed.is_none(),
            rows: usize::try_from(core.vector_count(&reader)?).unwrap_or(usize::MAX),
            view,
        })
    }

    /// Deleted ids that are no reason to compact: none for a caller, where they can be taken out of the index as it is.
    fn tolerated(&self, core: &Core, effort: Effort) -> usize {
        match effort {
            Effort::Foreground if self.view.kind().is_some_and(Kind::can_remove) => 0,
            _ => effort.tolerates(self.view.sealed_len(), core),
        }
    }

    fn is_idle(&self, core: &Core, order: Order<'_>) -> bool {
        self.view.fresh_len() == 0
            && dead(&self.view) <= self.tolerated(core, order.effort)
            && !self.lost
            && !(order.effort == Effort::Foreground && self.view.may_miss())
            && !(order.retrain && self.rows > 0)
    }
}

/// Compacts once, if there is anything to do.
fn compact(core: &Core, order: Order<'_>) -> Result<()> {
    let _one_at_a_time = core
        .compacting
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let sealed = seal(core, order);
    if !matches!(sealed, Ok(true)) {
        core.frozen.store(0, Ordering::Release);
    }
    core.pace.look_again();
    sealed.map(drop)
}

/// Whether a new index was sealed.
fn seal(core: &Core, order: Order<'_>) -> Result<bool> {
    let start = start(core)?;
    if start.is_idle(core, order) {
        return Ok(false);
    }
    let (index, keeps_removed) = build(core, &start, order)?;
    publish(core, &start, index, keeps_removed)?;
    Ok(true)
}

/// Takes a consistent starting point and freezes the segments up to it.
pub(crate) fn start(core: &Core) -> Result<Start> {
    let _writing = core.start_writing()?;
    let view = core.view.load_full();
    core.frozen.store(view.last_id, Ordering::Release);
    Start::of(core, view)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CollectionConfig, Database, Document};

    #[test]
    fn the_background_builds_nothing_that_a_caller_builds_anew() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path()).unwrap();
        let config = CollectionConfig::given(2);
        let collection = database.create_collection("c", config).unwrap();
        let retraining = Retraining::start(&collection.core);
        let documents = (0..5_000_i16)
            .map(|key| Document::from_vector(i64::from(key), vec![f32::from(key), 1.0]));
        collection.upsert(documents.collect()).unwrap();
        run(&collection.core);
        assert_eq!(collection.stats().unwrap().sealed, 0);
        drop(retraining);
        run(&collection.core);
        assert_eq!(collection.stats().unwrap().sealed, 5_000);
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
            let view = collection.core.view.load();
            let sealed = view.sealed.as_ref().unwrap();
            (
                sealed.index.reached(),
                sealed.index.len(),
                sealed.seal.generation,
            )
        };
        // The test decides when the background compacts.
        collection.core.background.store(true, Ordering::SeqCst);
        write(&collection, 0..12_000);
        assert!(has_compacted(&collection.core));
        assert_eq!(state(), (12_000, 12_000, 1));
        write(&collection, 12_000..17_000);
        assert!(has_compacted(&collection.core));
        assert_eq!(
            state(),
            (12_000, 17_000, 2),
            "it has grown by less than half"
        );
        write(&collection, 17_000..22_000);
        assert!(has_compacted(&collection.core));
        assert_eq!(state(), (22_000, 22_000, 3));
        write(&collection, 22_000..27_000);
        assert!(has_compacted(&collection.core));
        assert_eq!(state(), (22_000, 27_000, 4));
        collection.compact().unwrap();
        assert_eq!(state(), (27_000, 27_000, 5));
        collection.compact().unwrap();
        assert_eq!(state(), (27_000, 27_000, 5), "there is nothing left to do");
        collection.core.background.store(false, Ordering::SeqCst);
    }
}
