//! A collection: documents that can be written, read and searched by many threads at once.
//!
//! A write goes to the document store first and joins the view when it is committed. What the handles share is in `state`,
//! searching in `search`, folding fresh rows into the sealed index in `compaction`, opening in `recovery`.

pub(crate) mod core;
pub(crate) mod passages;

use std::{path::PathBuf, sync::Arc};

use engine::Curve;
use models::Models;
use serde::{Deserialize, Serialize};
use storage::{Filter, Key};

pub(crate) use crate::collection::core::{Core, Upkeep};
use crate::{
    CollectionConfig, Document, Result, lock::Lock, search::plan::explanation,
    space::compact::Compactor, write::Rows,
};

/// A handle on a collection; cloning it is cheap and every clone is the same collection.
#[derive(Clone)]
pub struct Collection {
    pub(crate) core: Arc<Core>,
    pub(crate) compactor: Arc<Compactor>,
}

/// What an upsert did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Upserted {
    /// Documents with a new key.
    pub added: usize,
    /// Documents that replaced one of the same key.
    pub updated: usize,
    /// Documents that were there already, exactly so, and were left alone.
    pub unchanged: usize,
    /// Texts that the model embedded, or passages of them; what was embedded before is not embedded again.
    pub embedded: usize,
    /// Documents that took the vector of the same text, of another document or their own version before, in this call or one
    /// before it.
    #[serde(default)]
    pub reused: usize,
    /// Documents whose text is longer than the model reads, so that only its beginning counts; none where texts are cut into
    /// passages.
    pub truncated: usize,
}

/// Documents in the order in which they were written, a page of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The documents.
    pub documents: Vec<Document>,
    /// Pass this to get the next page; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// The state of a collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// The collection's name.
    pub name: String,
    /// Documents in it.
    pub documents: u64,
    /// Passages that they are cut into, each with a vector; absent where texts are not cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passages: Option<u64>,
    /// How it was made.
    pub config: CollectionConfig,
    /// Components of each vector.
    pub dimension: usize,
    /// The model that it is locked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<embedder::Identity>,
    /// The kind of the sealed index; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Which kind of search that makes, of how many vectors, and the time a query takes: measured when the index was sealed,
    /// or, where none is sealed, now. While there are too few vectors for the index that was asked for, also how many it takes.
    pub explanation: String,
    /// What was measured of the sealed index: recall and time of each setting worth having.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curve: Option<Curve>,
    /// Vectors in the sealed index.
    pub sealed: usize,
    /// Vectors added since, which are compared one by one.
    pub fresh: usize,
    /// Vectors that the indexes still hold and that are deleted.
    pub deleted: usize,
    /// How often the index was sealed.
    pub generation: u64,
    /// How many writes the collection has seen.
    pub sequence: u64,
    /// Memory of the indexes, in bytes.
    pub memory_bytes: usize,
    /// The collection's folder on disk, in bytes.
    pub disk_bytes: u64,
}

impl Collection {
    pub(crate) fn open(
        name: &str,
        folder: PathBuf,
        models: Arc<Models>,
        lock: Option<Arc<Lock>>,
        upkeep: Upkeep,
    ) -> Result<Self> {
        let (core, rebuild) = Core::open(name, folder, models, lock, upkeep)?;
        let core = Arc::new(core);
        let collection = Self {
            compactor: Arc::new(Compactor::new(Arc::clone(&core))),
            core,
        };
        if rebuild {
            collection.compactor.wake();
        } else if collection.core.lock.is_some() {
            collection.compactor.wake_if_due();
        }
        Ok(collection)
    }

    /// The collection's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// How the collection was made.
    #[must_use]
    pub fn config(&self) -> &CollectionConfig {
        &self.core.locked.config
    }

    /// Components of each vector.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.core.locked.dimension()
    }

    /// Writes documents, each replacing the one of the same key. All of them or none; durable when this returns.
    ///
    /// Text is embedded by the collection's model, unless it was stored under the same key with the same text before, or under
    /// any key since this process opened the collection. A
    /// document that is there already, exactly so, is left alone.
    ///
    /// While somebody searches the collection, writes that outrun compaction wait for it, at most as long as
    /// [`Options::pace_writes`](crate::Options::pace_writes) says: a search compares new documents one by one. A bulk load that
    /// nobody searches beside goes at full speed.
    ///
    /// # Errors
    /// A key that stands twice, a document without text or vector, a vector of another dimension or with NaN or where texts are cut
    /// into passages, a text that is empty or over 16 MiB; what the model or the disk says. Nothing is written then.
    pub fn upsert(&self, documents: Vec<Document>) -> Result<Upserted> {
        self.core.check_writable("write documents")?;
        let mut rows = Rows::prepare(&self.core, documents)?;
        rows.embed(&self.core)?;
        let done = rows.commit(&self.core)?;
        self.compactor.wake_if_due();
        Ok(done)
    }

    /// The documents with these keys, without those that do not exist, in the order of the keys.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn get(&self, keys: &[Key]) -> Result<Vec<Document>> {
        self.get_with(keys, false)
    }

    /// As [`Collection::get`], with the vectors when `vectors` is set; a document that is cut into passages has no one vector, and
    /// comes without.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn get_with(&self, keys: &[Key], vectors: bool) -> Result<Vec<Document>> {
        let vectors = vectors && !self.core.has_passages();
        let records = self.core.read()?.get(keys, vectors)?;
        Ok(records.into_iter().flatten().map(Document::from).collect())
    }

    /// Deletes the documents with these keys and says how many there were. Durable when this returns.
    ///
    /// # Errors
    /// When the handle is read-only or the store cannot be written.
    pub fn delete(&self, keys: &[Key]) -> Result<usize> {
        self.core.check_writable("delete documents")?;
        self.remove(|core| Ok(core.store.delete(keys)?))
    }

    /// Deletes the documents that pass `filter` and says how many there were. Durable when this returns.
    ///
    /// # Errors
    /// When the handle is read-only or the store cannot be written.
    pub fn delete_matching(&self, filter: &Filter) -> Result<usize> {
        self.core.check_writable("delete documents")?;
        self.remove(|core| Ok(core.store.delete_matching(filter)?))
    }

    fn remove(&self, delete: impl FnOnce(&Core) -> Result<storage::Removed>) -> Result<usize> {
        let writing = self.core.start_writing()?;
        let removed = delete(&self.core)?;
        self.core.join(&[], &[], &removed.ids, removed.sequence)?;
        drop(writing);
        self.compactor.wake_if_due();
        Ok(removed.documents)
    }

    /// How many documents there are, or how many pass `filter`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count(&self, filter: Option<&Filter>) -> Result<u64> {
        Ok(self.core.read()?.count(filter)?)
    }

    /// A page of at most `limit` documents in the order in which they were written, after `cursor` (`None`: from the start).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn scroll(
        &self,
        cursor: Option<i64>,
        limit: usize,
        filter: Option<&Filter>,
    ) -> Result<Page> {
        let records = self
            .core
            .read()?
            .scroll(cursor.unwrap_or(0), limit, filter, false)?;
        let next = records
            .last()
            .filter(|_| records.len() == limit)
            .map(|record| record.id);
        Ok(Page {
            documents: records.into_iter().map(Document::from).collect(),
            next,
        })
    }

    /// The state of the collection.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stats(&self) -> Result<Stats> {
        let core = &self.core;
        let view = core.current_view()?;
        let reader = core.read()?;
        Ok(Stats {
            name: core.name.clone(),
            documents: reader.count(None)?,
            passages: match core.has_passages() {
                true => Some(reader.passage_count()?),
                false => None,
            },
            config: core.locked.config.clone(),
            dimension: core.locked.dimension(),
            model: core.locked.model.clone(),
            index: view.kind().map(|kind| kind.to_string()),
            explanation: explanation(&view, &core.locked.config.index)?,
            curve: view.curve().cloned(),
            sealed: view.sealed_len(),
            fresh: view.fresh_len(),
            deleted: view.deleted.len(),
            generation: view
                .sealed
                .as_ref()
                .map_or(0, |sealed| sealed.seal.generation),
            sequence: reader.sequence(),
            memory_bytes: view.memory_bytes(),
            disk_bytes: core.disk_bytes()?,
        })
    }

    /// Makes vectors of texts with the collection's model, as it would for a query.
    ///
    /// # Errors
    /// When the collection has no model, or the model fails.
    pub fn embed(&self, texts: &[&str]) -> Result<embedder::Embeddings> {
        Ok(self.core.model()?.embed(texts, embedder::Purpose::Query)?)
    }

    /// Loads the collection's model now rather than at the first text; does nothing when it has none.
    ///
    /// # Errors
    /// When the model or ONNX Runtime cannot be loaded, or is not the one that the collection was made with.
    pub fn load_model(&self) -> Result<()> {
        if self.core.locked.model.is_some() {
            self.core.model()?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Collection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Collection")
            .field("name", &self.core.name)
            .finish_non_exhaustive()
    }
}
