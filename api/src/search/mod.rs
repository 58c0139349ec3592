//! Searching: from a query to vectors, from the backend's answer to one that a cross-encoder may have reranked.

mod rerank;

use std::time::Instant;

use embedder::Purpose;

use crate::{
    answer::Answer,
    backend::target::Target,
    collection::{Collection, core::Core},
    document::{MAX_TEXT_BYTES, check_vector},
    error::{Error, Result},
    query::Query,
};

impl Collection {
    /// Finds the documents nearest to a text, a vector or another document.
    ///
    /// # Errors
    /// A query that names none or several of the three, a vector of another dimension or with NaN, an unknown key, an empty
    /// text; failures of the model or the store.
    pub fn search(&self, query: &Query) -> Result<Answer> {
        let mut answers = self.search_batch(std::slice::from_ref(query))?;
        Ok(answers
            .pop()
            .unwrap_or_else(|| unreachable!("one query has one answer")))
    }

    /// As [`Collection::search`] for several queries, which together take less time than one by one. Answers come in the
    /// queries' order; `took_ms` is that of the whole batch.
    ///
    /// # Errors
    /// As [`Collection::search`]; one bad query fails the batch.
    pub fn search_batch(&self, queries: &[Query]) -> Result<Vec<Answer>> {
        let started = Instant::now();
        let core = &self.core;
        core.backend.searched(started);
        queries.iter().try_for_each(Query::validate)?;
        let targets = core.targets(queries)?;
        let mut answers = core.backend.search(&targets)?;
        for (query, answer) in queries.iter().zip(&mut answers) {
            core.rerank(query, answer)?;
        }
        let took = started.elapsed();
        core.backend.searched(started + took);
        let took_ms = took.as_secs_f64() * 1e3;
        answers
            .iter_mut()
            .for_each(|answer| answer.took_ms = took_ms);
        Ok(answers)
    }
}

impl Core {
    fn targets<'a>(&self, queries: &'a [Query]) -> Result<Vec<Target<'a>>> {
        let mut embedded = self.embed_queries(queries)?.into_iter();
        let mut targets = Vec::with_capacity(queries.len());
        for (number, query) in queries.iter().enumerate() {
            let (mut truncated, mut own) = (false, 0);
            let vectors = match (&query.text, &query.vector, &query.like) {
                (Some(_), ..) => {
                    let (vector, cut) = embedded.next().unwrap_or_default();
                    truncated = cut;
                    vector
                }
                (None, Some(vector), _) => {
                    check_vector(&self.locked, vector, || match queries {
                        [_] => "vector".to_owned(),
                        _ => format!("the vector of query {}", number + 1),
                    })?;
                    vector.clone()
                }
                (None, None, Some(key)) => {
                    let (vectors, passages) = self.backend.vectors_of(key)?;
                    own = passages;
                    vectors
                }
                (None, None, None) => Vec::new(),
            };
            targets.push(Target {
                query,
                vectors,
                truncated,
                own,
            });
        }
        Ok(targets)
    }

    /// The vectors of the queries' texts, and whether the model read only the beginning of each.
    fn embed_queries(&self, queries: &[Query]) -> Result<Vec<(Vec<f32>, bool)>> {
        let texts: Vec<&str> = queries
            .iter()
            .filter_map(|query| query.text.as_deref())
            .collect();
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        texts.iter().try_for_each(|text| check_query_text(text))?;
        let embedded = self.model()?.embed(&texts, Purpose::Query)?;
        let rows = embedded.rows().map(<[f32]>::to_vec);
        Ok(rows.zip(embedded.truncated().iter().copied()).collect())
    }
}

fn check_query_text(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        let expected = "some words to search for";
        return Err(Error::invalid("text", "an empty text", expected));
    }
    if text.len() > MAX_TEXT_BYTES {
        let given = format!("{} bytes", text.len());
        let expected = format!("at most {MAX_TEXT_BYTES} bytes");
        return Err(Error::invalid("text", given, expected));
    }
    Ok(())
}
