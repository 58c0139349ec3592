//! Writing: one transaction in the store, then the view.

use storage::{Filter, Key, Label, NewDocument, NewLabels, Removed};

use super::{Local, passages::passages_of};
use crate::{
    backend::batch::{Batch, Row, Stored, Version, Versions, vector_ids},
    document::Document,
    error::Result,
};

impl Local {
    pub(crate) fn upsert(&self, mut batch: Batch, has_left: &dyn Fn() -> bool) -> Result<Stored> {
        let writing = if batch.rows.is_empty() {
            self.documents.start_writing()?
        } else {
            self.space.start_adding(has_left)?
        };
        self.recheck(&mut batch)?;
        let mut stored = Stored {
            ids: Vec::new(),
            updated: 0,
            unchanged: batch.unchanged.len(),
        };
        if batch.rows.is_empty() {
            return Ok(stored);
        }
        let documents: Vec<NewDocument<'_>> = batch.rows.iter().map(new_document).collect();
        let labels = self.labels_of_rows(&batch.rows)?;
        let labels: Vec<NewLabels<'_>> = labels.iter().map(new_labels).collect();
        let written = self.documents.store.upsert_labelled(&documents, &labels)?;
        let rows = batch.rows.iter().zip(&written.ids);
        let ids: Vec<i64> = rows
            .flat_map(|(row, id)| vector_ids(*id, row.passages.len()))
            .collect();
        let vectors: Vec<&[f32]> = batch.rows.iter().map(|row| &*row.vectors).collect();
        self.space
            .join(&ids, &vectors.concat(), &written.replaced, written.sequence)?;
        drop(writing);
        self.compactor.wake_if_due();
        stored.updated = written.updated;
        stored.ids = written.ids;
        Ok(stored)
    }

    /// Takes in the rows that were unchanged and that another thread has replaced or deleted since, so that all documents of a
    /// batch are there when it is committed.
    fn recheck(&self, batch: &mut Batch) -> Result<()> {
        let reader = self.read()?;
        if batch.unchanged.is_empty() || reader.sequence() == batch.sequence {
            return Ok(());
        }
        let unchanged = std::mem::take(&mut batch.unchanged);
        let keys: Vec<Key> = unchanged.iter().map(|one| one.row.key.clone()).collect();
        for (one, stored) in unchanged.into_iter().zip(reader.get(&keys, false)?) {
            if stored.is_some_and(|stored| stored.id == one.id) {
                batch.unchanged.push(one);
            } else {
                batch.rows.push(one.row);
            }
        }
        Ok(())
    }

    pub(crate) fn versions(&self, documents: &[Document]) -> Result<Versions> {
        let reader = self.read()?;
        let keys: Vec<Key> = documents.iter().map(|one| one.key.clone()).collect();
        let records = reader.get(&keys, !self.has_passages())?;
        let mut found = Vec::with_capacity(documents.len());
        for (document, record) in documents.iter().zip(records) {
            let Some(record) = record.filter(|record| record.text == document.text) else {
                found.push(None);
                continue;
            };
            let (passages, vectors) = match record.vector {
                Some(vector) => (Vec::new(), vector),
                None => passages_of(&reader, record.id)?,
            };
            found.push(Some(Version {
                id: record.id,
                key: record.key,
                metadata: record.metadata,
                passages,
                vectors,
            }));
        }
        Ok(Versions {
            sequence: reader.sequence(),
            found,
        })
    }

    pub(crate) fn delete(&self, keys: &[Key]) -> Result<usize> {
        self.remove(|| Ok(self.documents.store.delete(keys)?))
    }

    pub(crate) fn delete_matching(&self, filter: &Filter) -> Result<usize> {
        self.remove(|| Ok(self.documents.store.delete_matching(filter)?))
    }

    fn remove(&self, delete: impl FnOnce() -> Result<Removed>) -> Result<usize> {
        let writing = self.documents.start_writing()?;
        let removed = delete()?;
        self.space.join(&[], &[], &removed.ids, removed.sequence)?;
        drop(writing);
        self.compactor.wake_if_due();
        Ok(removed.documents)
    }
}

fn new_document(row: &Row) -> NewDocument<'_> {
    NewDocument {
        key: &row.key,
        text: row.text.as_deref(),
        metadata: &row.metadata,
        passages: &row.passages,
        vector: &row.vectors,
    }
}

fn new_labels((clustering, labels): &(i64, Vec<Label>)) -> NewLabels<'_> {
    NewLabels {
        clustering: *clustering,
        labels,
    }
}
