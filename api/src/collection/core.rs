//! What all handles on a collection share: the document store, the view that searches see, the locks.
//!
//! Lock order is compacting, then writing, then the store's own; none is held while a write waits for its turn (`pacing`).
//! A write commits first and joins the view before `writing` is let go, so the view never runs ahead of the store, and lags
//! behind it only while a write is between the two.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use embedder::Embed;
use engine::{Index, IndexSpec, Stamp};
use models::Models;
use storage::{Access, Reader, Store};

use crate::{
    Error, Result, config::Locked, database::DOCUMENTS, folder::FileIdentity, lock::Lock,
    space::compact::Compactor, space::open, space::pace::Pace, space::view::View,
    template::Template, write::reuse::Texts,
};

/// What all handles on a collection share.
pub(crate) struct Core {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) store: Store,
    pub(crate) locked: Locked,
    pub(crate) template: Option<Template>,
    pub(crate) models: Arc<Models>,
    pub(crate) model: OnceLock<Arc<dyn Embed>>,
    pub(crate) texts: Arc<Texts>,
    pub(crate) view: ArcSwap<View>,
    pub(crate) writing: Mutex<()>,
    pub(crate) compacting: Mutex<()>,
    /// Ids up to this one are being compacted, so that their segments take no more.
    pub(crate) frozen: AtomicI64,
    /// Whether a compaction runs in the background, or is about to.
    pub(crate) background: AtomicBool,
    pub(crate) stopping: AtomicBool,
    /// Callers who wait for an index that learns anew: what the background builds meanwhile would be thrown away.
    pub(crate) retraining: AtomicUsize,
    pub(crate) dropped: AtomicBool,
    pub(crate) pace: Pace,
    /// Which file the documents are in; another process may drop a collection and make one of the same name.
    pub(crate) identity: FileIdentity,
    /// Held while anything may still write here; `None` for a reader.
    pub(crate) lock: Option<Arc<Lock>>,
    pub(crate) upkeep: Upkeep,
}

/// How sealed indexes are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Upkeep {
    /// The share of deleted vectors from which the background rids the sealed index of them.
    pub(crate) compact_at: f32,
    /// Whether sealed indexes stay in their files and are mapped from there.
    pub(crate) mapped: bool,
    /// The longest that a write waits for the compaction that it outruns.
    pub(crate) patience: Duration,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self {
            compact_at: 0.2,
            mapped: false,
            patience: Duration::from_secs(10),
        }
    }
}

impl Upkeep {
    /// The index in this file, in the way that it is kept.
    pub(crate) fn load(self, path: &Path, stamp: &Stamp) -> engine::Result<Index> {
        match self.mapped {
            true => Index::load_mapped(path, stamp),
            false => Index::load(path, stamp),
        }
    }
}

impl Core {
    /// Opens the collection in `folder`, for writing with the database's lock, else for reading. Second: whether its index was
    /// lost and should be made anew.
    pub(crate) fn open(
        name: &str,
        folder: PathBuf,
        models: Arc<Models>,
        lock: Option<Arc<Lock>>,
        upkeep: Upkeep,
    ) -> Result<(Self, bool)> {
        let documents = folder.join(DOCUMENTS);
        // Before the file is opened: one that takes its place meanwhile is then seen as another.
        let identity = FileIdentity::of(&documents);
        let access = match lock {
            Some(_) => Access::ReadWrite,
            None => Access::ReadOnly,
        };
        let store = Store::open(documents, access)?;
        let locked = stored_config(name, &store)?;
        let template = locked.template().map(Template::compile).transpose()?;
        let recovered = open::open(&folder, &store, &locked, lock.is_some(), upkeep)?;
        let core = Self {
            name: name.to_owned(),
            folder,
            store,
            template,
            models,
            model: OnceLock::new(),
            texts: Arc::default(),
            view: ArcSwap::from_pointee(recovered.view),
            writing: Mutex::default(),
            compacting: Mutex::default(),
            frozen: AtomicI64::new(0),
            background: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            retraining: AtomicUsize::new(0),
            dropped: AtomicBool::new(false),
            pace: Pace::default(),
            identity,
            lock,
            upkeep,
            locked,
        };
        Ok((core, recovered.rebuild))
    }

    /// The collection's model, opened at first use and checked against the one that made the vectors.
    pub(crate) fn model(&self) -> Result<&Arc<dyn Embed>> {
        if let Some(model) = self.model.get() {
            return Ok(model);
        }
        let Some(identity) = &self.locked.model else {
            return Err(Error::NoModel {
                name: self.name.clone(),
                dimension: self.locked.dimension(),
            });
        };
        let model = self.models.open(&identity.name)?;
        self.locked.check_model(&self.name, model.identity())?;
        Ok(self.model.get_or_init(|| model))
    }

    /// A snapshot of the store. Looks for the file after it was opened: a reader's may be another collection's by then.
    pub(crate) fn read(&self) -> Result<Reader<'_>> {
        let reader = self.store.read();
        self.check_there()?;
        Ok(reader?)
    }

    /// Whether the collection was dropped, by this process or, under a reader, by the one that writes.
    pub(crate) fn is_gone(&self) -> bool {
        self.dropped.load(Ordering::Acquire)
            || self.lock.is_none() && self.identity != FileIdentity::of(self.store.path())
    }

    pub(crate) fn check_there(&self) -> Result<()> {
        if self.is_gone() {
            return Err(Error::Dropped {
                name: self.name.clone(),
            });
        }
        Ok(())
    }

    pub(crate) fn check_writable(&self, action: &'static str) -> Result<()> {
        if self.lock.is_none() {
            return Err(Error::ReadOnly { action });
        }
        Ok(())
    }

    /// Held from before a commit until the view has caught up with it.
    pub(crate) fn start_writing(&self) -> Result<MutexGuard<'_, ()>> {
        let guard = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_there()?;
        Ok(guard)
    }

    /// Refuses every use from now on, and waits for the write that is on its way. After that the folder may be renamed: SQLite
    /// could make its log anew by name, and an old handle leaves what stands under its names alone.
    pub(crate) fn retire(&self) {
        self.dropped.store(true, Ordering::Release);
        self.pace.look_again();
        drop(self.writing.lock());
    }

    /// Waits for what still runs on a collection that was retired.
    pub(crate) fn wait(&self, compactor: &Compactor) {
        compactor.stop();
        drop(self.compacting.lock());
    }

    /// Shows a committed write to searches. The caller holds `writing`. When there is no memory to add it to the view, the
    /// view is made anew from the store: what is committed must be found.
    pub(crate) fn join(
        &self,
        ids: &[i64],
        vectors: &[f32],
        deleted: &[i64],
        sequence: u64,
    ) -> Result<()> {
        let frozen = self.frozen.load(Ordering::Acquire);
        let next = self
            .view
            .load()
            .after_write(ids, vectors, deleted, frozen, sequence)
            .or_else(|error| {
                tracing::warn!(%error, collection = self.name, "the vectors are read anew");
                open::reread(self)
            })?;
        self.view.store(Arc::new(next));
        Ok(())
    }

    /// The view; a reader beside another process's writes catches up with them first.
    pub(crate) fn current_view(&self) -> Result<Arc<View>> {
        if self.lock.is_none() {
            open::catch_up(self)?;
        }
        Ok(self.view.load_full())
    }

    pub(crate) fn disk_bytes(&self) -> Result<u64> {
        let entries =
            std::fs::read_dir(&self.folder).map_err(|error| Error::io(&self.folder, error))?;
        Ok(entries
            .flatten()
            .filter_map(|entry| entry.metadata().ok())
            .map(|meta| meta.len())
            .sum())
    }
}

fn stored_config(name: &str, store: &Store) -> Result<Locked> {
    let locked: Locked =
        serde_json::from_str(store.config()).map_err(|source| Error::BadConfig {
            name: name.to_owned(),
            source,
        })?;
    match &locked.config.index {
        IndexSpec::Fixed(kind) if !kind.is_built_in() => Err(Error::WithoutFaiss {
            name: name.to_owned(),
            kind: kind.to_string(),
        }),
        _ => Ok(locked),
    }
}
