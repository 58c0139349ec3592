//! A row of a file.

use vinedb::Metadata;

/// What a row holds.
pub(crate) enum Item {
    Fields(Metadata),
    Vector(Vec<f32>),
}

/// A row, or why it cannot be used.
pub(crate) struct Row {
    /// The line where it begins, from 1; of vector files and JSON arrays, the row's number from 1.
    pub(crate) line: u64,
    pub(crate) item: Result<Item, String>,
}

#[cfg(test)]
impl Row {
    /// What it holds, or why it holds nothing.
    pub(super) fn shown(&self) -> serde_json::Value {
        match &self.item {
            Ok(Item::Fields(fields)) => fields.clone().into(),
            Ok(Item::Vector(vector)) => serde_json::json!(vector),
            Err(reason) => reason.clone().into(),
        }
    }
}
