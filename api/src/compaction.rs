//! Compaction: fresh rows go into a new sealed index, deleted ones leave it.
//!
//! It builds beside the live index from the document store and swaps the result in, so searches and writes go on. Either the
//! old index is copied and added to, or, when its kind no longer fits or too much of it is deleted, a new one is built.
//! Order on disk: index file, then the store's record of it, then the old file goes. A compaction that is stopped or fails
//! leaves everything as it was.

use std::{
    fs,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle},
};

use engine::{Codes, IdSet, Index, Kind, Structure};
use storage::Seal;

use crate::{
    Collection, Error, Result,
    collection::Core,
    recovery::{index_file, is_index_file, page, stamp},
    view::{Sealed, View},
};

/// Fewer fresh rows than this are not worth a compaction.
const FRESH_MINIMUM: usize = 4_096;
/// Fresh rows beyond one in this many of the sealed ones are compacted.
const FRESH_SHARE: usize = 8;
/// Deleted ids beyond one in this many of the sealed ones make the index be built anew, in the background.
const DELETED_SHARE: usize = 5;
/// The same when the caller asked for it.
const DELETED_SHARE_ON_REQUEST: usize = 20;
/// Training vectors per list of an inverted file; FAISS's k-means takes no more (`Clustering.h`, `max_points_per_centroid`).
const TRAINING_PER_LIST: usize = 256;
/// Training vectors of the other kinds, which learn the range of each component; values beyond it are cut off.
const TRAINING_FOR_RANGES: usize = 65_536;

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
        if is_due(&self.core.view.load()) {
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
                self.core.background.store(false, Ordering::SeqCst);
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

/// Lowers the flag that a compaction runs in the background, however that ends.
struct Running<'a>(&'a Core);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.background.store(false, Ordering::SeqCst);
    }
}

/// Compacts while there is need. The flag goes down before the last look, so that a write that comes after that look starts
/// the next compaction itself.
fn run(core: &Core) {
    loop {
        let running = Running(core);
        if let Err(error) = compact(core, Effort::Background) {
            tracing::warn!(%error, collection = core.name, "compaction failed; searches go on without it");
            return;
        }
        drop(running);
        if core.stopping.load(Ordering::Acquire)
            || !is_due(&core.view.load())
            || core.background.swap(true, Ordering::SeqCst)
        {
            return;
        }
    }
}

fn is_due(view: &View) -> bool {
    let sealed = view.sealed_len();
    view.fresh_len() >= FRESH_MINIMUM.max(sealed / FRESH_SHARE)
        || dead(view) > FRESH_MINIMUM.max(sealed / DELETED_SHARE)
}

/// Deleted ids that the sealed index may still hold.
fn dead(view: &View) -> usize {
    let Some(sealed) = view.sealed.as_ref().filter(|_| !view.deleted.is_empty()) else {
        return 0;
    };
    view.deleted
        .iter()
        .take_while(|&id| id <= sealed.seal.last_id)
        .count()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// Leaves a core to searches, and stops when the database closes.
    Background,
    /// The caller waits for it.
    Foreground,
}

impl Effort {
    /// Deleted ids that a sealed index of `len` vectors may go on holding.
    fn tolerates(self, len: usize) -> usize {
        match self {
            Self::Background => FRESH_MINIMUM.max(len / DELETED_SHARE),
            Self::Foreground => len / DELETED_SHARE_ON_REQUEST,
        }
    }
}

impl Collection {
    /// Folds everything written so far into the sealed index, and builds it anew, without what was deleted, when more than one
    /// in twenty of its vectors are. Searches and writes go on meanwhile. Returns at once when there is nothing to do.
    ///
    /// # Errors
    /// When the handle is read-only, or the index cannot be built or written.
    pub fn compact(&self) -> Result<()> {
        self.core.check_writable("compact")?;
        compact(&self.core, Effort::Foreground)?;
        Ok(())
    }
}

/// What a compaction starts from.
struct Start {
    view: Arc<View>,
    sequence: u64,
    last_id: i64,
    generation: u64,
    rows: usize,
    /// An index was sealed and its file could not be used.
    lost: bool,
}

impl Start {
    fn is_idle(&self, effort: Effort) -> bool {
        self.view.fresh_len() == 0
            && dead(&self.view) <= effort.tolerates(self.view.sealed_len())
            && !self.lost
    }
}

/// Compacts once, if there is anything to do and it is not stopped.
fn compact(core: &Core, effort: Effort) -> Result<()> {
    let _one_at_a_time = core
        .compacting
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let sealed = seal(core, effort);
    if !matches!(sealed, Ok(true)) {
        core.frozen.store(0, Ordering::Release);
    }
    sealed.map(drop)
}

/// Whether a new index was sealed.
fn seal(core: &Core, effort: Effort) -> Result<bool> {
    let start = start(core)?;
    if start.is_idle(effort) {
        return Ok(false);
    }
    let Some((index, keeps_removed)) = build(core, &start, effort)? else {
        return Ok(false);
    };
    let seal = Seal {
        generation: start.generation,
        file: index_file(start.generation),
        kind: index.kind().to_string(),
        last_id: start.last_id,
        sequence: start.sequence,
        keeps_removed,
    };
    let path = core.folder.join(&seal.file);
    let sealed = index
        .save(&path, &stamp(core.store.config(), &seal))
        .map_err(Error::from)
        .and_then(|()| swap(core, index, seal));
    if sealed.is_err() {
        // What was not recorded is not looked for. A collection that was dropped meanwhile may have a namesake here by now.
        let _ = fs::remove_file(&path);
        core.check_there()?;
    }
    sealed.map(|()| true)
}

/// Takes a consistent starting point and freezes the segments up to it.
fn start(core: &Core) -> Result<Start> {
    let _writing = core.start_writing()?;
    let view = core.view.load_full();
    core.frozen.store(view.last_id, Ordering::Release);
    let reader = core.read()?;
    Ok(Start {
        sequence: reader.sequence(),
        last_id: view.last_id,
        generation: reader.seal().map_or(0, |seal| seal.generation) + 1,
        lost: reader.seal().is_some() && view.sealed.is_none(),
        rows: usize::try_from(reader.count(None)?).unwrap_or(usize::MAX),
        view,
    })
}

/// The new index, and whether it still holds deleted ids. `None`: stopped.
fn build(core: &Core, start: &Start, effort: Effort) -> Result<Option<(Index, bool)>> {
    match effort {
        Effort::Background => {
            engine::with_threads(background_threads(), || build_with(core, start, effort))
        }
        Effort::Foreground => build_with(core, start, effort),
    }
}

fn build_with(core: &Core, start: &Start, effort: Effort) -> Result<Option<(Index, bool)>> {
    let kind = core
        .locked
        .config
        .index
        .kind_for(start.rows, core.locked.dimension());
    let reusable = start.view.sealed.as_ref().filter(|sealed| {
        *sealed.index.kind() == kind && dead(&start.view) <= effort.tolerates(sealed.index.len())
    });
    let (mut index, after) = match reusable {
        Some(sealed) => (sealed.index.try_clone()?, sealed.seal.last_id),
        None => (trained(core, start, kind)?, 0),
    };
    let finished = add_rows(core, &mut index, after, start.last_id, effort)?;
    index.use_huge_pages();
    Ok(finished.then_some((index, reusable.is_some() && !start.view.deleted.is_empty())))
}

fn background_threads() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

/// Adds the live rows with ids in `(after, last_id]`, page by page, so that no read transaction stays open for long.
fn add_rows(
    core: &Core,
    index: &mut Index,
    mut after: i64,
    last_id: i64,
    effort: Effort,
) -> Result<bool> {
    loop {
        if effort == Effort::Background && core.stopping.load(Ordering::Acquire) {
            return Ok(false);
        }
        let (ids, vectors) = page(&core.read()?, after, last_id)?;
        let Some(&last) = ids.last() else {
            return Ok(true);
        };
        index.add(&ids, &vectors)?;
        after = last;
    }
}

/// A new index, ready to be added to: of another kind when deletions since the start left too few vectors to train on.
fn trained(core: &Core, start: &Start, kind: Kind) -> Result<Index> {
    let sample = training_sample(core, start, &kind)?;
    let dimension = core.locked.dimension();
    let kind = match kind.trains() && kind.min_vectors(dimension) > sample.len() / dimension {
        true => Kind::flat(),
        false => kind,
    };
    let mut index = Index::new(dimension, core.locked.config.metric, &kind)?;
    index.train(&sample)?;
    Ok(index)
}

/// The most training vectors that are of use to the kind.
fn training_vectors(kind: &Kind) -> usize {
    let lists = match kind.structure {
        Structure::Ivf { nlist, .. } => nlist.saturating_mul(TRAINING_PER_LIST),
        _ => 0,
    };
    let codes = match kind.codes {
        Codes::Pq { bits, .. } => TRAINING_PER_LIST << bits,
        _ => 0,
    };
    lists.max(codes).max(TRAINING_FOR_RANGES)
}

/// Every n-th vector, so that the sample spreads over the whole collection and is the same each time.
fn training_sample(core: &Core, start: &Start, kind: &Kind) -> Result<Vec<f32>> {
    if !kind.trains() {
        return Ok(Vec::new());
    }
    let wanted = training_vectors(kind);
    let step = start.rows.div_ceil(wanted).max(1);
    let mut sample = Vec::new();
    let mut position = 0_usize;
    core.read()?.for_each_vector(0, &mut |id, vector| {
        if position.is_multiple_of(step) {
            sample.extend_from_slice(vector);
        }
        position += 1;
        if id < start.last_id {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    Ok(sample)
}

/// Records the new index and shows it to searches; the old file goes last.
fn swap(core: &Core, index: Index, seal: Seal) -> Result<()> {
    let _writing = core.start_writing()?;
    let old = core.read()?.seal().map(|seal| seal.file.clone());
    core.store.seal(&seal)?;
    let deleted = IdSet::from_iter(core.read()?.removed()?);
    core.view.store(Arc::new(
        core.view.load().after_seal(Sealed { index, seal }, deleted),
    ));
    if let Some(old) = old.filter(|old| is_index_file(old)) {
        // A file left behind is removed at the next open.
        let _ = fs::remove_file(core.folder.join(old));
    }
    Ok(())
}
