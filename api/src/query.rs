//! What a search asks. It is the HTTP body.

use engine::SearchParams;
use serde::{Deserialize, Serialize};
use storage::{Filter, Key};

use crate::error::{Error, Result};

/// The most matches that one query may ask for.
pub(crate) const MAX_TOP_K: usize = 10_000;
/// The matches of a query that does not say.
const DEFAULT_TOP_K: usize = 10;

/// The most candidates that a query may have reranked.
const MAX_CANDIDATES: usize = 1_000;
/// The candidates of a query that does not say, unless it asks for more matches than that.
const DEFAULT_CANDIDATES: usize = 50;

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
    /// A cross-encoder that reranks the nearest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerank: Option<Rerank>,
    /// What comes back besides text and metadata.
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

/// Reranks the matches of a search by text with a cross-encoder, which reads query and document together: slower and more
/// accurate. `score` in each match is then the cross-encoder's; `distance` stays that of the vectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rerank {
    /// The cross-encoder's name: its folder among the models.
    pub model: String,
    /// How many of the nearest it reads, from `top_k` to 1,000. Default: 50, or `top_k` where that is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<usize>,
}

impl Rerank {
    /// The most candidates that a query may have reranked.
    pub const MAX_CANDIDATES: usize = MAX_CANDIDATES;
}

impl Query {
    /// The most matches that one query may ask for.
    pub const MAX_TOP_K: usize = MAX_TOP_K;

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

    /// Has the matches ranked again by the cross-encoder `model`, see [`Rerank`].
    #[must_use]
    pub fn rerank(mut self, model: impl Into<String>, candidates: Option<usize>) -> Self {
        let model = model.into();
        self.rerank = Some(Rerank { model, candidates });
        self
    }

    /// How many documents the first stage finds at most: the matches, or the candidates for them.
    pub(crate) fn candidates(&self) -> usize {
        match &self.rerank {
            Some(rerank) => rerank
                .candidates
                .unwrap_or(DEFAULT_CANDIDATES.max(self.limit())),
            None => self.limit(),
        }
    }

    pub(crate) fn validate_rerank(&self) -> Result<()> {
        if self.rerank.is_none() {
            return Ok(());
        }
        if self.text.is_none() {
            let expected =
                "a search by text: a cross-encoder reads the query's text with each document's";
            return Err(Error::invalid("rerank", "a search without text", expected));
        }
        let (candidates, limit) = (self.candidates(), self.limit());
        if !(limit..=MAX_CANDIDATES).contains(&candidates) {
            let expected = format!("{limit} (top_k) to {MAX_CANDIDATES}");
            return Err(Error::invalid("rerank.candidates", candidates, expected));
        }
        Ok(())
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

    #[test]
    fn candidates_have_a_default_and_bounds() {
        let query = Query::text("red").rerank("judge", None);
        assert_eq!((query.candidates(), query.limit()), (50, 10));
        assert_eq!(query.clone().top_k(80).candidates(), 80);
        assert!(query.validate().is_ok());
        for (query, named) in [
            (query.clone().top_k(2_000), "2000"),
            (Query::text("red").rerank("judge", Some(9)), "10 (top_k)"),
            (Query::text("red").rerank("judge", Some(1_001)), "1000"),
            (Query::like("key").rerank("judge", None), "without text"),
        ] {
            let message = query.validate().unwrap_err().to_string();
            assert!(
                message.contains("rerank") && message.contains(named),
                "{message}"
            );
        }
        let within = Query::text("red").radius(0.5).rerank("judge", None);
        assert_eq!((within.candidates(), within.limit()), (50, 10));
    }

    #[test]
    fn json_names_model_and_candidates() {
        let query: Query =
            serde_json::from_str(r#"{"text":"red","rerank":{"model":"judge","candidates":20}}"#)
                .unwrap();
        assert_eq!(query, Query::text("red").rerank("judge", Some(20)));
        assert!(serde_json::from_str::<Query>(r#"{"text":"red","rerank":{}}"#).is_err());
    }
}
