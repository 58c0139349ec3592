//! What a search asks and what it answers. Both are the HTTP bodies.

use engine::SearchParams;
use serde::{Deserialize, Serialize};
use storage::{Filter, Key};

use crate::{Document, Error, Passage, Result, search::rerank::Rerank};

/// The most matches that one query may ask for.
pub const MAX_TOP_K: usize = 10_000;
/// The matches of a query that says nothing of them.
const DEFAULT_TOP_K: usize = 10;

/// A search: by text, by vector, or by the key of a stored document; exactly one of the three.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// A text for the collection's model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A vector of the collection's dimension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<Vec<f32>>,
    /// The key of a document: finds those near it, without itself; near any of its passages, where it is cut into such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<Key>,
    /// How many matches at most, 1 to 10,000. Default: 10, or 10,000 with a radius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    /// Only documents within this distance: those whose distance is at most the radius, or for `cosine` and `inner_product`
    /// at least. All of them are found where the index keeps whole vectors and `params` asks for nothing less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radius: Option<f32>,
    /// Only documents whose metadata passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// What is searched.
    #[serde(default)]
    pub mode: Mode,
    /// `recall`, or `ef_search`, `nprobe`, `max_codes`, `rescore`, `exact`: more work for better recall.
    #[serde(default)]
    pub params: SearchParams,
    /// A cross-encoder that ranks the nearest again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerank: Option<Rerank>,
    /// What comes back beside text and metadata.
    #[serde(default)]
    pub with: With,
}

/// What a query searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The vectors.
    #[default]
    Vector,
}

/// What comes back beside text and metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct With {
    /// The documents' vectors; of one that is cut into passages that of the passage that was found. Default: false.
    pub vectors: bool,
}

impl Query {
    /// Searches by a text, which the collection's model embeds.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::default()
        }
    }

    /// Searches by a vector.
    #[must_use]
    pub fn vector(vector: Vec<f32>) -> Self {
        Self {
            vector: Some(vector),
            ..Self::default()
        }
    }

    /// Searches by a stored document's vector.
    #[must_use]
    pub fn like(key: impl Into<Key>) -> Self {
        Self {
            like: Some(key.into()),
            ..Self::default()
        }
    }

    /// Sets how many matches come back at most.
    #[must_use]
    pub fn top_k(mut self, top_k: usize) -> Self {
        self.top_k = Some(top_k);
        self
    }

    /// Leaves out what is farther away than this.
    #[must_use]
    pub fn radius(mut self, radius: f32) -> Self {
        self.radius = Some(radius);
        self
    }

    /// How many matches come back at most, whether that was said or not.
    #[must_use]
    pub fn limit(&self) -> usize {
        let unsaid = match (self.radius, &self.rerank) {
            (Some(_), None) => MAX_TOP_K,
            _ => DEFAULT_TOP_K,
        };
        self.top_k.unwrap_or(unsaid)
    }

    /// Sets the filter.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Sets the search parameters.
    #[must_use]
    pub fn params(mut self, params: SearchParams) -> Self {
        self.params = params;
        self
    }

    /// Asks for the documents' vectors too.
    #[must_use]
    pub fn with_vectors(mut self, vectors: bool) -> Self {
        self.with.vectors = vectors;
        self
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let named = [
            self.text.as_ref().map(|_| "text"),
            self.vector.as_ref().map(|_| "vector"),
            self.like.as_ref().map(|_| "like"),
        ];
        let named: Vec<&str> = named.into_iter().flatten().collect();
        if named.len() != 1 {
            let given = if named.is_empty() {
                "none of them".to_owned()
            } else {
                named.join(" and ")
            };
            return Err(Error::invalid(
                "query",
                given,
                "exactly one of text, vector and like",
            ));
        }
        if !(1..=MAX_TOP_K).contains(&self.limit()) {
            let expected = format!("1 to {MAX_TOP_K}");
            return Err(Error::invalid("top_k", self.limit(), expected));
        }
        self.validate_rerank()?;
        match self.radius.filter(|radius| !radius.is_finite()) {
            Some(radius) => Err(Error::invalid("radius", radius, "a finite number")),
            None => Ok(()),
        }
    }
}

/// A document that a search found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// The document's key.
    pub key: Key,
    /// How close it is: larger is closer, whatever the metric. After a rerank, how well the cross-encoder finds that it fits.
    pub score: f32,
    /// What the metric says: squared for `l2`, the inner product for `inner_product` and `cosine`.
    pub distance: f32,
    /// The document.
    pub document: Document,
    /// What of its text was found, in a collection that cuts long texts: the passage nearest to the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<Passage>,
}

/// What a search answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The matches, those of the largest score first.
    pub matches: Vec<Match>,
    /// How they were found.
    pub plan: Plan,
    /// Milliseconds from the call to the answer, embedding included.
    pub took_ms: f64,
}

/// How a search was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The way taken.
    pub strategy: Strategy,
    /// The kind of the sealed index: a FAISS factory string, or `none` while everything is in the fresh part.
    pub index: String,
    /// Candidates that a graph kept; absent where none was searched or its default was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ef_search: Option<usize>,
    /// Lists that were read, absent likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nprobe: Option<usize>,
    /// Candidates for each match that were compared by better codes or whole vectors; absent where none were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescore: Option<usize>,
    /// The share of the nearest that was measured to be found so, when the index was sealed; absent where nothing was
    /// measured, or the query named a setting of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<f32>,
    /// The recall that was asked for (or the default), where nothing measured reaches it and the best there is was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_of: Option<f32>,
    /// How many documents pass the filter; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching: Option<usize>,
    /// How many matches a cross-encoder ranked again; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reranked: Option<usize>,
    /// Whether the query's text was longer than the model takes, so that its beginning alone was searched by; absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Vectors in the sealed index.
    pub sealed: usize,
    /// Vectors added since, which are always compared one by one.
    pub fresh: usize,
}

/// The ways to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_exactly_one_way() {
        assert!(Query::text("a").validate().is_ok());
        assert!(
            Query::default()
                .validate()
                .unwrap_err()
                .to_string()
                .contains("none of them")
        );
        let both = Query {
            like: Some(Key::Integer(1)),
            ..Query::text("a")
        };
        assert!(
            both.validate()
                .unwrap_err()
                .to_string()
                .contains("text and like")
        );
        for top_k in [0, MAX_TOP_K + 1] {
            assert!(
                Query::text("a")
                    .top_k(top_k)
                    .validate()
                    .unwrap_err()
                    .to_string()
                    .contains("top_k")
            );
        }
    }

    #[test]
    fn a_radius_is_a_number_and_lifts_the_limit() {
        assert_eq!(Query::text("a").limit(), DEFAULT_TOP_K);
        assert_eq!(Query::text("a").radius(0.5).limit(), MAX_TOP_K);
        assert_eq!(Query::text("a").radius(0.5).top_k(3).limit(), 3);
        for radius in [f32::NAN, f32::INFINITY] {
            let refused = Query::text("a").radius(radius).validate().unwrap_err();
            assert!(refused.to_string().contains("radius"), "{refused}");
        }
    }

    #[test]
    fn json_has_defaults_and_refuses_what_it_does_not_know() {
        let query: Query =
            serde_json::from_str(r#"{"text": "red", "with": {"vectors": true}}"#).unwrap();
        assert_eq!(query, Query::text("red").with_vectors(true));
        for json in [
            r#"{"txet": "red"}"#,
            r#"{"text": "red", "mode": "psychic"}"#,
            r#"{"text": "red", "params": {"efsearch": 3}}"#,
        ] {
            assert!(serde_json::from_str::<Query>(json).is_err(), "{json}");
        }
    }
}
