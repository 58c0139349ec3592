//! Searches, and measuring them.

use std::path::PathBuf;

use clap::Args;
use vinedb::{Filter, Key};

use super::{
    collections::Named,
    parse::{at_least_one, filter, radius, top_k},
};
use crate::params::Given;

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
