//! The arguments of every command.

mod collections;
mod documents;
mod index;
mod models;
mod parse;
mod search;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use collections::{Cluster, Create, File, Named, Serve, Stats};
pub(crate) use documents::{Count, Delete, Embed, Get, Import};
pub(crate) use index::{Index, IndexExport, IndexImport};
pub(crate) use models::{AddArgs, Models, PullArgs};
pub(crate) use search::{Bench, Search};

/// An embedded vector similarity search database: text in, whole records out.
#[derive(Debug, Parser)]
#[command(name = "vinedb", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print one JSON value on standard output, and nothing else there (embed always writes JSON Lines)
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The cache folder with ONNX Runtime and the models [default: $XDG_CACHE_HOME/vinedb or ~/.cache/vinedb]
    #[arg(
        long,
        global = true,
        env = "VINEDB_HOME",
        value_name = "FOLDER",
        hide_env_values = true
    )]
    pub(crate) home: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a collection (and the database, if the folder is new)
    Create(Create),
    /// Read documents from files: CSV, JSON, JSON Lines, .npy, .fvecs; gzipped or not
    Import(Import),
    /// Find the documents nearest to a text, a vector or another document
    Search(Search),
    /// Print documents by key
    Get(Get),
    /// Delete documents by key or by filter
    Delete(Delete),
    /// Count documents
    Count(Count),
    /// Show the state of a collection, or of all of them
    Stats(Stats),
    /// Part a collection into clusters by k-means
    Cluster(Cluster),
    /// Build the index anew, learning from the documents of today
    Train(Named),
    /// Fold recent documents into the index and free what deleted ones took
    Compact(Named),
    /// Measure searches in process: recall, queries per second, latency
    Bench(Bench),
    /// Write a collection's index as a plain FAISS file, or make a collection of one
    #[command(subcommand)]
    Index(Index),
    /// Drop a collection with all its documents
    Drop(Named),
    /// Write a collection into one file, while it is being served
    Snapshot(File),
    /// Make a collection from a snapshot
    Restore(File),
    /// Make vectors: JSON Lines with "text" in, JSON Lines with "embedding" out
    Embed(Embed),
    /// List the models in the cache folder; pull, show and remove them
    Models {
        #[command(subcommand)]
        command: Option<Models>,
    },
    /// Serve a database over HTTP
    Serve(Serve),
}
