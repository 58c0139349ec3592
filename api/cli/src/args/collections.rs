//! Databases and their collections: made, described, clustered, served, written into one file.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use vinedb::{Filter, IndexSpec, Metric, cluster::K, embed::Border, index::Device};

use super::parse::{at_least_one, border, cluster_name, filter};

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The database folder
    pub(crate) dir: PathBuf,
    /// The collection
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    pub(crate) at: Named,
    /// The index: auto, hnsw_rs, or a FAISS factory string
    ///
    /// A factory string has, with commas between them: transforms before (PCA64, OPQ16, ITQ, L2norm), a structure (none,
    /// HNSW32, NSG32, IVF1024, IVF65536_HNSW32), what is kept of each vector (Flat, SQ8, SQ6, SQ4, SQfp16, SQbf16, PQ16,
    /// PQ16x4fs, RaBitQ, LSH), and a second look behind (RFlat, Refine(SQ8)). Such as Flat, HNSW32, "HNSW32,SQ8",
    /// "IVF1024,PQ16x4fs,RFlat", "OPQ16,IVF1024,PQ16". auto is exact while that is fast, then grows into a graph.
    #[arg(long, default_value = "auto")]
    pub(crate) index: IndexSpec,
    /// How vectors are compared: cosine, l2, inner_product, l1, linf, lp(P), canberra, braycurtis or jensenshannon
    #[arg(long, default_value = "cosine")]
    pub(crate) metric: Metric,
    /// Where they are searched: cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    pub(crate) device: Device,
    /// The model that embeds text [default: all-MiniLM-L6-v2]
    #[arg(long, conflicts_with = "dimension")]
    pub(crate) model: Option<String>,
    /// The documents bring vectors of this many components, and there is no model
    #[arg(long, value_name = "N")]
    pub(crate) dimension: Option<usize>,
    /// Makes a document's text from its fields, such as 'Name: {{ name }}' (Jinja syntax)
    #[arg(long, conflicts_with = "dimension")]
    pub(crate) template: Option<String>,
    /// Cut long texts into passages of at most this many tokens, each with a vector; a search finds the best of them
    #[arg(long, value_name = "TOKENS", conflicts_with = "dimension")]
    pub(crate) chunk: Option<usize>,
    /// The tokens at a passage's end with which the next one begins [default: 0]
    #[arg(long, value_name = "TOKENS", requires = "chunk")]
    pub(crate) overlap: Option<usize>,
    /// Where texts are preferably cut [default: sentence]
    #[arg(long, value_name = "sentence|paragraph|token", requires = "chunk", value_parser = border)]
    pub(crate) chunk_at: Option<Border>,
}

#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// The database folder
    pub(crate) dir: PathBuf,
    /// The collection [default: all of them]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Cluster {
    #[command(flatten)]
    pub(crate) at: Named,
    /// How many clusters; auto: as many as fit the documents best
    #[arg(short = 'k', long = "clusters", value_name = "N|auto", required_unless_present_any = ["saved", "list"], conflicts_with_all = ["saved", "list"])]
    pub(crate) k: Option<K>,
    /// Save the clustering under this name: documents then keep a label, and filters such as '{"cluster.NAME": 7}' work
    #[arg(long, value_name = "NAME", requires = "k")]
    pub(crate) save: Option<String>,
    /// Let --save replace a clustering of the same name
    #[arg(long, requires = "save")]
    pub(crate) replace: bool,
    /// Use this saved clustering instead of learning one; by itself, show it
    #[arg(long, value_name = "NAME")]
    pub(crate) saved: Option<String>,
    /// List the saved clusterings
    #[arg(long, conflicts_with_all = ["saved", "assign", "labels", "filter"])]
    pub(crate) list: bool,
    /// Print the cluster that this text belongs to; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub(crate) assign: Vec<String>,
    /// Write the cluster of every document that passes the filter: a file ending in .csv or .jsonl, or - for JSON Lines
    #[arg(long, value_name = "FILE|-")]
    pub(crate) labels: Option<PathBuf>,
    /// Name a cluster of --saved, such as 7=sparkling; without a name, take its name
    #[arg(long, value_name = "N=NAME", requires = "saved", value_parser = cluster_name)]
    pub(crate) rename: Vec<(usize, Option<String>)>,
    /// Drop the clustering named by --saved; documents stay
    #[arg(long, requires = "saved", conflicts_with_all = ["assign", "labels", "rename", "filter"])]
    pub(crate) drop: bool,
    /// Decides where the centroids start and which documents they are learned from [default: 1234]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How often documents are assigned and centroids moved [default: 25]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) iterations: Option<usize>,
    /// How often to start anew; the best is kept [default: 1]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) redo: Option<usize>,
    /// Compare vectors by their angle alone, or with =false not [default: for cosine and inner_product]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) spherical: Option<bool>,
    /// How many documents the centroids are learned from, at most [default: 256 per cluster, at least 65536]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) sample: Option<usize>,
    /// Documents shown of each cluster [default: 3]
    #[arg(long, value_name = "N")]
    pub(crate) nearest: Option<usize>,
    /// Words that tell each cluster from the others [default: 10]
    #[arg(long, value_name = "N")]
    pub(crate) words: Option<usize>,
    /// Only documents that pass, such as '{"country": "Italy"}'
    #[arg(long, value_name = "JSON", value_parser = filter)]
    pub(crate) filter: Option<Filter>,
    /// Draw the clusters: documents on the plane in which they differ most
    #[arg(long, value_name = "FILE.svg", requires = "k")]
    pub(crate) plot: Option<PathBuf>,
    /// Documents in the plot, and in the JSON answer's map [default: 2000 with --plot, else 0]
    #[arg(long, value_name = "N")]
    pub(crate) map: Option<usize>,
    /// Where the centroids are learned: cpu, or cuda and cuda:N in a build with GPU support
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct File {
    #[command(flatten)]
    pub(crate) at: Named,
    /// The snapshot file
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The database folder
    pub(crate) dir: PathBuf,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) addr: SocketAddr,
    /// Refuse writes; runs beside a process that writes
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Sessions of each model, side by side [default: as many as the cores give]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) sessions: Option<usize>,
    /// Threads of each session
    #[arg(long, value_name = "N", default_value = "1", value_parser = at_least_one)]
    pub(crate) threads: usize,
    /// Leave sealed indexes in their files, mapped into memory: for indexes larger than memory
    #[arg(long)]
    pub(crate) mapped: bool,
}
