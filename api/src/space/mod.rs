//! A space: one set of vectors, in the store and in the index, with the view that searches see.
//!
//! It knows the store and the index, never collections, databases, models or HTTP. A write commits first and joins the view
//! before the store's `writing` lock is released, so the view never runs ahead of the store, and lags behind it only while a
//! write is between the two.

pub(crate) mod build;
pub(crate) mod compact;
pub(crate) mod due;
pub(crate) mod file;
pub(crate) mod measure;
pub(crate) mod open;
pub(crate) mod order;
pub(crate) mod pace;
pub(crate) mod rows;
pub(crate) mod seal;
pub(crate) mod view;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicUsize},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use engine::{Index, IndexSpec, Metric, Stamp};
use storage::Reader;

use crate::{documents::Documents, error::Result};
use pace::Pace;
use view::View;

/// One set of vectors.
pub(crate) struct Space {
    pub(crate) documents: Arc<Documents>,
    pub(crate) shape: Shape,
    pub(crate) upkeep: Upkeep,
    pub(crate) view: ArcSwap<View>,
    pub(crate) pace: Pace,
    compacting: Mutex<()>,
    /// Segments up to this id are being compacted and take no more rows.
    frozen: AtomicI64,
    /// Whether a compaction runs in the background, or is about to.
    background: AtomicBool,
    stopping: AtomicBool,
    /// Callers waiting for an index that is trained anew: what the background builds meanwhile would be discarded.
    retraining: AtomicUsize,
}

/// What the vectors of a space are.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) dimension: usize,
    pub(crate) metric: Metric,
    pub(crate) index: IndexSpec,
    /// Whether each passage of a document has a vector, rather than the document as a whole.
    pub(crate) passages: bool,
}

/// How sealed indexes are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Upkeep {
    /// The share of deleted vectors at which the background removes them from the sealed index.
    pub(crate) compact_at: f32,
    /// Whether sealed indexes are memory-mapped.
    pub(crate) mapped: bool,
    /// The longest that a write waits for the compaction that it outruns.
    pub(crate) patience: Duration,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self {
            compact_at: 0.2,
            mapped: false,
            patience: Duration::from_secs(10),
        }
    }
}

impl Upkeep {
    /// Loads or maps the index in this file.
    pub(crate) fn load(self, path: &Path, stamp: &Stamp) -> engine::Result<Index> {
        if self.mapped {
            Index::load_mapped(path, stamp)
        } else {
            Index::load(path, stamp)
        }
    }
}

impl Space {
    fn new(documents: Arc<Documents>, shape: Shape, upkeep: Upkeep, view: View) -> Self {
        Self {
            documents,
            shape,
            upkeep,
            view: ArcSwap::from_pointee(view),
            pace: Pace::default(),
            compacting: Mutex::default(),
            frozen: AtomicI64::new(0),
            background: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            retraining: AtomicUsize::new(0),
        }
    }

    /// How many vectors the store has.
    pub(crate) fn vector_count(&self, reader: &Reader<'_>) -> Result<usize> {
        let count = if self.shape.passages {
            reader.passage_count()?
        } else {
            reader.count(None)?
        };
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Held while an index is built and sealed: one compaction at a time.
    pub(crate) fn start_compacting(&self) -> MutexGuard<'_, ()> {
        self.compacting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
