//! Taking vectors out. Kinds that cannot leave ids out of their searches instead ([`crate::Select::Except`]).

use crate::error::{Error, Result};
use crate::ids::IdSet;
use crate::index::Index;

impl Index {
    /// Takes out the vectors of these ids; how many there were. Ids that are not inside are passed over. Afterwards the
    /// index answers as one that never had them (for IVF: that was trained on the same sample). It takes time for every
    /// vector inside, so take out many at once.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for graphs ([`crate::Kind::can_remove`]), [`Error::ReadOnly`] for a mapped index.
    /// [`Error::Faiss`] when memory runs out: the index is empty then.
    pub fn remove(&mut self, ids: &IdSet) -> Result<usize> {
        self.raw_mut()?;
        let removed = match self.kind().can_remove() {
            true => self.raw_mut()?.remove(ids),
            false => None,
        };
        if matches!(removed, Some(Ok(1..) | Err(_))) {
            self.curve = None;
        }
        removed.unwrap_or_else(|| {
            Err(Error::Unsupported {
                kind: self.kind().clone(),
                operation: "take vectors out",
                instead: "leave them out of its searches, and build it anew when they are many",
            })
        })
    }
}
