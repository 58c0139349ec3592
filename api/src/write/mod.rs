//! From documents to committed rows: check, render, find out what is new, embed that, commit all of it at once.

mod check;
mod embed;
pub(crate) mod reuse;

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    ops::{Range, RangeInclusive},
};

use storage::{Key, Metadata, NewDocument, Reader, Record};

use crate::{
    Document, Result, Upserted,
    collection::Core,
    collection::passages::{Parts, passages_of},
    write::reuse::{Made, Mine, Print},
};
pub(crate) use check::check_vector;
use check::{Gauge, check_keys, complete};

/// Documents on their way into the store.
pub(crate) struct Rows {
    rows: Vec<Row>,
    /// What the store held already, exactly so, at the write numbered `sequence`.
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

/// A row that need not be written as long as the store holds its version `id`.
struct Unchanged {
    id: i64,
    row: Row,
}

/// Where a row's vectors come from.
enum Source {
    /// They are here, one behind the other.
    Given(Vec<f32>),
    /// They are those of the texts at these positions.
    Embed(Vec<usize>),
}

/// What the store holds under the keys of these documents, where it has the same text.
fn stored(
    core: &Core,
    reader: &Reader<'_>,
    documents: &[Document],
) -> Result<Vec<Option<(Record, Parts)>>> {
    let keys = documents.iter().map(|document| document.key.clone());
    let records = reader.get(&keys.collect::<Vec<Key>>(), !core.has_passages())?;
    let with_parts = |(document, record): (&Document, Option<Record>)| {
        let Some(mut record) = record.filter(|record| record.text == document.text) else {
            return Ok(None);
        };
        let parts = match record.vector.take() {
            Some(vector) => (Vec::new(), vector),
            None => passages_of(reader, record.id)?,
        };
        Ok(Some((record, parts)))
    };
    documents.iter().zip(records).map(with_parts).collect()
}

impl Rows {
    /// Checks every document and leaves out those that the store already holds exactly so.
    pub(crate) fn prepare(core: &Core, mut documents: Vec<Document>) -> Result<Self> {
        check_keys(&documents)?;
        let gauge = Gauge::new(core)?;
        for document in &mut documents {
            complete(core, &gauge, document)?;
        }
        let reader = core.read()?;
        let stored = stored(core, &reader, &documents)?;
        let mut rows = Self {
            rows: Vec::with_capacity(documents.len()),
            unchanged: Vec::new(),
            sequence: reader.sequence(),
            texts: Vec::new(),
            prints: Vec::new(),
            made: Vec::new(),
            embedded: HashSet::new(),
            claimed: Vec::new(),
            done: Upserted::default(),
        };
        drop(reader);
        let mut known = HashMap::new();
        for (document, stored) in documents.into_iter().zip(stored) {
            rows.take(core, document, stored, &mut known)?;
        }
        Ok(rows)
    }

    fn take(
        &mut self,
        core: &Core,
        document: Document,
        stored: Option<(Record, Parts)>,
        known: &mut HashMap<String, usize>,
    ) -> Result<()> {
        let Some((record, (passages, vectors))) = stored else {
            return self.push(core, document, None, known);
        };
        let same_vector = document
            .vector
            .as_ref()
            .is_none_or(|vector| *vector == vectors);
        // A key is given back in the form in which it was last written: `17` or `"17"`.
        let same_form =
            std::mem::discriminant(&record.key) == std::mem::discriminant(&document.key);
        if !same_form || !same_vector || record.metadata != document.metadata {
            return self.push(core, document, Some((passages, vectors)), known);
        }
        self.unchanged.push(Unchanged {
            id: record.id,
            row: Row {
                key: document.key,
                text: document.text,
                metadata: document.metadata,
                passages,
                vectors: Source::Given(vectors),
            },
        });
        Ok(())
    }

    fn push(
        &mut self,
        core: &Core,
        document: Document,
        reuse: Option<Parts>,
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
    pub(crate) fn commit(mut self, core: &Core) -> Result<Upserted> {
        let writing = match self.rows.is_empty() {
            true => core.start_writing()?,
            false => core.start_adding()?,
        };
        self.recheck(core)?;
        self.done.unchanged = self.unchanged.len();
        if self.rows.is_empty() {
            return Ok(self.done);
        }
        let vectors: Vec<Cow<'_, [f32]>> = self.rows.iter().map(|row| self.vectors(row)).collect();
        let documents: Vec<NewDocument<'_>> = self
            .rows
            .iter()
            .zip(&vectors)
            .map(|(row, vector)| row.as_new(vector))
            .collect();
        let written = core.store.upsert(&documents)?;
        let ids = self.rows.iter().zip(&written.ids);
        let ids: Vec<i64> = ids.flat_map(|(row, id)| row.vector_ids(*id)).collect();
        core.join(&ids, &vectors.concat(), &written.replaced, written.sequence)?;
        drop(writing);
        self.note(core, &written.ids);
        self.done.updated = written.updated;
        self.done.added = written.ids.len() - written.updated;
        Ok(self.done)
    }

    /// Takes in the rows that were unchanged and that another thread has replaced or deleted since, so that all documents of
    /// a batch are there when it is committed.
    fn recheck(&mut self, core: &Core) -> Result<()> {
        let reader = core.read()?;
        if self.unchanged.is_empty() || reader.sequence() == self.sequence {
            return Ok(());
        }
        let keys: Vec<Key> = self
            .unchanged
            .iter()
            .map(|unchanged| unchanged.row.key.clone())
            .collect();
        let stored = reader.get(&keys, false)?;
        for (unchanged, stored) in std::mem::take(&mut self.unchanged).into_iter().zip(stored) {
            if stored.is_some_and(|stored| stored.id == unchanged.id) {
                self.unchanged.push(unchanged);
            } else {
                self.rows.push(unchanged.row);
            }
        }
        Ok(())
    }

    /// The vectors of a row, one behind the other.
    fn vectors<'a>(&'a self, row: &'a Row) -> Cow<'a, [f32]> {
        let made = |at: &usize| match self.made.get(*at) {
            Some(Some(made)) => made.vector.as_slice(),
            Some(None) | None => &[],
        };
        match &row.vectors {
            Source::Given(vectors) => Cow::Borrowed(vectors),
            Source::Embed(texts) => match texts.as_slice() {
                [text] => Cow::Borrowed(made(text)),
                texts => Cow::Owned(texts.iter().flat_map(made).copied().collect()),
            },
        }
    }
}

impl Row {
    fn as_new<'a>(&'a self, vector: &'a [f32]) -> NewDocument<'a> {
        NewDocument {
            key: &self.key,
            text: self.text.as_deref(),
            metadata: &self.metadata,
            passages: &self.passages,
            vector,
        }
    }

    /// The ids of the vectors of the document `id`, of which the last is its own.
    fn vector_ids(&self, id: i64) -> RangeInclusive<i64> {
        let others = self.passages.len().saturating_sub(1);
        id - i64::try_from(others).unwrap_or(0)..=id
    }
}
