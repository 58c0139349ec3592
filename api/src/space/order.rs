//! What is asked of a compaction, and the state that it starts from.

use std::sync::{Arc, atomic::Ordering};

use engine::{Kind, Watch};

use super::{
    Space,
    due::{Effort, dead},
    view::View,
};
use crate::error::Result;

/// What is asked of a compaction.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    pub(crate) effort: Effort,
    /// Train a new index on the current rows.
    pub(crate) retrain: bool,
    /// Is told of each step and may end it.
    pub(crate) watch: Watch<'a>,
}

/// What a compaction starts from.
pub(crate) struct Start {
    pub(crate) view: Arc<View>,
    pub(crate) sequence: u64,
    pub(crate) last_id: i64,
    pub(crate) generation: u64,
    /// How many vectors the store has.
    pub(crate) rows: usize,
    /// An index was sealed and its file could not be used.
    lost: bool,
}

impl Start {
    /// From what the view has.
    pub(crate) fn of(space: &Space, view: Arc<View>) -> Result<Self> {
        let reader = space.documents.read()?;
        Ok(Self {
            sequence: reader.sequence(),
            last_id: view.last_id,
            generation: reader.seal().map_or(0, |seal| seal.generation) + 1,
            lost: reader.seal().is_some() && view.sealed.is_none(),
            rows: space.vector_count(&reader)?,
            view,
        })
    }

    /// From a consistent state, with the segments up to it frozen.
    pub(crate) fn frozen(space: &Space) -> Result<Self> {
        let _writing = space.documents.start_writing()?;
        let view = space.view.load_full();
        space.frozen.store(view.last_id, Ordering::Release);
        Self::of(space, view)
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_idle(&self, space: &Space, order: Order<'_>) -> bool {
        self.view.fresh_len() == 0
            && dead(&self.view) <= self.tolerated(space, order.effort)
            && !self.lost
            && !(order.effort == Effort::Foreground && self.view.may_miss())
            && !(order.retrain && self.rows > 0)
    }

    /// Deleted ids that are no reason to compact: none on request, where they can be removed from the index as it is.
    fn tolerated(&self, space: &Space, effort: Effort) -> usize {
        match effort {
            Effort::Foreground if self.view.kind().is_some_and(Kind::can_remove) => 0,
            _ => space.tolerates(effort, self.view.sealed_len()),
        }
    }
}
