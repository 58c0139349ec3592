//! Sealing: a new index gets its file and its record, and searches see it.
//!
//! Order on disk: the index file, then the store's record of it, then the old file is removed. A failure leaves everything as
//! it was. How the index came to be is `build`'s concern.

use std::{fs, path::Path, sync::Arc};

use engine::{IdSet, Index, Watch};
use storage::Seal;

use super::{
    Space,
    due::Effort,
    file::{index_file, is_index_file, stamp},
    measure::measure,
    order::{Order, Start},
    view::Sealed,
};
use crate::error::Result;

impl Space {
    /// Measures the sealed index, which was not built here, and seals it again with its curve.
    pub(crate) fn measure_sealed(&self, watch: Watch<'_>) -> Result<()> {
        let _one_at_a_time = self.start_compacting();
        let start = Start::frozen(self)?;
        let Some(sealed) = &start.view.sealed else {
            return Ok(());
        };
        let mut index = sealed.index.try_clone()?;
        let order = Order {
            effort: Effort::Foreground,
            retrain: false,
            watch,
        };
        measure(self, &start, &mut index, order)?;
        self.publish(&start, index, sealed.seal.keeps_removed)
    }

    /// Writes the new index and shows it to searches.
    pub(super) fn publish(&self, start: &Start, index: Index, keeps_removed: bool) -> Result<()> {
        let seal = Seal {
            generation: start.generation,
            file: index_file(start.generation),
            kind: index.kind().to_string(),
            last_id: start.last_id,
            sequence: start.sequence,
            keeps_removed,
        };
        let path = self.documents.folder.join(&seal.file);
        let sealed = self
            .written(index, &path, &seal)
            .and_then(|index| self.swap(index, seal));
        if sealed.is_err() {
            // Nothing looks for a file without a record. A dropped collection may have a namesake here by now.
            let _ = fs::remove_file(&path);
            self.documents.check_there()?;
        }
        sealed
    }

    /// The index once it is in its file: loaded from there, where indexes are mapped.
    fn written(&self, index: Index, path: &Path, seal: &Seal) -> Result<Index> {
        let stamp = stamp(self.documents.store.config(), seal);
        index.save(path, &stamp)?;
        if self.upkeep.mapped {
            Ok(self.upkeep.load(path, &stamp)?)
        } else {
            Ok(index)
        }
    }

    /// Records the new index and swaps it in; the old file is removed last.
    fn swap(&self, index: Index, seal: Seal) -> Result<()> {
        let documents = &self.documents;
        let _writing = documents.start_writing()?;
        let old = documents.read()?.seal().map(|seal| seal.file.clone());
        documents.store.seal(&seal)?;
        let deleted = IdSet::from_iter(documents.read()?.removed()?);
        self.view.store(Arc::new(
            self.view.load().after_seal(Sealed { index, seal }, deleted),
        ));
        if let Some(old) = old.filter(|old| is_index_file(old)) {
            // A file left behind is removed at the next open.
            let _ = fs::remove_file(documents.folder.join(old));
        }
        Ok(())
    }
}
