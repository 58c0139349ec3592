//! Documents on their way in and out.
//!
//! A document has one vector, or one for each passage of its text.
//!
//! Invariant: what `NewDocument::check` lets through reads back as the same values. Neither form knows SQL.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Key, Result};

/// A document's fields: a JSON object that keeps its order.
pub type Metadata = serde_json::Map<String, Value>;

/// The most levels of arrays and objects in metadata, its own included. JSON readers stop at 127 or so, and an answer wraps
/// documents in a few levels of its own.
pub const MAX_METADATA_DEPTH: usize = 100;

/// The most dimensions.
pub const MAX_DIMENSION: usize = 65_536;

/// A document to write.
#[derive(Debug, Clone, Copy)]
pub struct NewDocument<'a> {
    /// the caller's name for it; a document of that name is replaced
    pub key: &'a Key,
    /// its text, if it has one
    pub text: Option<&'a str>,
    /// its fields
    pub metadata: &'a Metadata,
    /// which bytes of the text have a vector each; none where the document as a whole has one
    pub passages: &'a [Range<usize>],
    /// as many finite numbers as the collection has dimensions: for each passage, one behind the other
    pub vector: &'a [f32],
}

impl Key {
    /// Refuses a key that is empty or longer than [`Key::MAX_BYTES`].
    ///
    /// # Errors
    /// [`Error::EmptyKey`], [`Error::KeyTooLong`].
    pub fn check(&self) -> Result<()> {
        let Self::Text(text) = self else {
            return Ok(());
        };
        match text.len() {
            0 => Err(Error::EmptyKey),
            1..=Self::MAX_BYTES => Ok(()),
            length => Err(Error::KeyTooLong {
                length,
                start: text.chars().take(40).collect(),
            }),
        }
    }
}

impl NewDocument<'_> {
    pub(crate) fn check(&self, dimension: usize) -> Result<()> {
        self.key.check()?;
        self.check_vector(dimension)?;
        if self
            .metadata
            .values()
            .any(|value| deeper_than(value, MAX_METADATA_DEPTH - 1))
        {
            return Err(Error::MetadataTooDeep {
                key: self.key.clone(),
                limit: MAX_METADATA_DEPTH,
            });
        }
        Ok(())
    }

    fn check_vector(&self, dimension: usize) -> Result<()> {
        let actual = self.vector.len();
        let expected = dimension * self.passages.len().max(1);
        if actual != expected {
            return Err(Error::DimensionMismatch {
                key: self.key.clone(),
                expected,
                actual,
            });
        }
        match self.vector.iter().position(|number| !number.is_finite()) {
            None => Ok(()),
            Some(component) => Err(Error::NotFinite {
                key: self.key.clone(),
                component,
                value: self.vector[component],
            }),
        }
    }
}

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// the internal id of this version of the document
    pub id: i64,
    /// the caller's name for it, in the form it was given
    pub key: Key,
    /// its text, if it has one
    pub text: Option<String>,
    /// its fields
    pub metadata: Metadata,
    /// its vector, where it was asked for; of a document with passages that of the last
    pub vector: Option<Vec<f32>>,
}

/// A passage of a document that has a vector for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// its own internal id, under which its vector stands
    pub id: i64,
    /// the internal id of its document, which is that of the last passage
    pub document: i64,
    /// where it begins in the document's text, in bytes
    pub start: usize,
    /// the byte behind it
    pub end: usize,
}

/// What an upsert did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// the new internal ids, in the order of the documents; the passages of one have those before its own, as many as there are
    pub ids: Vec<i64>,
    /// the internal ids of the versions that were replaced, those of passages included
    pub replaced: Vec<i64>,
    /// how many documents were replaced
    pub updated: usize,
    /// the collection's sequence after it
    pub sequence: u64,
}

/// What a deletion did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// the internal ids that are gone, those of passages included
    pub ids: Vec<i64>,
    /// how many documents are gone
    pub documents: usize,
    /// the collection's sequence after it
    pub sequence: u64,
}

/// True if `value` has more than `levels` levels of arrays and objects. Looks no deeper than that.
pub(crate) fn deeper_than(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => {
            levels == 0 || items.iter().any(|item| deeper_than(item, levels - 1))
        }
        Value::Object(fields) => {
            levels == 0 || fields.values().any(|field| deeper_than(field, levels - 1))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
