//! What goes in and comes out: a key, a text, a vector, metadata.

use serde::{Deserialize, Serialize};
use storage::{Key, Metadata, Record};

use crate::{
    config::Locked,
    error::{Error, Result},
};

/// The longest text of one document, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 16 * 1024 * 1024;

/// A document: a key, text or a vector or both, and metadata. In JSON: `{"key", "text"?, "vector"?, "metadata"?}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The caller's id, unique within the collection; a second document of the same key replaces the first.
    pub key: Key,
    /// The text that the vector is made from; in a collection with a template it may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The vector; a collection with a model makes it from the text when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<Vec<f32>>,
    /// Anything else: fields to filter by, to fill the template, or to hand back.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
}

impl Document {
    /// The longest text of one document, in bytes.
    pub const MAX_TEXT_BYTES: usize = MAX_TEXT_BYTES;

    /// A document whose vector the collection's model makes from `text`.
    #[must_use]
    pub fn new(key: impl Into<Key>, text: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            text: Some(text.into()),
            vector: None,
            metadata: Metadata::new(),
        }
    }

    /// A document that brings its vector.
    #[must_use]
    pub fn from_vector(key: impl Into<Key>, vector: Vec<f32>) -> Self {
        Self {
            key: key.into(),
            text: None,
            vector: Some(vector),
            metadata: Metadata::new(),
        }
    }

    /// A document whose text the collection's template makes from `metadata`.
    #[must_use]
    pub fn from_metadata(key: impl Into<Key>, metadata: Metadata) -> Self {
        Self {
            key: key.into(),
            text: None,
            vector: None,
            metadata,
        }
    }

    /// Sets the text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Sets the vector.
    #[must_use]
    pub fn vector(mut self, vector: Vec<f32>) -> Self {
        self.vector = Some(vector);
        self
    }

    /// Sets the metadata from a JSON object; any other JSON value becomes the field `value`.
    #[must_use]
    pub fn metadata(mut self, metadata: serde_json::Value) -> Self {
        self.metadata = match metadata {
            serde_json::Value::Object(fields) => fields,
            other => Metadata::from_iter([("value".to_owned(), other)]),
        };
        self
    }
}

impl From<Record> for Document {
    fn from(record: Record) -> Self {
        Self {
            key: record.key,
            text: record.text,
            vector: record.vector,
            metadata: record.metadata,
        }
    }
}

/// Checks a vector that came from outside; `field` names it in the error.
pub(crate) fn check_vector(
    locked: &Locked,
    vector: &[f32],
    field: impl Fn() -> String,
) -> Result<()> {
    let expected = locked.dimension();
    if vector.len() != expected {
        let model = locked.model.as_ref();
        return Err(Error::DimensionMismatch {
            field: field(),
            given: vector.len(),
            expected,
            source_of_dimension: model
                .map_or_else(String::new, |model| format!(" (model {})", model.name)),
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
