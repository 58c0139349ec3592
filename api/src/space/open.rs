//! Opening a space: the sealed index if its file is sound and current, and the rows since as fresh segments. Also how a view
//! catches up with the store.
//!
//! The store is the truth. An index file that is missing, damaged or stale costs one warning and time: every row is replayed
//! into the fresh segments, which are exact, and a compaction in the background builds the index again.

use std::{fs, path::Path, sync::Arc, sync::atomic::Ordering};

use engine::IdSet;
use storage::{Reader, Seal};

use super::{
    Shape, Space, Upkeep,
    file::{INDEX_PREFIX, is_index_file, stamp},
    rows::page,
    view::{Sealed, View},
};
use crate::{
    documents::Documents,
    error::{Error, Result},
};

impl Space {
    /// Reads a space into memory. Second: whether its index was lost and should be built again. A writer also removes index files
    /// that nothing refers to.
    pub(crate) fn open(
        documents: Arc<Documents>,
        shape: Shape,
        upkeep: Upkeep,
    ) -> Result<(Self, bool)> {
        let writer = documents.is_writable();
        if writer {
            let reader = documents.store.read()?;
            remove_strays(&documents.folder, reader.seal())?;
        }
        let (reader, sealed) = sealed(&documents, upkeep)?;
        let rebuild = writer && reader.seal().is_some() && sealed.is_none();
        let view = replay(&reader, &shape, sealed)?;
        drop(reader);
        Ok((Self::new(documents, shape, upkeep, view), rebuild))
    }

    /// The view; a reader beside another process's writes catches up with them first.
    pub(crate) fn current_view(&self) -> Result<Arc<View>> {
        if !self.documents.is_writable() {
            self.catch_up()?;
        }
        Ok(self.view.load_full())
    }

    /// Shows a committed write to searches. The caller holds the store's `writing` lock. When memory is too short to add it to the
    /// view, the view is read again from the store: what is committed must be found.
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
                let collection = &self.documents.name;
                tracing::warn!(%error, collection, "the vectors are read again from the store");
                self.reread()
            })?;
        self.view.store(Arc::new(next));
        Ok(())
    }

    /// A view of everything in the store, with the sealed index that is in memory.
    fn reread(&self) -> Result<View> {
        let old = self.view.load_full();
        let reader = self.documents.read()?;
        let mut view = View {
            fresh: Vec::new(),
            last_id: old.sealed.as_ref().map_or(0, |sealed| sealed.seal.last_id),
            sequence: reader.sequence(),
            ..old.shared()
        };
        view.deleted = Arc::new(IdSet::from_iter(
            old.deleted.iter().chain(reader.removed()?),
        ));
        add_newer(&reader, view, 0)
    }

    /// Brings a reader's view up to what another process has committed. Searches that come meanwhile do not wait: they read what
    /// their view lacks from the store.
    fn catch_up(&self) -> Result<()> {
        if is_current(&self.view.load(), &self.documents.read()?) {
            return Ok(());
        }
        let Some(_writing) = self.documents.try_writing() else {
            return Ok(());
        };
        let view = self.view.load_full();
        let mut reader = self.documents.read()?;
        let mut next = None;
        if generation(&reader) != view.generation {
            let (newer, sealed) = sealed(&self.documents, self.upkeep)?;
            reader = newer;
            next = sealed
                .map(|sealed| replay(&reader, &self.shape, Some(sealed)))
                .transpose()?;
        }
        let next = match next {
            Some(next) => next,
            None => with_newer(&reader, &view)?,
        };
        self.view.store(Arc::new(next));
        Ok(())
    }
}

/// The view, or a private one with the rows that the store has committed since. Every row that `reader` sees is then in it, and
/// `reader` knows everything else in it to be dead.
pub(crate) fn level(reader: &Reader<'_>, view: Arc<View>) -> Result<Arc<View>> {
    if view.sequence >= reader.sequence() {
        return Ok(view);
    }
    Ok(Arc::new(add_newer(reader, view.shared(), i64::MAX)?))
}

/// A snapshot of the store, and the sealed index that it names. A writer may remove the file that a reader is about to open, so
/// while newer seals appear, the newest is tried; what still fails costs one warning.
fn sealed(documents: &Documents, upkeep: Upkeep) -> Result<(Reader<'_>, Option<Sealed>)> {
    let mut failure: Option<(u64, engine::Error)> = None;
    loop {
        let reader = documents.store.read()?;
        let Some(seal) = reader.seal().filter(|seal| is_index_file(&seal.file)) else {
            return Ok((reader, None));
        };
        if let Some((_, error)) = failure.filter(|(tried, _)| *tried == seal.generation) {
            tracing::warn!(
                "{error}; no document is lost: searches compare every vector until the index is built again"
            );
            return Ok((reader, None));
        }
        let path = documents.folder.join(&seal.file);
        match upkeep.load(&path, &stamp(documents.store.config(), seal)) {
            Ok(index) => {
                let seal = seal.clone();
                return Ok((reader, Some(Sealed { index, seal })));
            }
            Err(error) => failure = Some((seal.generation, error)),
        }
    }
}

fn replay(reader: &Reader<'_>, shape: &Shape, sealed: Option<Sealed>) -> Result<View> {
    let mut view = View::empty(shape.dimension, shape.metric);
    view.last_id = sealed.as_ref().map_or(0, |sealed| sealed.seal.last_id);
    view.sealed = sealed.map(Arc::new);
    view.deleted = Arc::new(IdSet::from_iter(reader.removed()?));
    view.sequence = reader.sequence();
    view.generation = generation(reader);
    add_newer(reader, view, 0)
}

fn generation(reader: &Reader<'_>) -> u64 {
    reader.seal().map_or(0, |seal| seal.generation)
}

/// The view with the live rows above its last id, in segments above `frozen`.
fn add_newer(reader: &Reader<'_>, mut view: View, frozen: i64) -> Result<View> {
    let mut after = view.last_id;
    loop {
        let (ids, vectors) = page(reader, after, i64::MAX)?;
        let Some(&last) = ids.last() else {
            return Ok(view);
        };
        view = view.after_write(&ids, &vectors, &[], frozen, view.sequence)?;
        after = last;
    }
}

fn is_current(view: &View, reader: &Reader<'_>) -> bool {
    view.sequence == reader.sequence() && view.generation == generation(reader)
}

fn with_newer(reader: &Reader<'_>, view: &View) -> Result<View> {
    let removed = reader.removed()?;
    let mut next = view.after_write(&[], &[], &removed, 0, reader.sequence())?;
    next.generation = generation(reader);
    add_newer(reader, next, 0)
}

/// Removes index files, whole or half-written, that the store does not refer to.
fn remove_strays(folder: &Path, seal: Option<&Seal>) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let current = seal.is_some_and(|seal| name == seal.file.as_str());
        // The engine writes `index-…` as `.index-….tmp` first.
        let name = name.to_string_lossy();
        if !current && name.trim_start_matches('.').starts_with(INDEX_PREFIX) {
            // A file that cannot be removed does no harm: nothing reads it.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}
