//! What a search looks for: a query with the vectors that it stands for.

use engine::{Hit, Metric};
use storage::Key;

use crate::query::Query;

/// A query with its vectors: several where it starts from a document with passages, and what is near any of them is near.
pub(crate) struct Target<'a> {
    pub(crate) query: &'a Query,
    /// Row-major.
    pub(crate) vectors: Vec<f32>,
    /// Whether the model read only the beginning of the query's text.
    pub(crate) truncated: bool,
    /// Passages of the document that the query starts from, all of which are nearest.
    pub(crate) own: usize,
}

impl Target<'_> {
    /// Documents to find: one more when the query's own document will be among them.
    pub(crate) fn documents(&self) -> usize {
        self.query.candidates() + usize::from(self.query.like.is_some())
    }

    /// Keeps the hits within the radius, closest first as before; second: whether some were farther away.
    pub(crate) fn within(&self, mut hits: Vec<Hit>, metric: Metric) -> (Vec<Hit>, bool) {
        let Some(radius) = self.query.radius else {
            return (hits, false);
        };
        let found = hits.len();
        let is_within = |hit: &Hit| metric.score(hit.distance) >= metric.score(radius);
        hits.truncate(hits.partition_point(is_within));
        let cut = hits.len() < found;
        (hits, cut)
    }

    /// Whether this is the key of the query's own document, which it must not find, in any version.
    pub(crate) fn is_itself(&self, key: &Key) -> bool {
        self.query.like.as_ref() == Some(key)
    }
}
