//! From documents to committed rows: check, render, find out what is new, embed that, commit all of it at once.

mod missing;

use std::collections::HashMap;

use engine::{Index, Kind};
use storage::{Key, Metadata, NewDocument, Record};

use crate::{
    Document, Error, Result, Upserted,
    collection::Core,
    document::MAX_TEXT_BYTES,
    reuse::{Made, Mine, Print},
};

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
    /// Those among them that this call embeds; held until they are stored.
    claimed: Vec<Mine>,
    done: Upserted,
}

struct Row {
    key: Key,
    text: Option<String>,
    metadata: Metadata,
    vector: Source,
}

/// A row that need not be written as long as the store holds its version `id`.
struct Unchanged {
    id: i64,
    row: Row,
}

enum Source {
    Given(Vec<f32>),
    Embed(usize),
}

impl Rows {
    /// Checks every document and leaves out those that the store already holds exactly so.
    pub(crate) fn prepare(core: &Core, mut documents: Vec<Document>) -> Result<Self> {
        check_keys(&documents)?;
        let gauge = Gauge::new(core)?;
        for document in &mut documents {
            complete(core, &gauge, document)?;
        }
        let keys: Vec<Key> = documents
            .iter()
            .map(|document| document.key.clone())
            .collect();
        let reader = core.read()?;
        let stored = reader.get(&keys, true)?;
        let mut rows = Self {
            rows: Vec::with_capacity(documents.len()),
            unchanged: Vec::new(),
            sequence: reader.sequence(),
            texts: Vec::new(),
            prints: Vec::new(),
            made: Vec::new(),
            claimed: Vec::new(),
            done: Upserted::default(),
        };
        let mut known = HashMap::new();
        for (document, stored) in documents.into_iter().zip(stored) {
            rows.take(document, stored, &mut known);
        }
        Ok(rows)
    }

    fn take(
        &mut self,
        document: Document,
        stored: Option<Record>,
        known: &mut HashMap<String, usize>,
    ) {
        let Some(stored) = stored else {
            return self.push(document, None, known);
        };
        let same_text = stored.text == document.text;
        let same_vector = match &document.vector {
            Some(vector) => stored.vector.as_ref() == Some(vector),
            None => same_text,
        };
        // A key is given back in the form in which it was last written: `17` or `"17"`.
        let same_form =
            std::mem::discriminant(&stored.key) == std::mem::discriminant(&document.key);
        if same_form && same_text && same_vector && stored.metadata == document.metadata {
            return self.unchanged.push(Unchanged {
                id: stored.id,
                row: Row {
                    key: document.key,
                    text: document.text,
                    metadata: document.metadata,
                    vector: Source::Given(stored.vector.unwrap_or_default()),
                },
            });
        }
        let reuse = if same_text { stored.vector } else { None };
        self.push(document, reuse, known);
    }

    fn push(
        &mut self,
        document: Document,
        reuse: Option<Vec<f32>>,
        known: &mut HashMap<String, usize>,
    ) {
        let Document {
            key,
            text,
            vector,
            metadata,
        } = document;
        self.done.reused += usize::from(vector.is_none() && reuse.is_some());
        let vector = match (vector.or(reuse), &text) {
            (Some(vector), _) => Source::Given(vector),
            (None, text) => Source::Embed(self.text(text.as_deref().unwrap_or_default(), known)),
        };
        self.rows.push(Row {
            key,
            text,
            metadata,
            vector,
        });
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
        let writing = core.start_writing()?;
        self.recheck(core)?;
        self.done.unchanged = self.unchanged.len();
        if self.rows.is_empty() {
            return Ok(self.done);
        }
        let vectors: Vec<&[f32]> = self.rows.iter().map(|row| self.vector(row)).collect();
        let documents: Vec<NewDocument<'_>> = self
            .rows
            .iter()
            .zip(&vectors)
            .map(|(row, vector)| row.as_new(vector))
            .collect();
        let written = core.store.upsert(&documents)?;
        core.join(
            &written.ids,
            &vectors.concat(),
            &written.replaced,
            written.sequence,
        )?;
        drop(writing);
        self.note(core, &written.ids);
        self.done.updated = written.replaced.len();
        self.done.added = written.ids.len() - written.replaced.len();
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

    fn vector<'a>(&'a self, row: &'a Row) -> &'a [f32] {
        match &row.vector {
            Source::Given(vector) => vector,
            Source::Embed(at) => self
                .made
                .get(*at)
                .and_then(Option::as_ref)
                .map_or(&[], |made| &made.vector),
        }
    }
}

impl Row {
    fn as_new<'a>(&'a self, vector: &'a [f32]) -> NewDocument<'a> {
        NewDocument {
            key: &self.key,
            text: self.text.as_deref(),
            metadata: &self.metadata,
            vector,
        }
    }
}

fn check_keys(documents: &[Document]) -> Result<()> {
    let mut seen = HashMap::with_capacity(documents.len());
    for (position, document) in documents.iter().enumerate() {
        if let Some(first) = seen.insert(&document.key, position) {
            return Err(Error::DuplicateKey {
                key: document.key.clone(),
                first: first + 1,
                second: position + 1,
            });
        }
    }
    Ok(())
}

/// Renders the text that a document lacks, and checks that it has what its collection needs.
fn complete(core: &Core, gauge: &Gauge, document: &mut Document) -> Result<()> {
    if let Some(vector) = &document.vector {
        check_vector(core, vector, || {
            format!("the vector of document {}", document.key)
        })?;
        gauge.check(document, vector)?;
    } else if core.locked.model.is_none() {
        let reason = format!(
            "it has no vector, and collection {:?} has no model to make one; give \"vector\"",
            core.name
        );
        return Err(unusable(document, reason));
    }
    if document.text.is_none() && document.vector.is_none() {
        document.text = Some(render(core, document)?);
    }
    check_text(document)
}

fn render(core: &Core, document: &Document) -> Result<String> {
    let Some(template) = &core.template else {
        return Err(unusable(
            document,
            "it has neither text nor vector, and the collection has no template to make a text"
                .to_owned(),
        ));
    };
    template.render(&document.metadata)
}

fn check_text(document: &Document) -> Result<()> {
    let Some(text) = &document.text else {
        return Ok(());
    };
    if text.len() > MAX_TEXT_BYTES {
        let reason = format!(
            "its text has {} bytes, at most {MAX_TEXT_BYTES} are taken; split it into several documents",
            text.len()
        );
        return Err(unusable(document, reason));
    }
    if document.vector.is_none() && text.trim().is_empty() {
        return Err(unusable(
            document,
            "its text is empty, so there is nothing to embed".to_owned(),
        ));
    }
    Ok(())
}

/// Asks the index layer about a vector before it is committed: one that it refused afterwards could never be searched.
struct Gauge(Index);

impl Gauge {
    fn new(core: &Core) -> Result<Self> {
        let (dimension, metric) = (core.locked.dimension(), core.locked.config.metric);
        Ok(Self(Index::new(dimension, metric, &Kind::flat())?))
    }

    fn check(&self, document: &Document, vector: &[f32]) -> Result<()> {
        match self.0.scan(vector, 0, &[]) {
            Ok(_) => Ok(()),
            Err(engine::Error::NormTooLarge { maximum, .. }) => {
                let reason = format!(
                    "its vector is longer than {maximum:e}, so that its distances overflow; scale the vectors down, or use the metric cosine"
                );
                Err(unusable(document, reason))
            }
            Err(engine::Error::Negative {
                component, metric, ..
            }) => {
                let reason = format!(
                    "its vector has a component below 0 ({component}), which the metric {metric} has no meaning for"
                );
                Err(unusable(document, reason))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn unusable(document: &Document, reason: String) -> Error {
    Error::UnusableDocument {
        key: document.key.clone(),
        reason,
    }
}

/// Checks a vector that came from outside.
pub(crate) fn check_vector(core: &Core, vector: &[f32], field: impl Fn() -> String) -> Result<()> {
    let expected = core.locked.dimension();
    if vector.len() != expected {
        let source_of_dimension = core
            .locked
            .model
            .as_ref()
            .map_or_else(String::new, |model| format!(" (model {})", model.name));
        return Err(Error::DimensionMismatch {
            field: field(),
            given: vector.len(),
            expected,
            source_of_dimension,
        });
    }
    match vector.iter().position(|value| !value.is_finite()) {
        Some(component) => Err(Error::NotFinite {
            field: field(),
            value: vector[component],
            component,
        }),
        None => Ok(()),
    }
}
