//! The backend in this process: SQLite holds the documents, a [`Space`] their vectors.

pub(crate) mod centroids;
pub(crate) mod clusters;
pub(crate) mod exact;
pub(crate) mod passages;
pub(crate) mod plan;
pub(crate) mod search;
mod write;

use std::{path::Path, sync::Arc};

use engine::Watch;
use storage::{Filter, Key, Reader};

use crate::{
    document::Document,
    documents::{Documents, End},
    error::{Error, Result},
    page::{Cursor, Page},
    space::{Shape, Space, Upkeep, compact::Compactor, due::Effort, order::Order},
    stats::{LocalStats, Stats},
};
use clusters::Loaded;
use plan::explanation;

/// A collection's documents, and their vectors.
pub(crate) struct Local {
    pub(crate) documents: Arc<Documents>,
    pub(crate) space: Arc<Space>,
    compactor: Compactor,
    loaded: Loaded,
}

impl Local {
    /// Reads the vectors into memory, and starts a compaction where one is due.
    pub(crate) fn open(documents: Arc<Documents>, shape: Shape, upkeep: Upkeep) -> Result<Self> {
        let (space, rebuild) = Space::open(Arc::clone(&documents), shape, upkeep)?;
        let space = Arc::new(space);
        let compactor = Compactor::new(Arc::clone(&space));
        if rebuild {
            compactor.wake();
        } else if documents.is_writable() {
            compactor.wake_if_due();
        }
        Ok(Self {
            documents,
            space,
            compactor,
            loaded: Loaded::default(),
        })
    }

    /// A snapshot of the store.
    pub(crate) fn read(&self) -> Result<Reader<'_>> {
        self.documents.read()
    }

    /// The collection's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.documents.folder
    }

    pub(crate) fn get(&self, keys: &[Key], with_vectors: bool) -> Result<Vec<Document>> {
        let with_vectors = with_vectors && !self.has_passages();
        let records = self.read()?.get(keys, with_vectors)?;
        Ok(records.into_iter().flatten().map(Document::from).collect())
    }

    pub(crate) fn count(&self, filter: Option<&Filter>) -> Result<u64> {
        Ok(self.read()?.count(filter)?)
    }

    /// A cursor is the id of the last document before it.
    pub(crate) fn scroll(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
        filter: Option<&Filter>,
    ) -> Result<Page> {
        let after = cursor.map_or(Ok(0), id_of)?;
        let records = self.read()?.scroll(after, limit, filter, false)?;
        let next = records
            .last()
            .filter(|_| records.len() == limit)
            .map(|record| Cursor(format!("{:x}", record.id)));
        Ok(Page {
            documents: records.into_iter().map(Document::from).collect(),
            next,
        })
    }

    pub(crate) fn describe(&self, stats: &mut Stats) -> Result<()> {
        let view = self.space.current_view()?;
        let reader = self.read()?;
        stats.documents = reader.count(None)?;
        if self.has_passages() {
            stats.passages = Some(reader.passage_count()?);
        }
        stats.explanation = explanation(&view, &self.space.shape.index)?;
        let sealed = view.sealed.as_ref();
        stats.local = Some(LocalStats {
            index: view.kind().map(|kind| kind.to_string()),
            curve: view.curve().cloned(),
            sealed: view.sealed_len(),
            fresh: view.fresh_len(),
            deleted: view.deleted.len(),
            generation: sealed.map_or(0, |sealed| sealed.seal.generation),
            sequence: reader.sequence(),
            memory_bytes: view.memory_bytes(),
            disk_bytes: self.documents.disk_bytes()?,
        });
        Ok(())
    }

    /// Compacts, for the caller.
    pub(crate) fn compact(&self, watch: Watch<'_>) -> Result<()> {
        self.space.compact(Order {
            effort: Effort::Foreground,
            retrain: false,
            watch,
        })
    }

    /// Builds the sealed index anew, for the caller.
    pub(crate) fn train(&self, watch: Watch<'_>) -> Result<()> {
        self.space.check_trainable()?;
        // The background held back meanwhile.
        self.space
            .retrain(watch)
            .inspect_err(|_| self.compactor.wake())
    }

    /// Refuses every use from now on, and waits for the write under way.
    pub(crate) fn end(&self, end: End) {
        self.documents.end(end);
        self.space.pace.look_again();
        self.documents.wait_for_write();
    }

    /// Stops what runs in the background and waits for it, and for what callers still build.
    pub(crate) fn wait(&self) {
        self.compactor.stop();
        drop(self.space.start_compacting());
    }
}

fn id_of(cursor: &Cursor) -> Result<i64> {
    i64::from_str_radix(&cursor.0, 16).map_err(|_| {
        let given = format!("{:?}", cursor.0);
        Error::invalid("cursor", given, "the `next` of a page before")
    })
}
