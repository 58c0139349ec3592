//! The second stage of a search: a cross-encoder reads the query with each candidate, and the best come first.
//!
//! The first stage finds the candidates as any search does; nothing here searches. Of a document that is cut into passages, the
//! passage found is read. A document without text is read as an empty one.

use crate::{answer::Answer, collection::core::Core, error::Result, query::Query};

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
