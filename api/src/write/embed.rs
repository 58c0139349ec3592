//! The vectors that documents lack: taken from documents, or passages, with the same text, waited for, or made by the model.
//!
//! Holds no lock while the model works. Which texts are known is `reuse.rs`' matter.

use embedder::Purpose;

use super::{
    Rows, Source,
    reuse::{self, Claim, Made, Theirs},
};
use crate::{backend::batch::vector_ids, collection::core::Core, error::Result};

impl Rows {
    /// Finds or makes the vectors that are missing. Holds no lock.
    pub(crate) fn embed(&mut self, core: &Core) -> Result<()> {
        if self.texts.is_empty() {
            return Ok(());
        }
        self.prints = self.texts.iter().map(|text| reuse::print(text)).collect();
        self.made = vec![None; self.texts.len()];
        let (mut stored, mut theirs, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for (at, claim) in core.texts.claim(&self.prints).into_iter().enumerate() {
            match claim {
                Claim::Stored { id, truncated } => stored.push((at, id, truncated)),
                Claim::Theirs(slot) => theirs.push((at, slot)),
                Claim::Mine(mine) => {
                    self.claimed.push(mine);
                    missing.push(at);
                }
            }
        }
        let mine = missing.len();
        missing.extend(self.take_stored(core, &stored)?);
        self.make(core, &missing)?;
        for (mine, at) in self.claimed.iter().zip(&missing[..mine]) {
            self.made[*at].iter().for_each(|made| mine.publish(made));
        }
        let failed = self.take_theirs(&theirs);
        self.make(core, &failed)?;
        self.count();
        Ok(())
    }

    /// Takes the vectors of documents with the same texts; those that are gone or changed are left over.
    fn take_stored(&mut self, core: &Core, stored: &[(usize, i64, bool)]) -> Result<Vec<usize>> {
        if stored.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<i64> = stored.iter().map(|(_, id, _)| *id).collect();
        let found = core.backend.texts_of(&ids)?;
        let mut left = Vec::new();
        for ((at, _, truncated), found) in stored.iter().zip(found) {
            match found.filter(|(text, _)| *text == self.texts[*at]) {
                Some((_, vector)) => {
                    let truncated = *truncated;
                    self.made[*at] = Some(Made { vector, truncated });
                }
                None => left.push(*at),
            }
        }
        Ok(left)
    }

    /// Takes what other threads make; what they failed to make is left over.
    fn take_theirs(&mut self, theirs: &[(usize, Theirs)]) -> Vec<usize> {
        for (at, slot) in theirs {
            self.made[*at] = slot.wait();
        }
        let all = theirs.iter().map(|(at, _)| *at);
        all.filter(|at| self.made[*at].is_none()).collect()
    }

    /// Embeds the texts at these positions.
    fn make(&mut self, core: &Core, positions: &[usize]) -> Result<()> {
        if positions.is_empty() {
            return Ok(());
        }
        let texts: Vec<&str> = positions.iter().map(|at| &*self.texts[*at]).collect();
        let embedded = core.model()?.embed(&texts, Purpose::Document)?;
        let rows = embedded.rows().zip(embedded.truncated());
        for (at, (row, &truncated)) in positions.iter().zip(rows) {
            let vector = row.to_vec();
            self.made[*at] = Some(Made { vector, truncated });
        }
        self.embedded.extend(positions);
        Ok(())
    }

    /// A document is one that took its vectors if none of them was made for it.
    fn count(&mut self) {
        self.done.embedded += self.embedded.len();
        for row in &self.rows {
            let Source::Embed(texts) = &row.vectors else {
                continue;
            };
            let mut took = true;
            for text in texts {
                took &= !self.embedded.remove(text);
            }
            self.done.reused += usize::from(took);
            let truncated = |at: &usize| self.made[*at].as_ref().is_some_and(|made| made.truncated);
            self.done.truncated += usize::from(texts.iter().any(truncated));
        }
    }

    /// Remembers which documents and passages have the vectors of which texts: for each written row its id, and the positions of
    /// its texts where it has such.
    pub(super) fn note(&self, core: &Core, ids: &[i64], texts: &[Vec<usize>]) {
        let noted = ids.iter().zip(texts).flat_map(|(id, texts)| {
            vector_ids(*id, texts.len())
                .zip(texts)
                .filter_map(|(id, at)| {
                    let truncated = self.made[*at].as_ref()?.truncated;
                    Some((self.prints[*at], id, truncated))
                })
        });
        core.texts.stored(noted);
    }
}
