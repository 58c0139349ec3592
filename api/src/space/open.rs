//! Opening a collection: the sealed index if its file is sound and current, the rows since as a fresh part.
//!
//! The document store is the truth. An index file that is missing, damaged or stale costs one warning and time: every row is
//! replayed into the fresh part, which is exact, and a compaction in the background makes the index anew.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    ops::ControlFlow,
    path::Path,
    sync::{Arc, TryLockError},
};

use engine::{IdSet, Stamp};
use sha2::{Digest, Sha256};
use storage::{Reader, Seal, Store};

use crate::{
    Error, Result,
    collection::{Core, Upkeep},
    config::Locked,
    space::view::{Sealed, View},
};

/// Rows read from the store at a time.
const PAGE: usize = 4_096;
const INDEX_PREFIX: &str = "index-";

/// The state of a collection as found on disk.
pub(crate) struct Recovered {
    pub(crate) view: View,
    /// The sealed index was lost and should be made anew.
    pub(crate) rebuild: bool,
}

/// A name for the index file of a generation. It has a random part, which goes into the file's stamp: another collection, or a
/// restored twin, may have the same configuration and the same counters, and its index is not this one's.
pub(crate) fn index_file(generation: u64) -> String {
    let nonce = RandomState::new().hash_one(generation);
    format!("{INDEX_PREFIX}{generation}-{nonce:016x}")
}

/// Whether an index file may have this name: nothing that leads out of the folder.
pub(crate) fn is_index_file(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    name.strip_prefix(INDEX_PREFIX)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(plain))
}

/// What the index file of this seal is stamped with, so that one of another collection or another state is not taken.
pub(crate) fn stamp(config: &str, seal: &Seal) -> Stamp {
    Stamp {
        config: hash(&[config.as_bytes(), &[0], seal.file.as_bytes()]),
        generation: seal.generation,
        sequence: seal.sequence,
        last_id: seal.last_id,
    }
}

/// The first eight bytes of the SHA-256 of these parts.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut digest = Sha256::new();
    parts.iter().for_each(|part| digest.update(part));
    digest
        .finalize()
        .iter()
        .take(8)
        .fold(0, |hash, &byte| hash << 8 | u64::from(byte))
}

/// Reads the collection in `folder` into a view. A writer also removes index files that nothing refers to.
pub(crate) fn open(
    folder: &Path,
    store: &Store,
    locked: &Locked,
    writer: bool,
    upkeep: Upkeep,
) -> Result<Recovered> {
    if writer {
        remove_strays(folder, store.read()?.seal())?;
    }
    let (reader, sealed) = sealed(folder, store, upkeep)?;
    let rebuild = writer && reader.seal().is_some() && sealed.is_none();
    let view = replay(&reader, locked, sealed)?;
    Ok(Recovered { view, rebuild })
}

/// A snapshot of the store, and the sealed index that it names. A writer may remove the file that a reader is about to open, so
/// while newer seals appear, the newest is tried; what still fails costs one warning.
fn sealed<'s>(
    folder: &Path,
    store: &'s Store,
    upkeep: Upkeep,
) -> Result<(Reader<'s>, Option<Sealed>)> {
    let mut failure: Option<(u64, engine::Error)> = None;
    loop {
        let reader = store.read()?;
        let Some(seal) = reader.seal().filter(|seal| is_index_file(&seal.file)) else {
            return Ok((reader, None));
        };
        if let Some((_, error)) = failure.filter(|(tried, _)| *tried == seal.generation) {
            tracing::warn!(
                "{error}; no document is lost: searches compare every vector until the index is made anew"
            );
            return Ok((reader, None));
        }
        match upkeep.load(&folder.join(&seal.file), &stamp(store.config(), seal)) {
            Ok(index) => {
                let seal = seal.clone();
                return Ok((reader, Some(Sealed { index, seal })));
            }
            Err(error) => failure = Some((seal.generation, error)),
        }
    }
}

fn replay(reader: &Reader<'_>, locked: &Locked, sealed: Option<Sealed>) -> Result<View> {
    let mut view = View::empty(locked.dimension(), locked.config.metric);
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

/// The next live rows with ids in `(after, last_id]`, at most [`PAGE`] of them: their ids, and their vectors one behind the other.
pub(crate) fn page(reader: &Reader<'_>, after: i64, last_id: i64) -> Result<(Vec<i64>, Vec<f32>)> {
    let mut ids = Vec::new();
    let mut vectors = Vec::new();
    reader.for_each_vector(after, &mut |id, vector| {
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

/// The view, or one of the caller's own with the rows that the store has committed since. Then every row that `reader` sees is in
/// it; what else is in it, `reader` knows to be dead.
pub(crate) fn level(reader: &Reader<'_>, view: Arc<View>) -> Result<Arc<View>> {
    if view.sequence >= reader.sequence() {
        return Ok(view);
    }
    Ok(Arc::new(add_newer(reader, view.shared(), i64::MAX)?))
}

/// A view of everything in the store, with the sealed index that is in memory. The caller holds `writing`.
pub(crate) fn reread(core: &Core) -> Result<View> {
    let old = core.view.load_full();
    let reader = core.read()?;
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

/// Brings a reader's view up to what another process has committed. Searches that come meanwhile do not wait for that: they
/// read what their view lacks from the store.
pub(crate) fn catch_up(core: &Core) -> Result<()> {
    if is_current(&core.view.load(), &core.read()?) {
        return Ok(());
    }
    let _writing = match core.writing.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return Ok(()),
    };
    let view = core.view.load_full();
    let mut reader = core.read()?;
    let mut next = None;
    if generation(&reader) != view.generation {
        let (newer, sealed) = sealed(&core.folder, &core.store, core.upkeep)?;
        reader = newer;
        next = sealed
            .map(|sealed| replay(&reader, &core.locked, Some(sealed)))
            .transpose()?;
    }
    let next = match next {
        Some(next) => next,
        None => with_newer(&reader, &view)?,
    };
    core.view.store(Arc::new(next));
    Ok(())
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
            // What cannot be removed does no harm: nothing reads it.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}
