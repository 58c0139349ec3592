//! Documents: imported, printed, deleted, counted; and texts that are only embedded.

use std::path::PathBuf;

use clap::Args;
use vinedb::{Filter, Key};

use super::{collections::Named, parse::filter};
use crate::format::Format;

#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) at: Named,
    /// The files to read
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Their format [default: by the file name's ending]
    #[arg(long)]
    pub(crate) format: Option<Format>,
    /// The field that is the key [default: key, else id, else FILE:ROW]
    #[arg(long, value_name = "FIELD")]
    pub(crate) key: Option<String>,
    /// The field that is the text [default: text]
    #[arg(long, value_name = "FIELD", conflicts_with = "template")]
    pub(crate) text: Option<String>,
    /// Makes the text from the fields [default: the collection's template]
    #[arg(long)]
    pub(crate) template: Option<String>,
    /// The field that is the vector [default: vector]
    #[arg(long, value_name = "FIELD")]
    pub(crate) vector: Option<String>,
    /// Stop after this many rows of each file
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Write every row that cannot be used into this file, as JSON Lines with file, line and reason
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) at: Named,
    /// The documents' keys
    #[arg(required = true)]
    pub(crate) keys: Vec<Key>,
    /// Print their vectors too
    #[arg(long)]
    pub(crate) with_vectors: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) at: Named,
    /// The documents' keys
    #[arg(required_unless_present = "filter", conflicts_with = "filter")]
    pub(crate) keys: Vec<Key>,
    /// Delete the documents that pass
    #[arg(long, value_name = "JSON", value_parser = filter)]
    pub(crate) filter: Option<Filter>,
}

#[derive(Debug, Args)]
pub(crate) struct Count {
    #[command(flatten)]
    pub(crate) at: Named,
    /// Count only documents that pass
    #[arg(long, value_name = "JSON", value_parser = filter)]
    pub(crate) filter: Option<Filter>,
}

#[derive(Debug, Args)]
pub(crate) struct Embed {
    /// The model
    #[arg(long, default_value = ::models::DEFAULT_MODEL)]
    pub(crate) model: String,
    /// Embed as queries, not as documents (for models that tell them apart)
    #[arg(long)]
    pub(crate) query: bool,
    /// Write the vectors into this .npy file, one row a line, and nothing on standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) npy: Option<PathBuf>,
}
