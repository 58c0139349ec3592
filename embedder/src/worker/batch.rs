//! Plans which of the queued texts the model takes next. Pure: no threads, no clocks, no model.
//!
//! Two lanes. A query batch is built around the oldest query, with those nearest to it in length. Documents are taken a
//! *generation* at a time: everything queued is sorted by length and cut into batches, and later arrivals wait for the next
//! generation, so that none starves. The rule between the two: **while a query waits, the next batch has the oldest
//! query in it**, so that a query waits for batches already running and for queries before it, never for documents that have
//! not started. Documents have batches of their own while no query waits; after four batches of queries in a row, the next
//! one takes documents along, the shortest first. (Where a batch is one text by its [`Size`], a document goes instead.)
//!
//! A batch costs rows x longest text, its *padded tokens*. Invariant: a batch of several texts never exceeds the budget, nor
//! the largest number of texts; a longer text goes alone, or as the one document that a single query takes along. When less
//! waits than fills every worker's budget, it is shared out evenly.

use crate::Purpose;
use std::cmp::Reverse;
use std::collections::VecDeque;

/// How many of the oldest queries are considered for one batch.
const QUERY_WINDOW: usize = 256;

/// Batches of queries in a row while documents wait.
const QUERY_BATCHES: usize = 4;

/// How large a batch may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Padded tokens of a batch of several texts.
    pub(crate) tokens: usize,
    /// Texts; at least 1.
    pub(crate) texts: usize,
}

impl Size {
    fn holds(self, texts: usize, longest: usize) -> bool {
        texts <= self.texts && texts * longest <= self.tokens
    }

    fn half(self) -> Self {
        Self {
            tokens: self.tokens / 2,
            texts: self.texts / 2,
        }
    }
}

/// A queued text: its token count, and whatever the queue's owner keeps with it.
#[derive(Debug)]
struct Waiting<T> {
    tokens: usize,
    value: T,
}

/// The queued texts.
#[derive(Debug)]
pub(crate) struct Planner<T> {
    size: Size,
    queries: VecDeque<Waiting<T>>,
    documents: Vec<Waiting<T>>,
    /// The rest of the current generation; the next batch is the last one.
    generation: Vec<Vec<Waiting<T>>>,
    /// Batches of queries since the last one that had documents.
    query_batches: usize,
}

impl<T> Planner<T> {
    /// A planner of batches of at most `size`.
    pub(crate) fn new(size: Size) -> Self {
        Self {
            size,
            queries: VecDeque::new(),
            documents: Vec::new(),
            generation: Vec::new(),
            query_batches: 0,
        }
    }

    /// Sets how many padded tokens later batches may hold.
    pub(crate) fn set_tokens(&mut self, tokens: usize) {
        self.size.tokens = tokens;
    }

    /// Whether the queue fills a batch.
    pub(crate) fn has_a_full_batch(&self) -> bool {
        let documents = self
            .documents
            .iter()
            .chain(self.generation.iter().flatten());
        let all = self.queries.iter().chain(documents);
        let (texts, tokens) = all.fold((0, 0), |(texts, tokens), waiting| {
            (texts + 1, tokens + waiting.tokens)
        });
        texts >= self.size.texts || tokens >= self.size.tokens
    }

    /// Adds a text of `tokens` tokens to the end of its lane.
    pub(crate) fn push(&mut self, purpose: Purpose, tokens: usize, value: T) {
        let waiting = Waiting { tokens, value };
        match purpose {
            Purpose::Query => self.queries.push_back(waiting),
            Purpose::Document => self.documents.push(waiting),
        }
    }

    /// How many texts wait in a lane.
    pub(crate) fn len(&self, purpose: Purpose) -> usize {
        match purpose {
            Purpose::Query => self.queries.len(),
            Purpose::Document => {
                self.documents.len() + self.generation.iter().map(Vec::len).sum::<usize>()
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queries.is_empty() && self.documents.is_empty() && self.generation.is_empty()
    }

    /// Drops the texts that are not to be kept.
    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.queries.retain(|waiting| keep(&waiting.value));
        self.documents.retain(|waiting| keep(&waiting.value));
        self.generation
            .iter_mut()
            .for_each(|batch| batch.retain(|waiting| keep(&waiting.value)));
        self.generation.retain(|batch| !batch.is_empty());
    }

    /// Empties the queue, in no particular order.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        let queries = self.queries.drain(..);
        let documents = self
            .documents
            .drain(..)
            .chain(self.generation.drain(..).flatten());
        queries
            .chain(documents)
            .map(|waiting| waiting.value)
            .collect()
    }

    /// Like [`next`](Self::next), of queries only.
    pub(crate) fn next_of_queries(&mut self, workers: usize) -> Option<Vec<T>> {
        let batch = (!self.queries.is_empty()).then(|| self.next_queries(workers))?;
        Some(batch.into_iter().map(|waiting| waiting.value).collect())
    }

    /// The next batch for one of `workers` workers; `None` when the queue is empty.
    pub(crate) fn next(&mut self, workers: usize) -> Option<Vec<T>> {
        let documents_wait = !self.documents.is_empty() || !self.generation.is_empty();
        let batch = match (self.queries.is_empty(), documents_wait) {
            (true, false) => return None,
            (false, false) => self.next_queries(workers),
            (false, true) if self.query_batches < QUERY_BATCHES => {
                self.query_batches += 1;
                self.next_queries(workers)
            }
            (no_query, true) => {
                self.query_batches = 0;
                if no_query || self.size.texts == 1 {
                    self.next_documents(workers)
                } else {
                    self.next_of_both(workers)
                }
            }
        };
        Some(batch.into_iter().map(|waiting| waiting.value).collect())
    }

    fn next_documents(&mut self, workers: usize) -> Vec<Waiting<T>> {
        self.begin_generation(workers);
        self.generation.pop().unwrap_or_default()
    }

    /// Starts the next generation once the current one is used up.
    fn begin_generation(&mut self, workers: usize) {
        if self.generation.is_empty() {
            let size = share(
                self.size,
                self.documents.iter().map(|waiting| waiting.tokens),
                workers,
            );
            self.generation = cut(std::mem::take(&mut self.documents), size);
        }
    }

    fn next_queries(&mut self, workers: usize) -> Vec<Waiting<T>> {
        let size = share(
            self.size,
            self.queries.iter().map(|waiting| waiting.tokens),
            workers,
        );
        self.take_queries(size, &[])
    }

    /// The oldest query and others in up to half of a batch, documents in the rest; at least one of each.
    fn next_of_both(&mut self, workers: usize) -> Vec<Waiting<T>> {
        self.begin_generation(workers);
        // The batch of the shortest documents, of which the first is the longest.
        let mut documents = self.generation.remove(0).into_iter();
        let mut taken: Vec<_> = documents.by_ref().take(1).collect();
        let lengths: Vec<usize> = taken.iter().map(|first| first.tokens).collect();
        let mut batch = self.take_queries(self.size.half(), &lengths);
        let longest = batch.iter().chain(&taken).map(|text| text.tokens).max();
        let fits = |texts| self.size.holds(texts, longest.unwrap_or(0));
        while fits(batch.len() + taken.len() + 1)
            && let Some(next) = documents.next()
        {
            taken.push(next);
        }
        let rest: Vec<_> = documents.collect();
        if !rest.is_empty() {
            self.generation.insert(0, rest);
        }
        batch.extend(taken);
        batch
    }

    /// Takes the oldest query and those nearest to it in length, as many as fit a batch that has texts of the lengths `beside`.
    fn take_queries(&mut self, size: Size, beside: &[usize]) -> Vec<Waiting<T>> {
        let window = self.queries.len().min(QUERY_WINDOW);
        let lengths: Vec<usize> = self
            .queries
            .range(..window)
            .map(|waiting| waiting.tokens)
            .collect();
        let mut chosen = nearest_to_first(&lengths, size, beside);
        chosen.sort_unstable_by_key(|&index| Reverse(index));
        let mut batch: Vec<_> = chosen
            .into_iter()
            .filter_map(|index| self.queries.remove(index))
            .collect();
        batch.reverse();
        batch
    }
}

/// The size of one batch: `size`, or with several workers an even share of what waits where that is less.
fn share(size: Size, lengths: impl Iterator<Item = usize>, workers: usize) -> Size {
    match workers {
        0 | 1 => size,
        _ => Size {
            tokens: size.tokens.min(lengths.sum::<usize>().div_ceil(workers)),
            ..size
        },
    }
}

/// Sorts by length and cuts into batches; the longest texts come last, as they are taken from the end.
fn cut<T>(mut texts: Vec<Waiting<T>>, size: Size) -> Vec<Vec<Waiting<T>>> {
    texts.sort_by_key(|waiting| Reverse(waiting.tokens));
    let mut batches: Vec<Vec<Waiting<T>>> = Vec::new();
    for text in texts {
        match batches.last_mut() {
            Some(batch) if size.holds(batch.len() + 1, batch[0].tokens) => batch.push(text),
            _ => batches.push(vec![text]),
        }
    }
    batches.reverse();
    batches
}

/// The first text and as many others as fit with it and texts of the lengths `beside`, those of similar length first.
fn nearest_to_first(lengths: &[usize], size: Size, beside: &[usize]) -> Vec<usize> {
    let Some(&first) = lengths.first() else {
        return Vec::new();
    };
    let mut others: Vec<usize> = (1..lengths.len()).collect();
    others.sort_by_key(|&index| lengths[index].abs_diff(first));
    let mut chosen = vec![0];
    let mut longest = beside.iter().copied().fold(first, usize::max);
    for index in others {
        let width = longest.max(lengths[index]);
        if !size.holds(chosen.len() + beside.len() + 1, width) {
            break;
        }
        longest = width;
        chosen.push(index);
    }
    chosen
}

#[cfg(test)]
mod tests;
