//! What a search answers. It is the HTTP body.

use serde::{Deserialize, Serialize};
use storage::Key;

use crate::document::Document;

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Answer {
    /// The matches, largest score first.
    pub matches: Vec<Match>,
    /// How they were found.
    pub plan: Plan,
    /// Milliseconds from the call to the answer, embedding included.
    pub took_ms: f64,
}

/// A document that a search found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Match {
    /// The document's key.
    pub key: Key,
    /// How close it is: larger is closer, for every metric. After a rerank, the cross-encoder's score.
    pub score: f32,
    /// The metric's own value: squared for `l2`, the inner product for `inner_product` and `cosine`.
    pub distance: f32,
    /// The document.
    pub document: Document,
    /// The passage of its text nearest to the query, in a collection that chunks texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<Passage>,
}

/// The part of a document's text that a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Passage {
    /// Where it begins in the document's text, in bytes.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
    /// The text in between.
    pub text: String,
}

/// How a search was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// The strategy chosen.
    pub strategy: Strategy,
    /// The recall measured for the setting that was searched with; absent where nothing was measured, or the query named a
    /// setting of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<f32>,
    /// The recall asked for (or the default), where no measured setting reaches it and the best one was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_of: Option<f32>,
    /// How many documents pass the filter; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching: Option<usize>,
    /// How many matches a cross-encoder reranked; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reranked: Option<usize>,
    /// Whether the query's text was longer than the model reads, so that only its beginning counts; absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// The local index that was searched; absent where another engine answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalPlan>,
}

/// How the local index was searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LocalPlan {
    /// The kind of the sealed index: a FAISS factory string, or `none` while every vector is fresh.
    pub index: String,
    /// The size of the candidate list in a graph; absent where none was searched or its default was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ef_search: Option<usize>,
    /// Inverted lists that were probed; absent where there are none or the default was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nprobe: Option<usize>,
    /// Candidates per match that were compared again by better codes or whole vectors; absent where none were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescore: Option<usize>,
    /// Vectors in the sealed index.
    pub sealed: usize,
    /// Vectors added since, which are always compared one by one.
    pub fresh: usize,
}

/// The ways to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strategy {
    /// Every vector was compared.
    Exact,
    /// Every vector that passes the filter was compared, and no other.
    ExactFiltered,
    /// The approximate index was searched.
    Approximate,
    /// The approximate index was searched among those that pass the filter.
    ApproximateFiltered,
}
