//! Opening a collection: the sealed index if its file is sound and current, the rows since as a fresh part.
//!
//! The document store is the truth. An index file that is missing, damaged or stale costs one warning and time: every row is
//! replayed into the fresh part, which is exact, and a compaction in the background makes the index anew.

use std::{fs, ops::ControlFlow, path::Path, sync::Arc};

use engine::{IdSet, Index, Stamp};
use sha2::{Digest, Sha256};
use storage::{Reader, Seal, Store};

use crate::{
    Error, Result,
    collection::Core,
    config::Locked,
    view::{Sealed, View},
};

/// Rows replayed at a time.
const PAGE: usize = 4_096;
const INDEX_PREFIX: &str = "index-";

/// The state of a collection as found on disk.
pub(crate) struct Recovered {
    pub(crate) view: View,
    /// The sealed index was lost and should be made anew.
    pub(crate) rebuild: bool,
}

/// The name of the index file of a generation.
pub(crate) fn index_file(generation: u64) -> String {
    format!("{INDEX_PREFIX}{generation}")
}

pub(crate) fn stamp(config: u64, seal: &Seal) -> Stamp {
    Stamp {
        config,
        generation: seal.generation,
        sequence: seal.sequence,
        last_id: seal.last_id,
    }
}

/// The first eight bytes of the configuration's SHA-256.
pub(crate) fn config_hash(config: &str) -> u64 {
    let digest = Sha256::digest(config.as_bytes());
    digest
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
) -> Result<Recovered> {
    let reader = store.read()?;
    let seal = reader.seal();
    if writer {
        remove_strays(folder, seal)?;
    }
    let sealed = seal.and_then(|seal| load(folder, store.config(), seal));
    let rebuild = writer && seal.is_some() && sealed.is_none();
    let view = replay(&reader, locked, sealed)?;
    Ok(Recovered { view, rebuild })
}

fn load(folder: &Path, config: &str, seal: &Seal) -> Option<Sealed> {
    let path = folder.join(&seal.file);
    match Index::load(&path, &stamp(config_hash(config), seal)) {
        Ok(index) => Some(Sealed {
            index,
            seal: seal.clone(),
        }),
        Err(error) => {
            tracing::warn!(
                "{error}; no document is lost: searches compare every vector until the index is made anew"
            );
            None
        }
    }
}

fn replay(reader: &Reader<'_>, locked: &Locked, sealed: Option<Sealed>) -> Result<View> {
    let mut view = View::empty(locked.dimension(), locked.config.metric);
    view.last_id = sealed.as_ref().map_or(0, |sealed| sealed.seal.last_id);
    view.sealed = sealed.map(Arc::new);
    view.deleted = Arc::new(IdSet::from_iter(reader.removed()?));
    view.sequence = reader.sequence();
    let after = view.last_id;
    add_newer(reader, view, after)
}

/// The view with the live rows above `after`.
fn add_newer(reader: &Reader<'_>, mut view: View, mut after: i64) -> Result<View> {
    loop {
        let mut ids = Vec::new();
        let mut vectors = Vec::new();
        reader.for_each_vector(after, &mut |id, vector| {
            ids.push(id);
            vectors.extend_from_slice(vector);
            if ids.len() < PAGE {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        let Some(&last) = ids.last() else {
            return Ok(view);
        };
        view = view.after_write(&ids, &vectors, &[], 0, view.sequence)?;
        after = last;
    }
}

/// Brings a reader's view up to what another process has committed.
pub(crate) fn catch_up(core: &Core) -> Result<()> {
    let reader = core.read()?;
    let sequence = reader.sequence();
    if core.view.load().sequence == sequence {
        return Ok(());
    }
    let _writing = core.start_writing()?;
    let view = core.view.load_full();
    let seal = reader.seal();
    let known = view.sealed.as_ref().map(|sealed| sealed.seal.generation);
    let sealed_anew = seal.filter(|seal| Some(seal.generation) != known);
    let next = match sealed_anew.and_then(|seal| load(&core.folder, core.store.config(), seal)) {
        Some(sealed) => replay(&reader, &core.locked, Some(sealed))?,
        None => {
            let after = view.last_id;
            let removed = reader.removed()?;
            add_newer(
                &reader,
                view.after_write(&[], &[], &removed, 0, sequence)?,
                after,
            )?
        }
    };
    core.view.store(Arc::new(next));
    Ok(())
}

/// Removes index files, whole or half-written, that the store does not refer to.
fn remove_strays(folder: &Path, seal: Option<&Seal>) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let current = seal.is_some_and(|seal| name == seal.file.as_str());
        if !current && name.to_string_lossy().starts_with(INDEX_PREFIX) {
            // What cannot be removed does no harm: nothing reads it.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}
