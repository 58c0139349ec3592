//! What is alive in a collection, kept apart from it: the writes, and the brute force over what they leave.

use std::collections::BTreeMap;

use vinedb::{Collection, Document, Key, Query};
use vinedb_tests::{
    measure::Failure,
    sets::{Words, most_similar, recall},
};

use crate::{BATCH, document, number};

/// What a stage showed.
pub(crate) struct Churned {
    pub(crate) recall: f64,
    /// Live vectors that do not come first when they are searched for.
    pub(crate) lost: usize,
    /// Answers under a key that is not alive.
    pub(crate) ghosts: usize,
}

/// The vector of each key that is alive.
pub(crate) struct Live<'a> {
    words: &'a Words,
    /// Where in `words` each key's vector stands.
    rows: BTreeMap<i64, usize>,
    /// The first vector that no key has had.
    unused: usize,
}

impl<'a> Live<'a> {
    pub(crate) fn new(words: &'a Words, vectors: usize) -> Self {
        Self {
            words,
            rows: (0..).zip(0..vectors).collect(),
            unused: vectors,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn dimension(&self) -> usize {
        self.words.dimension
    }

    pub(crate) fn documents(&self) -> impl Iterator<Item = Document> {
        self.rows
            .iter()
            .map(|(&key, &row)| document(key, self.word(row)))
    }

    /// Deletes 30 % of the documents and gives 30 % other vectors, in the collection and here.
    pub(crate) fn churn(&mut self, collection: &Collection) -> Result<(), Failure> {
        let share = self.len() * 3 / 10;
        let shuffled = shuffled(self.rows.keys().copied().collect());
        let (deleted, rest) = shuffled.split_at(share);
        for batch in deleted.chunks(BATCH) {
            let keys: Vec<Key> = batch.iter().copied().map(Key::Integer).collect();
            collection.delete(&keys)?;
            for key in batch {
                self.rows.remove(key);
            }
        }
        for batch in rest[..share].chunks(BATCH) {
            let mut documents: Vec<Document> = Vec::new();
            for &key in batch {
                documents.push(document(key, self.word(self.unused)));
                self.rows.insert(key, self.unused);
                self.unused += 1;
            }
            collection.upsert(documents)?;
        }
        Ok(())
    }

    fn word(&self, row: usize) -> &'a [f32] {
        &self.words.base[row * self.words.dimension..(row + 1) * self.words.dimension]
    }

    /// Searches for the queries, then for every live vector.
    pub(crate) fn examine(
        &self,
        collection: &Collection,
        queries: &[Query],
        words: &Words,
        query: impl Fn(&[f32]) -> Query,
    ) -> Result<Churned, Failure> {
        let keys: Vec<i64> = self.rows.keys().copied().collect();
        let vectors: Vec<f32> = self
            .rows
            .values()
            .flat_map(|&row| self.word(row))
            .copied()
            .collect();
        let truth = most_similar(&vectors, &words.queries, words.dimension);
        let (mut found, mut ghosts) = (Vec::new(), 0);
        let found_rows = search(collection, queries)?.into_iter().map(|found| {
            let rows = found.iter().map(|key| keys.binary_search(key));
            ghosts += rows.clone().filter(Result::is_err).count();
            rows.flatten().collect()
        });
        found.extend(found_rows);
        let mut lost = 0;
        let themselves: Vec<Query> = vectors.chunks_exact(words.dimension).map(query).collect();
        for (found, key) in search(collection, &themselves)?.iter().zip(&keys) {
            lost += usize::from(found.first() != Some(key));
            ghosts += found
                .iter()
                .filter(|key| !self.rows.contains_key(key))
                .count();
        }
        Ok(Churned {
            recall: recall(&truth, &found),
            lost,
            ghosts,
        })
    }
}

/// The keys that each query finds, closest first.
fn search(collection: &Collection, queries: &[Query]) -> Result<Vec<Vec<i64>>, Failure> {
    let mut all = Vec::new();
    for batch in queries.chunks(256) {
        for answer in collection.search_batch(batch)? {
            all.push(
                answer
                    .matches
                    .iter()
                    .map(|found| number(&found.key))
                    .collect(),
            );
        }
    }
    Ok(all)
}

/// Fisher and Yates's shuffle, the same in every run; the numbers are those of splitmix64.
fn shuffled(mut keys: Vec<i64>) -> Vec<i64> {
    let mut state = 42_u64;
    for last in (1..keys.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = last as u64 + 1;
        let place = usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap_or(0);
        keys.swap(last, place);
    }
    keys
}
