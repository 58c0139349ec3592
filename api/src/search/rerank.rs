//! The second stage of a search: a cross-encoder reads the query with each candidate, and the best come first.
//!
//! The first stage finds the candidates as any search does; nothing here searches. Of a document that is cut into passages the
//! one that was found is read. A document without text is read as an empty one.

use serde::{Deserialize, Serialize};

use crate::{Answer, Error, Query, Result, collection::Core};

/// The most candidates that a query may have read again.
pub const MAX_CANDIDATES: usize = 1_000;
/// The candidates of a query that says nothing of them, where it does not ask for more matches than these.
const DEFAULT_CANDIDATES: usize = 50;

/// Has the matches of a search by text ranked again by a cross-encoder, which reads query and document together: slower, and
/// a better judge. `score` in each match is then the cross-encoder's; `distance` stays that of the vectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rerank {
    /// The cross-encoder's name: its folder among the models.
    pub model: String,
    /// How many of the nearest it reads, from `top_k` to 1,000. Default: 50, or `top_k` where that is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<usize>,
}

impl Query {
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
}

impl Core {
    /// Ranks the matches of an answer again, if its query asks for that, and leaves as many as it asks for.
    pub(crate) fn rerank(&self, query: &Query, answer: &mut Answer) -> Result<()> {
        let (Some(rerank), Some(text)) = (&query.rerank, &query.text) else {
            return Ok(());
        };
        let texts: Vec<&str> = answer
            .matches
            .iter()
            .map(|found| match &found.passage {
                Some(passage) => passage.text.as_str(),
                None => found.document.text.as_deref().unwrap_or_default(),
            })
            .collect();
        let scores = self.models.reranker(&rerank.model)?.score(text, &texts)?;
        for (found, score) in answer.matches.iter_mut().zip(scores) {
            found.score = score;
        }
        // Those of equal score stay in the order of their distances.
        answer
            .matches
            .sort_by(|one, other| other.score.total_cmp(&one.score));
        answer.plan.reranked = Some(answer.matches.len());
        answer.matches.truncate(query.limit());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
