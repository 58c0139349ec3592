//! Sealing: a new index gets its file and its record, and searches see it. Order on disk: index file, then the store's record of
//! it, then the old file goes. What fails leaves everything as it was. How the index came to be is `build`'s.

use std::{
    fs,
    path::Path,
    sync::{Arc, PoisonError},
};

use engine::{IdSet, Index, Watch};
use storage::Seal;

use crate::{
    Result,
    collection::Core,
    space::compact::{Effort, Order, Start, start},
    space::measure::measure,
    space::open::{index_file, is_index_file, stamp},
    space::view::Sealed,
};

/// Measures the sealed index, which was not built here, and seals it again with what was found.
pub(crate) fn measure_sealed(core: &Core, watch: Watch<'_>) -> Result<()> {
    let _one_at_a_time = core
        .compacting
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let start = start(core)?;
    let Some(sealed) = &start.view.sealed else {
        return Ok(());
    };
    let mut index = sealed.index.try_clone()?;
    let order = Order {
        effort: Effort::Foreground,
        retrain: false,
        watch,
    };
    measure(core, &start, &mut index, order)?;
    publish(core, &start, index, sealed.seal.keeps_removed)
}

/// Writes the new index and has searches see it.
pub(crate) fn publish(core: &Core, start: &Start, index: Index, keeps_removed: bool) -> Result<()> {
    let seal = Seal {
        generation: start.generation,
        file: index_file(start.generation),
        kind: index.kind().to_string(),
        last_id: start.last_id,
        sequence: start.sequence,
        keeps_removed,
    };
    let path = core.folder.join(&seal.file);
    let sealed = written(core, index, &path, &seal).and_then(|index| swap(core, index, seal));
    if sealed.is_err() {
        // What was not recorded is not looked for. A collection that was dropped meanwhile may have a namesake here by now.
        let _ = fs::remove_file(&path);
        core.check_there()?;
    }
    sealed
}

/// The index, once it is in its file: from there, where indexes are mapped.
fn written(core: &Core, index: Index, path: &Path, seal: &Seal) -> Result<Index> {
    let stamp = stamp(core.store.config(), seal);
    index.save(path, &stamp)?;
    match core.upkeep.mapped {
        true => Ok(core.upkeep.load(path, &stamp)?),
        false => Ok(index),
    }
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
