//! The interface of embedders: texts go in by [`Embed::submit`], rows come out of [`Pending::wait`].
//!
//! Invariant: [`Embeddings`] holds `rows * dimension` values and one `truncated` flag per row. Nothing here knows of models,
//! threads or files.

use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::identity::Identity;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How often a waiting thread checks whether its [`Caller`] left.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// What a text is for, which decides its prompt and its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Somebody waits for it: query prefix, ahead of every queued document.
    Query,
    /// Bulk: document prefix, whenever no query waits, and along with queries in at least every fifth batch.
    Document,
}

/// Text in, vectors out.
pub trait Embed: Send + Sync {
    /// What the vectors depend on; vectors of different identities must not be mixed.
    fn identity(&self) -> &Identity;

    /// How many tokens of a document the model reads, special tokens and prompt not counted; longer ones are truncated.
    fn room(&self) -> usize;

    /// The byte offset of each token of `text`, ascending; special tokens and prompt left out.
    ///
    /// # Errors
    /// [`Error::Tokenize`].
    fn tokens(&self, text: &str) -> Result<Vec<usize>>;

    /// Queues `texts`; [`Pending`] returns the rows in their order. Empty texts are allowed.
    ///
    /// Tokenizes on the calling thread. While the queue is full, documents block (back-pressure) and queries are refused. The
    /// texts belong to [`Caller::current`] and are withdrawn when it leaves.
    ///
    /// # Errors
    /// [`Error::Overloaded`] when the queue of queries is full, [`Error::Text`] when a text cannot be tokenized,
    /// [`Error::Closed`] when no session is left, [`Error::Withdrawn`] when the caller has left.
    fn submit(&self, texts: Vec<String>, purpose: Purpose) -> Result<Pending>;

    /// Embeds `texts` and waits for the rows.
    ///
    /// # Errors
    /// Those of [`Embed::submit`] and [`Pending::wait`].
    fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Embeddings> {
        let texts = texts.iter().map(|&text| text.to_owned()).collect();
        self.submit(texts, purpose)?.wait()
    }
}

/// Vectors in one row-major block, `len()` rows of `dimension()` values.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    dimension: usize,
    data: Vec<f32>,
    truncated: Vec<bool>,
    tokens: usize,
}

impl Embeddings {
    /// Rows of `dimension` values in `data`, with a flag per row in `truncated`: whether the text was longer than the model
    /// reads, so that the vector stands for its beginning only.
    ///
    /// # Errors
    /// [`Error::Ragged`] unless `data` holds `truncated.len() * dimension` values.
    pub fn new(dimension: usize, data: Vec<f32>, truncated: Vec<bool>) -> Result<Self> {
        let rows = truncated.len();
        if rows.checked_mul(dimension) != Some(data.len()) {
            return Err(Error::Ragged {
                values: data.len(),
                rows,
                dimension,
            });
        }
        Ok(Self {
            dimension,
            data,
            truncated,
            tokens: 0,
        })
    }

    /// Sets how many tokens the model read for all rows together.
    #[must_use]
    pub fn with_tokens(mut self, tokens: usize) -> Self {
        self.tokens = tokens;
        self
    }

    /// Tokens that the model read for all rows together, prompts and special tokens included, padding not.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Components per row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.truncated.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.truncated.is_empty()
    }

    /// Row `index`, from 0.
    ///
    /// # Panics
    /// If `index` is out of range.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f32] {
        &self.data[index * self.dimension..(index + 1) * self.dimension]
    }

    /// The rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        (0..self.len()).map(|index| self.row(index))
    }

    /// All values, row after row.
    #[must_use]
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// All values, row after row, without a copy.
    #[must_use]
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// Per row, whether the text was truncated to the model's maximum length.
    #[must_use]
    pub fn truncated(&self) -> &[bool] {
        &self.truncated
    }
}

/// One row of a submission, as a worker answers it.
pub(crate) type Answer = (usize, Result<Vec<f32>, Arc<Error>>);

/// The pending rows of a submission. Dropping it withdraws the texts that are still queued.
#[derive(Debug)]
#[must_use = "dropping it withdraws the texts"]
pub struct Pending(State);

#[derive(Debug)]
enum State {
    Ready(Embeddings),
    Waiting(Waiting),
}

#[derive(Debug)]
struct Waiting {
    dimension: usize,
    truncated: Vec<bool>,
    tokens: usize,
    answers: Receiver<Answer>,
    /// Queued texts hold a weak reference; once it is dead, nobody waits for them.
    _pending: Arc<()>,
    caller: Caller,
}

impl Pending {
    /// Rows that are ready, for embedders without a queue.
    pub fn ready(embeddings: Embeddings) -> Self {
        Self(State::Ready(embeddings))
    }

    pub(crate) fn waiting(
        dimension: usize,
        truncated: Vec<bool>,
        answers: Receiver<Answer>,
        pending: Arc<()>,
    ) -> Self {
        Self(State::Waiting(Waiting {
            dimension,
            truncated,
            tokens: 0,
            answers,
            _pending: pending,
            caller: Caller::current(),
        }))
    }

    /// Sets how many tokens the texts have together.
    pub(crate) fn with_tokens(mut self, tokens: usize) -> Self {
        if let State::Waiting(waiting) = &mut self.0 {
            waiting.tokens = tokens;
        }
        self
    }

    /// Waits for all rows.
    ///
    /// # Errors
    /// [`Error::Text`] for the first text that failed, [`Error::Closed`] when the embedder was dropped meanwhile,
    /// [`Error::Withdrawn`] when the caller left.
    pub fn wait(self) -> Result<Embeddings> {
        match self.0 {
            State::Ready(embeddings) => Ok(embeddings),
            State::Waiting(waiting) => waiting.collect(),
        }
    }
}

impl Waiting {
    fn collect(self) -> Result<Embeddings> {
        let rows = self.truncated.len();
        let mut data = vec![0.0; rows * self.dimension];
        for _ in 0..rows {
            let (index, answer) = self.next()?;
            let row = answer.map_err(|source| Error::Text { index, source })?;
            data[index * self.dimension..(index + 1) * self.dimension].copy_from_slice(&row);
        }
        let embeddings = Embeddings::new(self.dimension, data, self.truncated)?;
        Ok(embeddings.with_tokens(self.tokens))
    }

    /// The next answer; an error once the caller left, which also closes the channel of withdrawn texts.
    fn next(&self) -> Result<Answer> {
        loop {
            match self.answers.recv_timeout(LOOK) {
                Ok(answer) => return Ok(answer),
                Err(_) if self.caller.has_left() => return Err(Error::Withdrawn),
                Err(RecvTimeoutError::Disconnected) => return Err(Error::Closed),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn rows_are_put_in_the_order_of_the_texts() {
        let (send, receive) = channel();
        send.send((1, Ok(vec![3.0, 4.0]))).unwrap();
        send.send((0, Ok(vec![1.0, 2.0]))).unwrap();
        let pending = Pending::waiting(2, vec![false, true], receive, Arc::new(()));
        let embeddings = pending.wait().unwrap();
        assert_eq!(embeddings.data(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(
            embeddings.rows().collect::<Vec<_>>(),
            [[1.0, 2.0], [3.0, 4.0]]
        );
        assert_eq!(embeddings.truncated(), [false, true]);
    }

    #[test]
    fn lost_workers_are_an_error_and_no_hang() {
        let (send, receive) = channel();
        send.send((0, Ok(vec![1.0]))).unwrap();
        drop(send);
        let error = Pending::waiting(1, vec![false; 2], receive, Arc::new(()))
            .wait()
            .unwrap_err();
        assert!(matches!(error, Error::Closed));
    }

    #[test]
    fn a_failed_text_is_named() {
        let (send, receive) = channel();
        send.send((
            7,
            Err(Arc::new(Error::NotFinite {
                component: 3,
                value: f32::NAN,
            })),
        ))
        .unwrap();
        let error = Pending::waiting(1, vec![false; 9], receive, Arc::new(()))
            .wait()
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "text 7 cannot be embedded: the model's vector for it holds NaN at component 3"
        );
    }

    #[test]
    fn a_block_that_is_no_matrix_is_refused() {
        let error = Embeddings::new(2, vec![0.0; 3], vec![false; 2]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "3 values do not make 2 rows of dimension 2"
        );
        assert!(Embeddings::new(3, vec![], vec![]).unwrap().is_empty());
    }
}
