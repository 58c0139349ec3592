//! [`Index`]: what it is and how it grows. Ids ascend with rows, so finding an id is a binary search. Searching is in
//! `search.rs`, training in `train.rs`, removing in `remove.rs`.

pub(crate) mod effort;
mod grow;
mod range;
pub(crate) mod reading;
mod remove;
mod rows;
mod search;
mod train;

use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::ids::MAX_ID;
use crate::metric::Metric;
use crate::recall::Curve;
use crate::spec::Kind;
use crate::vectors;

pub use grow::Piece;

/// Vectors of one dimension, under ids that only grow. Searched through `&self` from any number of threads, changed
/// through `&mut self`.
pub struct Index {
    raw: Backend,
    dimension: usize,
    metric: Metric,
    kind: Kind,
    trained_on: usize,
    pub(crate) reached: usize,
    pub(crate) curve: Option<Curve>,
    read_only: bool,
}

impl Index {
    /// An empty index.
    ///
    /// # Errors
    /// [`Error::DimensionRange`], [`Error::BadSpec`] for parameters out of range.
    pub fn new(dimension: usize, metric: Metric, kind: &Kind) -> Result<Self> {
        vectors::check_dimension(dimension)?;
        kind.check(dimension, metric)?;
        let raw = Backend::create(dimension, kind, metric)?;
        Ok(Self {
            raw,
            dimension,
            metric,
            kind: kind.clone(),
            trained_on: 0,
            reached: 0,
            curve: None,
            read_only: false,
        })
    }

    pub(crate) fn from_backend(
        raw: Backend,
        dimension: usize,
        metric: Metric,
        kind: Kind,
        trained_on: usize,
    ) -> Self {
        Self {
            raw,
            dimension,
            metric,
            kind,
            trained_on,
            reached: 0,
            curve: None,
            read_only: false,
        }
    }

    /// The same, for searching alone.
    pub(crate) fn for_reading(mut self) -> Self {
        self.read_only = true;
        self
    }

    pub(crate) fn set_trained_on(&mut self, vectors: usize) {
        if self.kind.trains() {
            self.trained_on = vectors;
        }
    }

    /// Has the index be one of another metric that it is kept the same way for.
    pub(crate) fn set_metric(&mut self, metric: Metric) {
        self.metric = metric;
    }

    /// Puts a back end that is trained or empty in the place of the one there is.
    pub(crate) fn replace_backend(&mut self, raw: Backend, trained_on: usize) {
        (self.raw, self.trained_on, self.reached, self.curve) = (raw, trained_on, 0, None);
    }

    /// What is to be changed. Nothing else gives a back end that can be, so that no change forgets to ask.
    ///
    /// # Errors
    /// [`Error::ReadOnly`].
    pub(crate) fn raw_mut(&mut self) -> Result<&mut Backend> {
        if self.read_only {
            return Err(Error::ReadOnly);
        }
        Ok(&mut self.raw)
    }

    pub(crate) fn raw(&self) -> &Backend {
        &self.raw
    }

    /// How many numbers a vector has.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// How distances are measured.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// What the index is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// How many vectors it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.raw.ids().len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids it holds, ascending.
    #[must_use]
    pub fn ids(&self) -> &[i64] {
        self.raw.ids()
    }

    /// The largest id it holds.
    #[must_use]
    pub fn last_id(&self) -> Option<i64> {
        self.raw.ids().last().copied()
    }

    /// Whether vectors can be added.
    #[must_use]
    pub fn is_trained(&self) -> bool {
        self.raw.is_trained()
    }

    /// How many vectors it was trained on; 0 for kinds that need no training.
    #[must_use]
    pub fn trained_on(&self) -> usize {
        self.trained_on
    }

    /// How many bytes of memory it takes: vectors or codes, ids, links, lists, transforms, and the tables of all these.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.raw.memory_bytes()
    }

    /// Adds vectors (row-major), one per id. Ids ascend strictly and lie above every id inside. All or nothing.
    /// HNSW and IVF work on as many cores as [`crate::with_threads`] allows.
    ///
    /// # Errors
    /// [`Error::NotTrained`], [`Error::IdCount`], [`Error::IdOrder`], [`Error::IdRange`], [`Error::IndexFull`]; about
    /// the vectors [`Error::RaggedVectors`], [`Error::DimensionMismatch`], [`Error::NotFinite`],
    /// [`Error::NormTooLarge`] (not for cosine), [`Error::ComponentTooLarge`] for `SQfp16`. [`Error::Faiss`] when memory runs out: the index is empty then. (Within
    /// FAISS's parallel parts a failed allocation ends the process, as Rust's own do.) [`Error::Unsupported`] and
    /// [`Error::TooFewTrainingVectors`] for NSG, which takes all its vectors at once, 1,000 or more.
    pub fn add(&mut self, ids: &[i64], new: &[f32]) -> Result<()> {
        self.add_by(Backend::add, ids, new)
    }

    /// Checks vectors and has the back end take them.
    pub(crate) fn add_by(
        &mut self,
        take: impl FnOnce(&mut Backend, &[i64], &[f32]) -> Result<()>,
        ids: &[i64],
        new: &[f32],
    ) -> Result<()> {
        self.raw_mut()?;
        let new = vectors::prepare(new, self.dimension, self.metric)?;
        self.kind.check_held(&new, self.dimension, self.metric)?;
        self.check_ids(ids, new.len() / self.dimension)?;
        if ids.is_empty() {
            return Ok(());
        }
        if !self.is_trained() {
            return Err(Error::NotTrained {
                kind: self.kind.clone(),
            });
        }
        self.check_growth(ids.len())?;
        self.curve = None;
        take(self.raw_mut()?, ids, &new).inspect_err(|_| self.reached = 0)
    }

    /// A kind that is built at one go takes all its vectors at once, and enough of them.
    fn check_growth(&self, given: usize) -> Result<()> {
        if self.kind.can_grow() {
            return Ok(());
        }
        if !self.is_empty() {
            return Err(Error::Unsupported {
                kind: self.kind.clone(),
                operation: "take vectors when it has some",
                instead: "build a new one from all vectors, or use HNSW",
            });
        }
        let minimum = self.kind.min_vectors(self.dimension);
        if given < minimum {
            return Err(Error::TooFewTrainingVectors {
                kind: self.kind.clone(),
                given,
                minimum,
            });
        }
        Ok(())
    }

    fn check_ids(&self, ids: &[i64], count: usize) -> Result<()> {
        if ids.len() != count {
            return Err(Error::IdCount {
                ids: ids.len(),
                vectors: count,
            });
        }
        let total = self.len().saturating_add(count);
        let maximum = self.kind.max_vectors();
        if total > maximum {
            return Err(Error::IndexFull {
                given: total,
                maximum,
            });
        }
        let mut previous = self.last_id();
        for &id in ids {
            if !(0..=MAX_ID).contains(&id) {
                return Err(Error::IdRange {
                    id,
                    maximum: MAX_ID,
                });
            }
            if let Some(previous) = previous.filter(|&previous| id <= previous) {
                return Err(Error::IdOrder { id, previous });
            }
            previous = Some(id);
        }
        Ok(())
    }

    /// Has the vectors lie in huge pages of memory, where the system can: a search of a graph of many megabytes then takes
    /// about a tenth less time. For an index that is complete; it takes about a third of a millisecond per MiB.
    pub fn use_huge_pages(&self) {
        self.raw.use_huge_pages();
    }

    /// A copy of its own, in memory, to add to while this one is searched.
    ///
    /// # Errors
    /// [`Error::Faiss`] when memory runs out.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            raw: self.raw.try_clone()?,
            kind: self.kind.clone(),
            curve: self.curve.clone(),
            read_only: false,
            ..*self
        })
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Index");
        debug
            .field("kind", &self.kind)
            .field("metric", &self.metric)
            .field("dimension", &self.dimension);
        debug.field("len", &self.len()).finish()
    }
}
