//! All documents of a collection, streamed.

use std::{fmt, vec};

use super::core::Core;
use crate::{document::Document, error::Result, page::Cursor};

/// Documents read at a time.
const PAGE: usize = 256;

/// An iterator over a collection's documents: see [`Collection::documents`](crate::Collection::documents).
pub struct Documents<'a> {
    core: &'a Core,
    page: vec::IntoIter<Document>,
    /// Where the next page begins; `None` once there is none.
    next: Option<Option<Cursor>>,
}

impl<'a> Documents<'a> {
    pub(super) fn new(core: &'a Core) -> Self {
        Self {
            core,
            page: Vec::new().into_iter(),
            next: Some(None),
        }
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<Document>;

    /// The next document; after an error, none.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(document) = self.page.next() {
                return Some(Ok(document));
            }
            let cursor = self.next.take()?;
            match self.core.backend.scroll(cursor.as_ref(), PAGE, None) {
                Ok(page) => {
                    self.next = page.next.map(Some);
                    self.page = page.documents.into_iter();
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl fmt::Debug for Documents<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Documents")
            .field("collection", &self.core.name)
            .finish_non_exhaustive()
    }
}
