//! The seam between a collection and what stores and searches its documents.
//!
//! Above it are texts, models and templates; below it documents with vectors. There is one backend, [`Local`]: SQLite and an
//! index in this process. Another engine becomes another variant and answers the same few verbs: upsert, delete, get, scroll
//! and count, search, stats. What only the local backend can do (snapshots, index files, clusters) asks for it by
//! [`Backend::local`].

pub(crate) mod batch;
pub(crate) mod local;
pub(crate) mod target;

use std::time::Instant;

use storage::{Filter, Key};

use crate::{
    answer::Answer,
    document::Document,
    error::Result,
    page::{Cursor, Page},
    stats::Stats,
};
use batch::{Batch, Stored, Versions, Worded};
use local::Local;
use target::Target;

/// What stores and searches a collection's documents.
pub(crate) enum Backend {
    /// In this process.
    Local(Local),
}

impl Backend {
    /// The backend in this process.
    pub(crate) fn local(&self) -> &Local {
        let Self::Local(local) = self;
        local
    }

    /// Writes a batch, all or none. A write that must wait for its turn gives up waiting once `has_left` says so.
    pub(crate) fn upsert(&self, batch: Batch, has_left: &dyn Fn() -> bool) -> Result<Stored> {
        let Self::Local(local) = self;
        local.upsert(batch, has_left)
    }

    pub(crate) fn delete(&self, keys: &[Key]) -> Result<usize> {
        let Self::Local(local) = self;
        local.delete(keys)
    }

    pub(crate) fn delete_matching(&self, filter: &Filter) -> Result<usize> {
        let Self::Local(local) = self;
        local.delete_matching(filter)
    }

    /// The documents with these keys, in their order, without those that do not exist.
    pub(crate) fn get(&self, keys: &[Key], with_vectors: bool) -> Result<Vec<Document>> {
        let Self::Local(local) = self;
        local.get(keys, with_vectors)
    }

    /// What is stored under the keys of these documents, where it has the same text.
    pub(crate) fn versions(&self, documents: &[Document]) -> Result<Versions> {
        let Self::Local(local) = self;
        local.versions(documents)
    }

    /// The text and the vector under each of these ids, of documents or passages.
    pub(crate) fn texts_of(&self, ids: &[i64]) -> Result<Vec<Option<Worded>>> {
        let Self::Local(local) = self;
        local.texts_of(ids)
    }

    /// The vectors from which a search for documents like this one starts, row-major, and how many passages it has.
    pub(crate) fn vectors_of(&self, key: &Key) -> Result<(Vec<f32>, usize)> {
        let Self::Local(local) = self;
        local.vectors_of(key)
    }

    pub(crate) fn scroll(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
        filter: Option<&Filter>,
    ) -> Result<Page> {
        let Self::Local(local) = self;
        local.scroll(cursor, limit, filter)
    }

    pub(crate) fn count(&self, filter: Option<&Filter>) -> Result<u64> {
        let Self::Local(local) = self;
        local.count(filter)
    }

    /// Answers as of one moment, in the order of the targets.
    pub(crate) fn search(&self, targets: &[Target<'_>]) -> Result<Vec<Answer>> {
        let Self::Local(local) = self;
        local.search(targets)
    }

    /// Notes that somebody searches at this time: writes then give way.
    pub(crate) fn searched(&self, at: Instant) {
        let Self::Local(local) = self;
        local.space.pace.searched(at);
    }

    /// Fills in what the backend knows.
    pub(crate) fn describe(&self, stats: &mut Stats) -> Result<()> {
        let Self::Local(local) = self;
        local.describe(stats)
    }
}
