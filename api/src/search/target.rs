//! What a search looks for: a query with the vectors that it stands for.

use embedder::Purpose;
use engine::{Hit, Kind, Metric, SearchParams};
use storage::{Key, Record};

use crate::{
    Error, Query, Result,
    collection::Core,
    document::MAX_TEXT_BYTES,
    space::view::{View, merge},
    write::check_vector,
};

/// Hits to ask for first for each document wanted, where documents have passages: often several of one are near.
const PASSAGES_FIRST: usize = 4;

/// A query with its vectors: several where it starts from a document with passages, and what is near any of them is near.
pub(super) struct Target<'a> {
    pub(super) query: &'a Query,
    pub(super) vectors: Vec<f32>,
    /// Whether the vector is of the beginning of the query's text alone.
    pub(super) truncated: bool,
    /// Hits to ask for, for each document wanted.
    hits_each: usize,
    /// Passages of the document that the query starts from, all of which are nearest.
    own: usize,
}

impl Target<'_> {
    /// Documents to find: one more when the one that the query starts from will be among them.
    pub(super) fn documents(&self) -> usize {
        self.query.candidates() + usize::from(self.query.like.is_some())
    }

    /// Hits to ask for.
    pub(super) fn wanted(&self) -> usize {
        self.documents() * self.hits_each + self.own
    }

    /// What is nearest to any of the vectors: the `k` best of what `search` finds for each.
    pub(super) fn nearest(
        &self,
        view: &View,
        k: usize,
        mut search: impl FnMut(&[f32]) -> Result<Vec<Hit>>,
    ) -> Result<Vec<Hit>> {
        let mut best = Vec::new();
        for vector in self.vectors.chunks_exact(view.dimension) {
            match best.is_empty() {
                true => best = search(vector)?,
                false => merge(&mut best, search(vector)?, view.metric, k),
            }
        }
        Ok(best)
    }

    /// Whether everything is to be compared: on request, or because "all within a radius" means all, where the index can
    /// tell and nothing less was asked for.
    pub(super) fn is_exact(&self, view: &View) -> bool {
        let all = self.query.radius.is_some()
            && self.query.params == SearchParams::DEFAULT
            && view.kind().is_none_or(Kind::is_lossless);
        self.query.params.exact || all
    }

    /// Leaves the hits within the radius, closest first as before; second: whether some were farther away.
    pub(super) fn within(&self, mut hits: Vec<Hit>, metric: Metric) -> (Vec<Hit>, bool) {
        let Some(radius) = self.query.radius else {
            return (hits, false);
        };
        let found = hits.len();
        let is_within = |hit: &Hit| metric.score(hit.distance) >= metric.score(radius);
        hits.truncate(hits.partition_point(is_within));
        let cut = hits.len() < found;
        (hits, cut)
    }

    /// Whether this is the document that the query starts from, which it must not find, in whichever version.
    pub(super) fn is_itself(&self, record: &Record) -> bool {
        self.query.like.as_ref() == Some(&record.key)
    }
}

impl Core {
    pub(super) fn targets<'a>(&self, queries: &'a [Query]) -> Result<Vec<Target<'a>>> {
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
                    check_vector(self, vector, || match queries {
                        [_] => "vector".to_owned(),
                        _ => format!("the vector of query {}", number + 1),
                    })?;
                    vector.clone()
                }
                (None, None, Some(key)) => {
                    let (vectors, passages) = self.stored_vectors(key)?;
                    own = passages;
                    vectors
                }
                (None, None, None) => Vec::new(),
            };
            let hits_each = if self.has_passages() {
                PASSAGES_FIRST
            } else {
                1
            };
            targets.push(Target {
                query,
                vectors,
                truncated,
                hits_each,
                own,
            });
        }
        Ok(targets)
    }

    /// The vectors of the queries' texts, and whether the model took only the beginning of each.
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

    /// The vectors that a document has, or some of them, and how many passages.
    fn stored_vectors(&self, key: &Key) -> Result<(Vec<f32>, usize)> {
        let reader = self.read()?;
        let record = reader.get(std::slice::from_ref(key), !self.has_passages())?;
        let record = record.into_iter().flatten().next();
        let record = record.ok_or_else(|| Error::UnknownKey { key: key.clone() })?;
        match record.vector {
            Some(vector) => Ok((vector, 0)),
            None => self.origins(&reader, &record),
        }
    }
}

fn check_query_text(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid(
            "text",
            "an empty text",
            "some words to search for",
        ));
    }
    if text.len() > MAX_TEXT_BYTES {
        return Err(Error::invalid(
            "text",
            format!("{} bytes", text.len()),
            format!("at most {MAX_TEXT_BYTES} bytes"),
        ));
    }
    Ok(())
}
