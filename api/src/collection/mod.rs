//! A collection: documents that can be written, read and searched by many threads at once.
//!
//! What its handles share is in `core`, where its documents are in `backend`. Writing is in `write`, searching in `search`.

pub(crate) mod core;
mod scan;

use std::{fmt, path::Path, sync::Arc};

use engine::{Watch, unwatched};
use models::Models;
use storage::{Filter, Key};

use crate::{
    config::CollectionConfig,
    document::Document,
    documents::End,
    error::Result,
    lock::Writer,
    page::{Cursor, Page},
    space::Upkeep,
    stats::Stats,
};
use core::Core;

pub use scan::Documents;

/// A handle on a collection; cloning it is cheap and every clone is the same collection.
///
/// Dropping the last handle stops background work without waiting for it; [`Collection::close`] waits.
#[derive(Clone)]
pub struct Collection {
    pub(crate) core: Arc<Core>,
}

impl Collection {
    pub(crate) fn open(
        name: &str,
        folder: &Path,
        models: Arc<Models>,
        writer: Option<Arc<Writer>>,
        upkeep: Upkeep,
    ) -> Result<Self> {
        let core = Core::open(name, folder, models, writer, upkeep)?;
        Ok(Self {
            core: Arc::new(core),
        })
    }

    /// The collection's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// How the collection was created.
    #[must_use]
    pub fn config(&self) -> &CollectionConfig {
        &self.core.locked.config
    }

    /// Components of each vector.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.core.locked.dimension()
    }

    /// The documents with these keys, in the order of the keys, without those that do not exist.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn get(&self, keys: impl IntoIterator<Item: Into<Key>>) -> Result<Vec<Document>> {
        self.core.backend.get(&collected(keys), false)
    }

    /// As [`Collection::get`], with their vectors. A document that is cut into passages has no vector of its own and comes
    /// without.
    ///
    /// # Errors
    /// As [`Collection::get`].
    pub fn get_with_vectors(
        &self,
        keys: impl IntoIterator<Item: Into<Key>>,
    ) -> Result<Vec<Document>> {
        self.core.backend.get(&collected(keys), true)
    }

    /// Deletes the documents with these keys and returns how many existed. Durable when this returns.
    ///
    /// # Errors
    /// When the handle is read-only or the store cannot be written.
    pub fn delete(&self, keys: impl IntoIterator<Item: Into<Key>>) -> Result<usize> {
        self.check_writable("delete documents")?;
        self.core.backend.delete(&collected(keys))
    }

    /// Deletes the documents that pass `filter` and returns how many did. Durable when this returns.
    ///
    /// # Errors
    /// As [`Collection::delete`].
    pub fn delete_matching(&self, filter: &Filter) -> Result<usize> {
        self.check_writable("delete documents")?;
        self.core.backend.delete_matching(filter)
    }

    /// How many documents there are, or how many pass `filter`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count(&self, filter: Option<&Filter>) -> Result<u64> {
        self.core.backend.count(filter)
    }

    /// A page of at most `limit` documents in the order in which they were written, from `cursor` on (`None`: from the start).
    ///
    /// # Errors
    /// A string that is no cursor of this collection; when the store cannot be read.
    pub fn scroll(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
        filter: Option<&Filter>,
    ) -> Result<Page> {
        self.core.backend.scroll(cursor, limit, filter)
    }

    /// All documents in the order in which they were written, read page by page. Documents written meanwhile come too.
    #[must_use]
    pub fn documents(&self) -> Documents<'_> {
        Documents::new(&self.core)
    }

    /// The state of the collection.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stats(&self) -> Result<Stats> {
        let mut stats = Stats {
            name: self.core.name.clone(),
            documents: 0,
            passages: None,
            config: self.config().clone(),
            dimension: self.dimension(),
            model: self.core.locked.model.clone(),
            explanation: String::new(),
            local: None,
        };
        self.core.backend.describe(&mut stats)?;
        Ok(stats)
    }

    /// Embeds texts with the collection's model, as a query's text would be.
    ///
    /// # Errors
    /// When the collection has no model, or the model fails.
    pub fn embed(&self, texts: &[&str]) -> Result<embedder::Embeddings> {
        Ok(self.core.model()?.embed(texts, embedder::Purpose::Query)?)
    }

    /// Loads the collection's model now rather than at the first text; does nothing when it has none.
    ///
    /// # Errors
    /// When the model or ONNX Runtime cannot be loaded, or is not the one that the collection was created with.
    pub fn load_model(&self) -> Result<()> {
        if self.core.locked.model.is_some() {
            self.core.model()?;
        }
        Ok(())
    }

    /// Seals every vector written so far, and removes deleted ones; a graph, out of which nothing can be removed, is rebuilt for
    /// that when more than one in twenty of its vectors are deleted. In a graph, every vector that a short walk misses gets a
    /// link. Searches and writes go on meanwhile. Returns at once when there is nothing to do.
    ///
    /// # Errors
    /// When the handle is read-only, or the index cannot be built or written.
    pub fn compact(&self) -> Result<()> {
        self.compact_with(&unwatched)
    }

    /// As [`Collection::compact`], telling `watch` of each step (sampling, training, adding, measuring). When it breaks, everything
    /// is left as it was.
    ///
    /// # Errors
    /// As [`Collection::compact`]; [`Error::Cancelled`](crate::Error::Cancelled) when `watch` breaks.
    pub fn compact_with(&self, watch: Watch<'_>) -> Result<()> {
        self.check_writable("compact")?;
        self.core.local().compact(watch)
    }

    /// Rebuilds the sealed index from the current documents: a kind that is trained on a sample (IVF, PQ, SQ8, PCA …) is trained
    /// again. Searches and writes go on meanwhile.
    ///
    /// # Errors
    /// When the handle is read-only; [`Error::Untrained`](crate::Error::Untrained), naming the minimum, when there are too few
    /// vectors; when the index cannot be built or written.
    pub fn train(&self) -> Result<()> {
        self.train_with(&unwatched)
    }

    /// As [`Collection::train`], telling `watch` of each step. When it breaks, everything is left as it was.
    ///
    /// # Errors
    /// As [`Collection::train`]; [`Error::Cancelled`](crate::Error::Cancelled) when `watch` breaks.
    pub fn train_with(&self, watch: Watch<'_>) -> Result<()> {
        self.check_writable("train")?;
        self.core.local().train(watch)
    }

    /// Closes the collection: stops background work and waits for it and for writes under way. Every other handle answers
    /// [`Error::Closed`](crate::Error::Closed) from then on; [`Database::collection`](crate::Database::collection) opens it again.
    ///
    /// # Errors
    /// When it was closed or dropped before.
    pub fn close(self) -> Result<()> {
        self.end(End::Closed)
    }

    pub(crate) fn end(&self, end: End) -> Result<()> {
        let local = self.core.local();
        let there = local.documents.check_there();
        local.end(end);
        local.wait();
        there
    }

    pub(crate) fn check_writable(&self, action: &'static str) -> Result<()> {
        self.core.local().documents.check_writable(action)
    }
}

fn collected(keys: impl IntoIterator<Item: Into<Key>>) -> Vec<Key> {
    keys.into_iter().map(Into::into).collect()
}

impl fmt::Debug for Collection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Collection")
            .field("name", &self.core.name)
            .finish_non_exhaustive()
    }
}
