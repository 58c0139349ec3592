//! Compaction: fresh rows go into a new sealed index, deleted ones leave it.
//!
//! It builds beside the live index from the document store and swaps the result in, so searches and writes go on. Either the
//! old index is copied and added to, or, when its kind no longer fits or too much of it is deleted, a new one is built.
//! Order on disk: index file, then the store's record of it, then the old file goes.

use std::{
    fs,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle},
};

use engine::{IdSet, Index, Kind};
use storage::Seal;

use crate::{
    Collection, Result,
    collection::Core,
    recovery::{index_file, stamp},
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
/// Rows read from the store at a time.
const PAGE: usize = 4_096;
/// Training vectors per list of an inverted file; FAISS's k-means takes no more (`Clustering.h`, `max_points_per_centroid`).
const TRAINING_PER_LIST: usize = 256;

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

    pub(crate) fn wake_if_due(&self) {
        if is_due(&self.core.view.load()) {
            self.wake();
        }
    }

    /// Starts a compaction unless one runs.
    pub(crate) fn wake(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        let core = Arc::clone(&self.core);
        let spawned = thread::Builder::new()
            .name(format!("compact-{}", core.name))
            .spawn(move || run(&core));
        match spawned {
            Ok(handle) => *thread = Some(handle),
            Err(error) => {
                tracing::warn!(%error, collection = self.core.name, "no thread for compaction; it is tried again at the next write")
            }
        }
    }

    /// Stops what runs and waits for it.
    pub(crate) fn stop(&self) {
        self.core.stopping.store(true, Ordering::Release);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A compaction that panicked has changed nothing that is kept.
            let _ = thread.join();
        }
    }
}

impl Drop for Compactor {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(core: &Core) {
    loop {
        match compact(core, Effort::Background) {
            Ok(true) if is_due(&core.view.load()) => {}
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, collection = core.name, "compaction failed; searches go on without it");
                return;
            }
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
}

/// Compacts once. `false`: there was nothing to do, or it was stopped.
fn compact(core: &Core, effort: Effort) -> Result<bool> {
    let _one_at_a_time = core
        .compacting
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let start = start(core)?;
    if start.view.fresh_len() == 0 && dead(&start.view) <= effort.tolerates(start.view.sealed_len())
    {
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
    index.save(
        &core.folder.join(&seal.file),
        &stamp(core.config_hash(), &seal),
    )?;
    swap(core, index, seal)?;
    Ok(true)
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
    let kind = core.locked.config.index.kind_for(start.rows);
    let reusable = start.view.sealed.as_ref().filter(|sealed| {
        sealed.index.kind() == kind && dead(&start.view) <= effort.tolerates(sealed.index.len())
    });
    let (mut index, after) = match reusable {
        Some(sealed) => (sealed.index.try_clone()?, sealed.seal.last_id),
        None => (
            Index::new(core.locked.dimension(), core.locked.config.metric, kind)?,
            0,
        ),
    };
    if !index.is_trained() {
        index.train(&training_sample(core, start, kind)?)?;
    }
    let finished = add_rows(core, &mut index, after, start.last_id, effort)?;
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
        let (ids, vectors) = page(core, after, last_id)?;
        let Some(&last) = ids.last() else {
            return Ok(true);
        };
        index.add(&ids, &vectors)?;
        after = last;
    }
}

fn page(core: &Core, after: i64, last_id: i64) -> Result<(Vec<i64>, Vec<f32>)> {
    let mut ids = Vec::with_capacity(PAGE);
    let mut vectors = Vec::new();
    core.read()?.for_each_vector(after, &mut |id, vector| {
        if id > last_id {
            return ControlFlow::Break(());
        }
        ids.push(id);
        vectors.extend_from_slice(vector);
        if ids.len() < PAGE {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    Ok((ids, vectors))
}

/// Every n-th vector, so that the sample spreads over the whole collection and is the same each time.
fn training_sample(core: &Core, start: &Start, kind: Kind) -> Result<Vec<f32>> {
    let Kind::Ivf { nlist } = kind else {
        return Ok(Vec::new());
    };
    let step = start
        .rows
        .div_ceil(nlist.saturating_mul(TRAINING_PER_LIST))
        .max(1);
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
    let old = core
        .view
        .load()
        .sealed
        .as_ref()
        .map(|sealed| sealed.seal.file.clone());
    core.store.seal(&seal)?;
    let deleted = IdSet::from_iter(core.read()?.removed()?);
    let file = seal.file.clone();
    core.view.store(Arc::new(
        core.view.load().after_seal(Sealed { index, seal }, deleted),
    ));
    if let Some(old) = old.filter(|old| *old != file) {
        // A file left behind is removed at the next open.
        let _ = fs::remove_file(core.folder.join(old));
    }
    Ok(())
}
