//! When a compaction is worth its work, and when writes have outrun one.

use std::{
    sync::{MutexGuard, atomic::Ordering},
    time::Instant,
};

use engine::Kind;

use super::{Space, view::View};
use crate::error::Result;

/// Fewer fresh rows than this are not worth a compaction.
const FRESH_MINIMUM: usize = 4_096;
/// Fresh rows beyond this fraction of the sealed ones are compacted.
const FRESH_SHARE: usize = 8;
/// The same while the space is searched, where no new index is needed: 12,500 fresh vectors of 50 components take a search three
/// times as long as 100,000 in a graph.
const FRESH_SHARE_SEARCHED: usize = 32;
/// The share of deleted ids that a compaction on request leaves in a graph; `Options::compact_at` sets the background's.
const DELETED_SHARE_ON_REQUEST: f32 = 0.05;
/// Writes may run ahead of a compaction by this fraction of the fresh rows that make it due. More would slow searches and gain
/// nothing: a compaction takes what was fresh when it began, and the next begins as soon as enough is fresh again.
const AHEAD: usize = 8;

/// Who waits for a compaction, which decides how much is worth doing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Nobody: it leaves a core to searches.
    Background,
    /// The caller.
    Foreground,
}

/// Deleted ids that the sealed index may still hold.
pub(crate) fn dead(view: &View) -> usize {
    let Some(sealed) = view.sealed.as_ref().filter(|_| !view.deleted.is_empty()) else {
        return 0;
    };
    view.deleted
        .iter()
        .take_while(|&id| id <= sealed.seal.last_id)
        .count()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a number is no larger than it"
)]
fn share_of(len: usize, share: f32) -> usize {
    (len as f64 * f64::from(share)) as usize
}

impl Space {
    /// Deleted ids that a sealed index of `len` vectors may keep.
    pub(crate) fn tolerates(&self, effort: Effort, len: usize) -> usize {
        let compact_at = self.upkeep.compact_at;
        match effort {
            Effort::Background => FRESH_MINIMUM.max(share_of(len, compact_at)),
            Effort::Foreground => share_of(len, DELETED_SHARE_ON_REQUEST.min(compact_at)),
        }
    }

    pub(crate) fn is_due(&self) -> bool {
        let view = self.view.load();
        let tolerated = self.tolerates(Effort::Background, view.sealed_len());
        view.fresh_len() >= self.due_at(&view) || dead(&view) > tolerated
    }

    /// How many fresh rows are worth a compaction.
    fn due_at(&self, view: &View) -> usize {
        let grows = view.kind().is_some_and(Kind::can_grow);
        let share = if grows && self.pace.is_searched() {
            FRESH_SHARE_SEARCHED
        } else {
            FRESH_SHARE
        };
        FRESH_MINIMUM.max(view.sealed_len() / share)
    }

    /// Takes the store's `writing` lock once the rows to be added do not outrun compaction, the patience is spent or the caller
    /// has left. Of several writes that wait, each checks again when its turn comes.
    pub(crate) fn start_adding(&self, has_left: &dyn Fn() -> bool) -> Result<MutexGuard<'_, ()>> {
        let began = Instant::now();
        let waits = || self.is_crowded() && !has_left() && began.elapsed() < self.upkeep.patience;
        loop {
            if waits() {
                let collection = &self.documents.name;
                tracing::debug!(collection, "a write waits for compaction");
                self.pace.wait_while(waits);
            }
            let writing = self.documents.start_writing()?;
            if !waits() {
                return Ok(writing);
            }
        }
    }

    /// Whether ongoing searches are slowed by fresh rows that a running compaction is about to seal.
    pub(crate) fn is_crowded(&self) -> bool {
        if !self.background.load(Ordering::SeqCst)
            || !self.pace.is_searched()
            || self.documents.is_gone()
        {
            return false;
        }
        let view = self.view.load();
        let due = self.due_at(&view);
        if view.fresh_len() < due + due / AHEAD {
            return false;
        }
        // An index that compares every vector takes as long for sealed rows.
        let kind = self.shape.index.kind_for(view.len(), self.shape.dimension);
        !kind.is_exact()
    }
}
