//! A page of a collection's documents, and the cursor to the next.

use serde::{Deserialize, Serialize};

use crate::document::Document;

/// Documents in the order in which they were written, a page of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page {
    /// The documents.
    pub documents: Vec<Document>,
    /// Where the next page begins; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// Where a page begins: [`Page::next`] of the page before. Opaque; in JSON a string. It stays valid while documents are
/// written and deleted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub(crate) String);
