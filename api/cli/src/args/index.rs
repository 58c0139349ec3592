//! Plain FAISS files.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vinedb::Metric;

use super::collections::Named;

#[derive(Debug, Subcommand)]
pub(crate) enum Index {
    /// Write the index of a collection, of its live documents alone
    ///
    /// The ids in the file are the keys, where all of them are whole numbers of 0 or more; else they are numbers, and
    /// FILE.keys.jsonl tells the key of each. For the metric cosine, vectors are scaled to length 1.
    Export(IndexExport),
    /// Make a collection of an index that FAISS wrote; its ids become the keys
    Import(IndexImport),
    /// Say what a file holds
    #[command(hide = true)]
    Inspect {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct IndexExport {
    #[command(flatten)]
    pub(crate) at: Named,
    /// The new file
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct IndexImport {
    #[command(flatten)]
    pub(crate) at: Named,
    /// The file
    pub(crate) file: PathBuf,
    /// The metric [default: that of the file]; cosine, where its vectors are of length 1
    #[arg(long)]
    pub(crate) metric: Option<Metric>,
}
