//! Indexes as plain FAISS files: exported from a collection with its live documents alone, and imported as a new collection.
//!
//! A file, and a collection made from one, appear whole or not at all. FAISS parses a file in this process; whoever does not
//! trust its origin has another process inspect it first ([`inspect_index`]).

mod export;
mod file;
mod import;

pub use file::{Exported, IndexFile, inspect_index};
pub use import::ImportedIndex;
