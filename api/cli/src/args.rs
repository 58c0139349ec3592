//! The arguments of every command.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use vinedb::{Border, Device, Filter, IndexSpec, K, Key, MAX_TOP_K, Metric};

use super::params::Given;

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
    Index(super::index::Index),
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
        command: Option<super::models::Models>,
    },
    /// Serve a database over HTTP
    Serve(Serve),
}

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Csv,
    Tsv,
    Json,
    Jsonl,
    Npy,
    Fvecs,
}

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
pub(crate) struct Search {
    #[command(flatten)]
    pub(crate) at: Named,
    /// The text to search for
    #[arg(required_unless_present_any = ["vector_file", "like"], conflicts_with_all = ["vector_file", "like"])]
    pub(crate) text: Option<String>,
    /// Search by each vector in this file (.npy, .fvecs or JSON)
    #[arg(long, value_name = "FILE", conflicts_with = "like")]
    pub(crate) vector_file: Option<PathBuf>,
    /// Search for what is near the document with this key
    #[arg(long, value_name = "KEY")]
    pub(crate) like: Option<Key>,
    /// How many matches at most [default: 10; with --radius 10000]
    #[arg(short = 'k', long = "top-k", value_name = "N", value_parser = top_k)]
    pub(crate) top_k: Option<usize>,
    /// Only documents within this distance; for cosine and inner_product, at least this similar
    #[arg(
        long,
        value_name = "DISTANCE",
        value_parser = radius,
        allow_negative_numbers = true
    )]
    pub(crate) radius: Option<f32>,
    /// Only documents that pass, such as '{"country": "Italy", "price": {"lt": 30}}'
    #[arg(long, value_name = "JSON", value_parser = filter)]
    pub(crate) filter: Option<Filter>,
    /// A search parameter: recall=0.99, ef_search=N, nprobe=N, max_codes=N, rescore=N or exact=true
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub(crate) params: Vec<Given>,
    /// Rank the nearest again by this cross-encoder
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["vector_file", "like"])]
    pub(crate) rerank: Option<String>,
    /// How many of the nearest it reads [default: 50]
    #[arg(long, value_name = "N", requires = "rerank", value_parser = at_least_one)]
    pub(crate) candidates: Option<usize>,
    /// Print the documents' vectors too (with --json)
    #[arg(long)]
    pub(crate) with_vectors: bool,
    /// Print on standard error where the time went
    #[arg(long)]
    pub(crate) timing: bool,
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
    #[arg(short = 'k', long = "clusters", value_name = "N|auto")]
    pub(crate) k: K,
    /// Decides where the centroids start and which documents they are learnt from [default: 1234]
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
    /// How many documents the centroids are learnt from, at most [default: 256 per cluster, at least 65536]
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
    /// Draws the clusters: documents on the plane in which they differ most
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// Documents in the plot, and in the JSON answer's map [default: 2000 with --plot, else 0]
    #[arg(long, value_name = "N")]
    pub(crate) map: Option<usize>,
    /// Where the centroids are learnt: cpu, or cuda and cuda:N in a build with GPU support
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(crate) device: Device,
}

/// Each --param, and --exact, is measured on its own, one after the other in every pass, and medians over the passes are
/// printed: with --json an object, or an array of objects where there are several. Answers are whole records.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) at: Named,
    /// The vectors to search by (.npy, .fvecs or JSON)
    #[arg(long, value_name = "FILE")]
    pub(crate) queries: PathBuf,
    /// The keys of each query's nearest documents, nearest first (.ivecs) [default: found by comparing everything]
    #[arg(long, value_name = "FILE")]
    pub(crate) truth: Option<PathBuf>,
    /// How many matches
    #[arg(short = 'k', long = "top-k", value_name = "N", default_value = "10", value_parser = top_k)]
    pub(crate) top_k: usize,
    /// Search parameters to measure, such as recall=0.99 or nprobe=16,rescore=4; more than once for several
    #[arg(long = "param", value_name = "NAME=VALUE[,…]")]
    pub(crate) params: Vec<Given>,
    /// Measure comparing everything, too
    #[arg(long)]
    pub(crate) exact: bool,
    /// Threads that ask single queries side by side, and that each batch is spread over
    #[arg(long, value_name = "N", default_value = "1", value_parser = at_least_one)]
    pub(crate) threads: usize,
    /// How often each is measured
    #[arg(long, value_name = "N", default_value = "3", value_parser = at_least_one)]
    pub(crate) passes: usize,
}

#[derive(Debug, Args)]
pub(crate) struct File {
    #[command(flatten)]
    pub(crate) at: Named,
    /// The snapshot file
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Embed {
    /// The model
    #[arg(long, default_value = models::DEFAULT_MODEL)]
    pub(crate) model: String,
    /// Embed as queries, not as documents (for models that tell them apart)
    #[arg(long)]
    pub(crate) query: bool,
    /// Write the vectors into this .npy file, one row a line, and nothing on standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) npy: Option<PathBuf>,
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

fn filter(json: &str) -> Result<Filter, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

fn border(name: &str) -> Result<Border, String> {
    serde_json::from_value(name.into()).map_err(|error| error.to_string())
}

fn whole(text: &str, expected: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|_| format!("{text:?} was given, {expected} was expected"))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let expected = "a whole number of 1 or more";
    match whole(text, expected)? {
        0 => Err(format!("0 was given, {expected} was expected")),
        number => Ok(number),
    }
}

fn top_k(text: &str) -> Result<usize, String> {
    let expected = format!("1 to {MAX_TOP_K}");
    match whole(text, &expected)? {
        number if (1..=MAX_TOP_K).contains(&number) => Ok(number),
        number => Err(format!("{number} was given, {expected} was expected")),
    }
}

fn radius(text: &str) -> Result<f32, String> {
    let number: Option<f32> = text.parse().ok().filter(|number: &f32| number.is_finite());
    number.ok_or_else(|| format!("{text:?} was given, a finite number was expected"))
}
