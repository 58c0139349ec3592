//! A database: a folder of collections, written by one process and read by any number.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use embedder::Embed;
use models::{Models, default_home};
use storage::Store;

use crate::{
    collection::Collection,
    config::{CollectionConfig, Locked, Vectors, check_room},
    documents::End,
    error::{Error, Result},
    folder::{DOCUMENTS, PENDING, clear_pending, make_folder, move_into_place, share, sync_folder},
    lock::{self, Folder, Writer},
    space::Upkeep,
};

const MAX_NAME: usize = 64;

/// How to open a database.
#[derive(Clone)]
pub struct Options {
    home: Option<PathBuf>,
    read_only: bool,
    create: bool,
    upkeep: Upkeep,
    embedder: Option<Arc<dyn Embed>>,
    embedding: embedder::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            home: None,
            read_only: false,
            create: true,
            upkeep: Upkeep::default(),
            embedder: None,
            embedding: embedder::Options::default(),
        }
    }
}

impl Options {
    /// The defaults, with models taken from the folder that the environment names: `$VINEDB_HOME`, else
    /// `$XDG_CACHE_HOME/vinedb`, else `$HOME/.cache/vinedb`. Nothing else in the library reads the environment.
    #[must_use]
    pub fn from_env() -> Self {
        Self::default().home(default_home())
    }

    /// The folder of ONNX Runtime and the models. Default: none, so that collections embed text only with an
    /// [`embedder`](Self::embedder).
    #[must_use]
    pub fn home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// Opens read-only, beside a process that writes. Default: false.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Whether a missing folder is created. Default: true.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// The share of deleted vectors, above 0 and up to 1, at which the background removes them from a sealed index; below 4,096 of
    /// them it never does. A smaller share keeps searches faster, a larger one saves work. Default: 0.2.
    #[must_use]
    pub fn compact_at(mut self, share: f32) -> Self {
        self.upkeep.compact_at = share;
        self
    }

    /// Whether sealed indexes are memory-mapped: the system loads the pages that searches touch, and may drop them when memory is
    /// short. For indexes larger than memory, and for many processes that read the same ones. A search that must wait for the disk
    /// is slow, and huge pages are not used. Kinds that cannot be mapped
    /// ([`Kind::maps`](crate::index::Kind::maps)) are loaded as usual. Default: false.
    #[must_use]
    pub fn mapped(mut self, mapped: bool) -> Self {
        self.upkeep.mapped = mapped;
        self
    }

    /// The longest that an upsert waits for the compaction that it outruns while the collection is searched
    /// ([`Collection::upsert`]); zero: it never waits. A shorter time keeps writes prompt, a longer one keeps searches fast.
    /// Default: 10 s.
    #[must_use]
    pub fn pace_writes(mut self, at_most: Duration) -> Self {
        self.upkeep.patience = at_most;
        self
    }

    /// Uses the caller's embedder for the model of its name, which also becomes the default model.
    #[must_use]
    pub fn embedder(mut self, embedder: Arc<dyn Embed>) -> Self {
        self.embedder = Some(embedder);
        self
    }

    /// How models run: sessions, token budget, queue.
    #[must_use]
    pub fn embedding(mut self, embedding: embedder::Options) -> Self {
        self.embedding = embedding;
        self
    }

    /// Opens the database in `dir`.
    ///
    /// # Errors
    /// A folder that is missing and may not be created, or that holds something else; a database that another process writes; an
    /// option out of its range.
    pub fn open(self, dir: impl AsRef<Path>) -> Result<Database> {
        let dir = dir.as_ref();
        let share = self.upkeep.compact_at;
        if !(share > 0.0 && share <= 1.0) {
            let expected = "a share above 0 and up to 1";
            return Err(Error::invalid("compact_at", share, expected));
        }
        match lock::inspect(dir)? {
            Folder::Database => {}
            Folder::Foreign => {
                return Err(Error::NotADatabase {
                    path: dir.to_owned(),
                });
            }
            Folder::Missing | Folder::Empty if self.read_only || !self.create => {
                return Err(Error::NoDatabase {
                    path: dir.to_owned(),
                });
            }
            Folder::Missing => make_folder(dir)?,
            Folder::Empty => {}
        }
        let writer = if self.read_only {
            None
        } else {
            let writer = Writer::take(dir)?;
            clear_pending(dir)?;
            Some(Arc::new(writer))
        };
        let models = Arc::new(Models::new(self.home, self.embedder, self.embedding));
        let inner = Inner {
            dir: dir.to_owned(),
            models,
            upkeep: self.upkeep,
            open: Mutex::default(),
            closed: AtomicBool::new(false),
            writer,
        };
        Ok(Database {
            inner: Arc::new(inner),
        })
    }
}

/// A handle on a database; cloning it is cheap and every clone is the same database.
///
/// Dropping the last handle tells compactions in the background to stop, without waiting for them; whoever opens the database
/// for writing next waits until they have. [`Database::close`] waits here.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    models: Arc<Models>,
    upkeep: Upkeep,
    open: Mutex<BTreeMap<String, Collection>>,
    closed: AtomicBool,
    /// After the collections, so that it is dropped last; `None` for a reader.
    writer: Option<Arc<Writer>>,
}

impl Database {
    /// Opens the database in `dir` for reading and writing, creating the folder if there is none. No models are at hand: that
    /// takes [`Options::from_env`] or [`Options::home`].
    ///
    /// # Errors
    /// As [`Options::open`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Options::default().open(dir)
    }

    /// Closes the database: stops background work, waits for it and for writes under way, and releases the lock. Every handle on
    /// its collections answers [`Error::Closed`] from then on.
    ///
    /// # Errors
    /// When another handle closed it before, or the lock cannot be released.
    pub fn close(self) -> Result<()> {
        let open = {
            let mut open = self.opened()?;
            self.inner.closed.store(true, Ordering::Release);
            std::mem::take(&mut *open)
        };
        for collection in open.into_values() {
            // One that was dropped or closed before needs nothing more.
            let _ = collection.end(End::Closed);
        }
        match &self.inner.writer {
            Some(writer) => writer
                .lock()
                .release()
                .map_err(|error| Error::io(&self.inner.dir, error)),
            None => Ok(()),
        }
    }

    /// The database's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Whether this handle may write.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.inner.writer.is_none()
    }

    /// Creates a collection.
    ///
    /// # Errors
    /// A name that is taken or not allowed, a configuration that contradicts itself, a model that is not installed.
    pub fn create_collection(&self, name: &str, config: CollectionConfig) -> Result<Collection> {
        self.check_writable("create a collection")?;
        check_name(name)?;
        config.validate()?;
        config.device.check()?;
        let locked = self.locked(config)?;
        let dimension = locked.dimension();
        locked.config.index.check(dimension, locked.config.metric)?;
        let mut open = self.opened()?;
        let folder = self.free_folder(name)?;
        let pending = self.pending(name)?;
        let json = serde_json::to_string(&locked).map_err(|source| Error::BadConfig {
            name: name.to_owned(),
            source: source.into(),
        })?;
        drop(Store::create(
            pending.path().join(DOCUMENTS),
            &json,
            dimension,
        )?);
        move_into_place(&pending.keep(), &folder)?;
        let collection = self.open_folder(name, &folder)?;
        open.insert(name.to_owned(), collection.clone());
        Ok(collection)
    }

    /// The collection of this name.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    pub fn collection(&self, name: &str) -> Result<Collection> {
        let mut open = self.opened()?;
        if let Some(collection) = open
            .get(name)
            .filter(|open| !open.core.local().documents.is_gone())
        {
            return Ok(collection.clone());
        }
        open.remove(name);
        self.check_known(name)?;
        let collection = self.open_folder(name, &self.inner.dir.join(name))?;
        open.insert(name.to_owned(), collection.clone());
        Ok(collection)
    }

    /// The model `name`, opened if it is not yet, and shared with the collections that name it.
    ///
    /// # Errors
    /// When there is no such model, or it or ONNX Runtime cannot be loaded.
    pub fn model(&self, name: &str) -> Result<Arc<dyn Embed>> {
        Ok(self.inner.models.open(name)?)
    }

    /// The names of the collections, sorted.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn collections(&self) -> Result<Vec<String>> {
        let dir = &self.inner.dir;
        let entries = fs::read_dir(dir).map_err(|error| Error::io(dir, error))?;
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().join(DOCUMENTS).is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| check_name(name).is_ok())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Drops a collection with all its documents. Handles on it answer with an error from then on.
    ///
    /// # Errors
    /// When there is none of this name, or its folder cannot be removed.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        self.check_writable("drop a collection")?;
        let mut open = self.opened()?;
        self.check_known(name)?;
        // Without opening it: a damaged one can be dropped too.
        let collection = open.remove(name);
        if let Some(collection) = &collection {
            collection.core.local().end(End::Dropped);
        }
        let grave = self.pending(name)?;
        let folder = self.inner.dir.join(name);
        move_into_place(&folder, &grave.path().join(name))?;
        sync_folder(&self.inner.dir)?;
        // Others go on meanwhile: a compaction may take a while to stop.
        drop(open);
        if let Some(collection) = collection {
            collection.core.local().wait();
        }
        grave
            .close()
            .map_err(|error| Error::io(&self.inner.dir, error))
    }

    fn check_known(&self, name: &str) -> Result<()> {
        let known = self.collections()?;
        if known.iter().any(|candidate| candidate == name) {
            return Ok(());
        }
        Err(Error::UnknownCollection {
            name: name.to_owned(),
            known,
        })
    }

    pub(crate) fn check_writable(&self, action: &'static str) -> Result<()> {
        if self.is_read_only() {
            return Err(Error::ReadOnly { action });
        }
        Ok(())
    }

    /// The folder that a new collection of this name will have.
    pub(crate) fn free_folder(&self, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        let folder = self.inner.dir.join(name);
        if folder.join(DOCUMENTS).is_file() {
            return Err(Error::CollectionExists {
                name: name.to_owned(),
            });
        }
        if folder.exists() {
            let given = format!("{name:?}, where {} is something else", folder.display());
            let expected = "another name, or that moved out of the way";
            return Err(Error::invalid("name", given, expected));
        }
        Ok(folder)
    }

    /// A folder of the same file system to prepare a collection in; it disappears unless it is kept.
    pub(crate) fn pending(&self, name: &str) -> Result<tempfile::TempDir> {
        let prefix = format!("{PENDING}{name}-");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        share(&mut builder);
        builder
            .tempdir_in(&self.inner.dir)
            .map_err(|error| Error::io(&self.inner.dir, error))
    }

    /// The collections that are open; an error once the database is closed.
    fn opened(&self) -> Result<MutexGuard<'_, BTreeMap<String, Collection>>> {
        let open = self.inner.open.lock();
        if self.inner.closed.load(Ordering::Acquire) {
            return Err(Error::Closed {
                path: self.inner.dir.clone(),
            });
        }
        Ok(open.unwrap_or_else(PoisonError::into_inner))
    }

    fn open_folder(&self, name: &str, folder: &Path) -> Result<Collection> {
        Collection::open(
            name,
            folder,
            Arc::clone(&self.inner.models),
            self.inner.writer.clone(),
            self.inner.upkeep,
        )
    }

    fn locked(&self, mut config: CollectionConfig) -> Result<Locked> {
        let mut identity = None;
        if let Vectors::Embedded { model, .. } = &mut config.vectors {
            let name = model.get_or_insert_with(|| self.inner.models.default_name());
            identity = Some(self.inner.models.identity(name)?);
            if let Some(chunk) = &config.chunk {
                check_room(chunk, name, self.inner.models.room(name)?)?;
            }
        }
        Ok(Locked {
            config,
            model: identity,
        })
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Database")
            .field("dir", &self.inner.dir)
            .finish_non_exhaustive()
    }
}

fn check_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let starts_well = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    if starts_well && name.len() <= MAX_NAME && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(Error::BadName {
        name: name.to_owned(),
    })
}
