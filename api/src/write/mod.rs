//! From documents to committed rows: check, render, find out what is new, embed that, commit all of it at once.

mod check;
mod embed;
pub(crate) mod reuse;

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use embedder::Caller;
use serde::{Deserialize, Serialize};
use storage::{Key, Metadata};

use crate::{
    backend::batch::{self, Batch, Unchanged, Version},
    collection::{Collection, core::Core},
    document::Document,
    error::Result,
};
use check::{Gauge, check_keys, complete};
use reuse::{Made, Mine, Print};

/// What an upsert did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Upserted {
    /// Documents with a new key.
    pub added: usize,
    /// Documents that replaced one of the same key.
    pub updated: usize,
    /// Documents that were there already, exactly so, and were left alone.
    pub unchanged: usize,
    /// Texts, or passages of them, that the model embedded; a text embedded before is not embedded again.
    pub embedded: usize,
    /// Documents that took the vector of the same text: of another document or their own earlier version, in this call or one
    /// before it.
    #[serde(default)]
    pub reused: usize,
    /// Documents whose text is longer than the model reads, so that only its beginning counts; none where texts are cut into
    /// passages.
    pub truncated: usize,
}

impl Collection {
    /// Writes documents, each replacing the one of the same key. All of them or none; durable when this returns.
    ///
    /// Text is embedded by the collection's model, unless the same text was stored under the same key before, or under any key
    /// since this process opened the collection. A document that is there already, exactly so, is left alone.
    ///
    /// While the collection is searched, writes that outrun compaction wait for it, at most as long as
    /// [`Options::pace_writes`](crate::Options::pace_writes) says: a search compares new documents one by one. A bulk load
    /// without searches beside it goes at full speed.
    ///
    /// # Errors
    /// A duplicate key, a document without text or vector, a vector of another dimension or with NaN or where texts are cut
    /// into passages, a text that is empty or over 16 MiB; failures of the model or the disk. Nothing is written then.
    pub fn upsert(&self, documents: Vec<Document>) -> Result<Upserted> {
        self.check_writable("write documents")?;
        let mut rows = Rows::prepare(&self.core, documents)?;
        rows.embed(&self.core)?;
        rows.commit(&self.core)
    }
}

/// Documents on their way into the store.
pub(crate) struct Rows {
    rows: Vec<Row>,
    /// What the backend held already, exactly so, at the write numbered `sequence`.
    unchanged: Vec<Unchanged>,
    sequence: u64,
    /// Distinct texts that need vectors; rows refer to them by position.
    texts: Vec<String>,
    /// Their prints and, once they are embedded or found, their vectors.
    prints: Vec<Print>,
    made: Vec<Option<Made>>,
    /// The positions of those that the model embedded.
    embedded: HashSet<usize>,
    /// Those among them that this call embeds; held until they are stored.
    claimed: Vec<Mine>,
    done: Upserted,
}

struct Row {
    key: Key,
    text: Option<String>,
    metadata: Metadata,
    /// Which bytes of the text have a vector each; none where the document as a whole has one.
    passages: Vec<Range<usize>>,
    vectors: Source,
}

/// Where a row's vectors come from.
enum Source {
    /// They are here, one behind the other.
    Given(Vec<f32>),
    /// They are those of the texts at these positions.
    Embed(Vec<usize>),
}

impl Rows {
    /// Checks every document and leaves out those that the store already holds exactly so.
    pub(crate) fn prepare(core: &Core, mut documents: Vec<Document>) -> Result<Self> {
        check_keys(&documents)?;
        let gauge = Gauge::new(core);
        for document in &mut documents {
            complete(core, &gauge, document)?;
        }
        let versions = core.backend.versions(&documents)?;
        let mut rows = Self {
            rows: Vec::with_capacity(documents.len()),
            unchanged: Vec::new(),
            sequence: versions.sequence,
            texts: Vec::new(),
            prints: Vec::new(),
            made: Vec::new(),
            embedded: HashSet::new(),
            claimed: Vec::new(),
            done: Upserted::default(),
        };
        let mut known = HashMap::new();
        for (document, version) in documents.into_iter().zip(versions.found) {
            rows.take(core, document, version, &mut known)?;
        }
        Ok(rows)
    }

    fn take(
        &mut self,
        core: &Core,
        document: Document,
        version: Option<Version>,
        known: &mut HashMap<String, usize>,
    ) -> Result<()> {
        let Some(version) = version else {
            return self.push(core, document, None, known);
        };
        let same_vector = document
            .vector
            .as_ref()
            .is_none_or(|vector| *vector == version.vectors);
        // A key is given back in the form in which it was last written: `17` or `"17"`.
        let same_form =
            std::mem::discriminant(&version.key) == std::mem::discriminant(&document.key);
        if !same_form || !same_vector || version.metadata != document.metadata {
            return self.push(
                core,
                document,
                Some((version.passages, version.vectors)),
                known,
            );
        }
        self.unchanged.push(Unchanged {
            id: version.id,
            row: batch::Row {
                key: document.key,
                text: document.text,
                metadata: document.metadata,
                passages: version.passages,
                vectors: version.vectors,
            },
        });
        Ok(())
    }

    fn push(
        &mut self,
        core: &Core,
        document: Document,
        reuse: Option<(Vec<Range<usize>>, Vec<f32>)>,
        known: &mut HashMap<String, usize>,
    ) -> Result<()> {
        let Document {
            key,
            text,
            vector,
            metadata,
        } = document;
        self.done.reused += usize::from(vector.is_none() && reuse.is_some());
        let (passages, vectors) = match (vector, reuse) {
            (Some(vector), _) => (Vec::new(), Source::Given(vector)),
            (None, Some((passages, vectors))) => (passages, Source::Given(vectors)),
            (None, None) => {
                let text = text.as_deref().unwrap_or_default();
                let passages = core.cut(text)?;
                let texts = self.texts_of(text, &passages, known);
                (passages, Source::Embed(texts))
            }
        };
        self.rows.push(Row {
            key,
            text,
            metadata,
            passages,
            vectors,
        });
        Ok(())
    }

    /// The positions of a text, or of its passages where it has such.
    fn texts_of(
        &mut self,
        text: &str,
        passages: &[Range<usize>],
        known: &mut HashMap<String, usize>,
    ) -> Vec<usize> {
        match passages {
            [] => vec![self.text(text, known)],
            passages => passages
                .iter()
                .map(|passage| self.text(&text[passage.clone()], known))
                .collect(),
        }
    }

    fn text(&mut self, text: &str, known: &mut HashMap<String, usize>) -> usize {
        if let Some(&position) = known.get(text) {
            return position;
        }
        known.insert(text.to_owned(), self.texts.len());
        self.texts.push(text.to_owned());
        self.texts.len() - 1
    }

    /// Commits the rows in one transaction and shows them to searches.
    fn commit(mut self, core: &Core) -> Result<Upserted> {
        let (mut rows, mut texts) = (Vec::new(), Vec::new());
        for row in std::mem::take(&mut self.rows) {
            let (row, positions) = self.complete(row);
            rows.push(row);
            texts.push(positions);
        }
        let batch = Batch {
            rows,
            unchanged: std::mem::take(&mut self.unchanged),
            sequence: self.sequence,
        };
        let caller = Caller::current();
        let stored = core.backend.upsert(batch, &|| caller.has_left())?;
        self.note(core, &stored.ids, &texts);
        self.done.unchanged = stored.unchanged;
        self.done.updated = stored.updated;
        self.done.added = stored.ids.len() - stored.updated;
        Ok(self.done)
    }

    /// A row with its vectors, and the positions of the texts that they are of.
    fn complete(&self, row: Row) -> (batch::Row, Vec<usize>) {
        let (vectors, texts) = match row.vectors {
            Source::Given(vectors) => (vectors, Vec::new()),
            Source::Embed(texts) => {
                let made = texts.iter().filter_map(|at| self.made[*at].as_ref());
                let vectors = made.flat_map(|made| &made.vector).copied().collect();
                (vectors, texts)
            }
        };
        let row = batch::Row {
            key: row.key,
            text: row.text,
            metadata: row.metadata,
            passages: row.passages,
            vectors,
        };
        (row, texts)
    }
}
