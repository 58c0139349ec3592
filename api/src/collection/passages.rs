//! Collections that cut long texts into passages: what has a vector there, and how passages and documents lead to each other.
//!
//! A document's passages have ids of their own, of the same ascending sequence as documents, and the last of them is the
//! document's. Where a collection does not cut, an id is a document's, and nothing here asks the store for anything more. Who
//! cuts is the embedder, and who finds passages `search`.

use std::{collections::HashSet, ops::Range};

use embedder::{Chunk, MIN_PASSAGE_TOKENS};
use engine::Hit;
use serde::{Deserialize, Serialize};
use storage::{Reader, Record};

use crate::{Error, Result, collection::Core};

/// The most passages of a document that a search for what is like it starts from.
const MOST_ORIGINS: usize = 32;

/// Words of a document that a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Where it begins in the document's text, in bytes.
    pub start: usize,
    /// The byte behind it.
    pub end: usize,
    /// The words themselves.
    pub text: String,
}

impl Passage {
    fn of(record: &Record, place: &storage::Passage) -> Self {
        Self {
            start: place.start,
            end: place.end,
            text: words(record.text.as_deref(), place).to_owned(),
        }
    }
}

/// The words of a passage; none where they are not in the text, as only in a damaged file.
fn words<'t>(text: Option<&'t str>, place: &storage::Passage) -> &'t str {
    let words = text.and_then(|text| text.get(place.start..place.end));
    words.unwrap_or_default()
}

/// A document that a search found, and what of it.
pub(crate) struct Found {
    pub(crate) distance: f32,
    pub(crate) record: Record,
    pub(crate) passage: Option<Passage>,
}

/// Which bytes of a document's text have vectors, none where it is not cut, and the vectors, one behind the other.
pub(crate) type Parts = (Vec<Range<usize>>, Vec<f32>);

/// A text and its vector.
pub(crate) type Worded = (String, Vec<f32>);

/// Checks what can be checked without the model.
pub(crate) fn check_chunk(chunk: &Chunk) -> Result<()> {
    let Chunk {
        tokens, overlap, ..
    } = *chunk;
    if tokens < MIN_PASSAGE_TOKENS {
        let expected = format!("{MIN_PASSAGE_TOKENS} or more");
        return Err(Error::invalid("chunk.tokens", tokens, expected));
    }
    if overlap > tokens / 2 {
        let expected = format!("0 to {}, half of chunk.tokens", tokens / 2);
        return Err(Error::invalid("chunk.overlap", overlap, expected));
    }
    Ok(())
}

/// Checks that the model reads a passage to its end: `room` tokens.
pub(crate) fn check_room(chunk: &Chunk, model: &str, room: usize) -> Result<()> {
    if chunk.tokens <= room {
        return Ok(());
    }
    let expected = match room < MIN_PASSAGE_TOKENS {
        true => format!("no chunk with the model {model}, which reads {room} tokens of a text,"),
        false => format!("{MIN_PASSAGE_TOKENS} to {room}, as many as the model {model} reads,"),
    };
    Err(Error::invalid("chunk.tokens", chunk.tokens, expected))
}

impl Core {
    /// Whether texts are cut, so that documents have passages.
    pub(crate) fn has_passages(&self) -> bool {
        self.locked.config.chunk.is_some()
    }

    /// The passages of a text; none where texts are not cut.
    pub(crate) fn cut(&self, text: &str) -> Result<Vec<Range<usize>>> {
        match &self.locked.config.chunk {
            Some(chunk) => Ok(embedder::passages(self.model()?.as_ref(), text, chunk)?),
            None => Ok(Vec::new()),
        }
    }

    /// How many vectors there are.
    pub(crate) fn vector_count(&self, reader: &Reader<'_>) -> Result<u64> {
        match self.has_passages() {
            true => Ok(reader.passage_count()?),
            false => Ok(reader.count(None)?),
        }
    }

    /// The ids under which the vectors of these documents stand. Ascending, where those of the documents are.
    pub(crate) fn vector_ids(&self, reader: &Reader<'_>, documents: Vec<i64>) -> Result<Vec<i64>> {
        if !self.has_passages() {
            return Ok(documents);
        }
        let passages = reader.passages_of(&documents)?;
        Ok(passages.iter().map(|passage| passage.id).collect())
    }

    /// The vectors from which a search for what is like a document starts: those of its passages, of a great many some that are
    /// spread evenly; and how many passages there are.
    pub(crate) fn origins(
        &self,
        reader: &Reader<'_>,
        document: &Record,
    ) -> Result<(Vec<f32>, usize)> {
        let ids = self.vector_ids(reader, vec![document.id])?;
        let all = ids.len();
        let few: Vec<i64> = match ids.len() {
            count if count <= MOST_ORIGINS => ids,
            count => (0..MOST_ORIGINS)
                .map(|number| ids[number * count / MOST_ORIGINS])
                .collect(),
        };
        let vectors = reader.vectors(&few)?;
        Ok((vectors.into_iter().flatten().flatten().collect(), all))
    }

    /// The text and the vector that stand under each of these ids, those of passages among them.
    pub(crate) fn texts_of(&self, reader: &Reader<'_>, ids: &[i64]) -> Result<Vec<Option<Worded>>> {
        if !self.has_passages() {
            let both = |record: Record| Some((record.text?, record.vector?));
            let records = reader.records(ids, true)?;
            return Ok(records
                .into_iter()
                .map(|record| record.and_then(both))
                .collect());
        }
        // One document's passages mostly come one behind the other, and its text may be long.
        let mut last: Option<Record> = None;
        let mut texts = Vec::with_capacity(ids.len());
        for (place, vector) in reader.passages(ids)?.into_iter().zip(reader.vectors(ids)?) {
            let Some((place, vector)) = place.zip(vector) else {
                texts.push(None);
                continue;
            };
            if last
                .as_ref()
                .is_none_or(|record| record.id != place.document)
            {
                last = reader.records(&[place.document], false)?.pop().flatten();
            }
            let text = last.as_ref().and_then(|record| record.text.as_deref());
            texts.push(Some((words(text, &place).to_owned(), vector)));
        }
        Ok(texts)
    }

    /// The vector of each of these documents; of one with passages, what they have in common: the mean of theirs, scaled to length
    /// 1 where only the direction counts.
    pub(crate) fn document_vectors(
        &self,
        reader: &Reader<'_>,
        documents: &[i64],
        spherical: bool,
    ) -> Result<Vec<Option<Vec<f32>>>> {
        if !self.has_passages() {
            return Ok(reader.vectors(documents)?);
        }
        let mean = |document: &i64| {
            let ids = self.vector_ids(reader, vec![*document])?;
            Ok(mean(reader.vectors(&ids)?.into_iter().flatten(), spherical))
        };
        documents.iter().map(mean).collect()
    }

    /// The documents behind hits, nearest first, each once, with the nearest of its passages; what is no longer alive drops out.
    /// With passages, `most` documents are enough.
    pub(crate) fn found(
        &self,
        reader: &Reader<'_>,
        hits: &[Hit],
        most: usize,
        with_vectors: bool,
    ) -> Result<Vec<Found>> {
        let ids: Vec<i64> = hits.iter().map(|hit| hit.id).collect();
        if self.has_passages() {
            return nearest_passages(reader, &ids, hits, most, with_vectors);
        }
        let records = reader.records(&ids, with_vectors)?;
        let found = |(hit, record): (&Hit, Option<Record>)| {
            Some(Found {
                distance: hit.distance,
                record: record?,
                passage: None,
            })
        };
        Ok(hits.iter().zip(records).filter_map(found).collect())
    }
}

/// Where the passages of a document lie, and their vectors.
pub(crate) fn passages_of(reader: &Reader<'_>, document: i64) -> Result<Parts> {
    let passages = reader.passages_of(&[document])?;
    let ids: Vec<i64> = passages.iter().map(|passage| passage.id).collect();
    let vectors = reader.vectors(&ids)?.into_iter().flatten();
    Ok((
        passages
            .iter()
            .map(|place| place.start..place.end)
            .collect(),
        vectors.flatten().collect(),
    ))
}

fn nearest_passages(
    reader: &Reader<'_>,
    ids: &[i64],
    hits: &[Hit],
    most: usize,
    with_vectors: bool,
) -> Result<Vec<Found>> {
    let mut seen = HashSet::new();
    let places = hits.iter().zip(reader.passages(ids)?);
    let places: Vec<(f32, storage::Passage)> = places
        .filter_map(|(hit, place)| Some((hit.distance, place?)))
        .filter(|(_, place)| seen.insert(place.document))
        .take(most)
        .collect();
    let documents: Vec<i64> = places.iter().map(|(_, place)| place.document).collect();
    let mut found = Vec::with_capacity(places.len());
    for ((distance, place), record) in places.iter().zip(reader.records(&documents, false)?) {
        let Some(mut record) = record else { continue };
        if with_vectors {
            record.vector = reader.vectors(&[place.id])?.pop().flatten();
        }
        found.push(Found {
            distance: *distance,
            passage: Some(Passage::of(&record, place)),
            record,
        });
    }
    Ok(found)
}

/// None of no vectors.
fn mean(vectors: impl Iterator<Item = Vec<f32>>, spherical: bool) -> Option<Vec<f32>> {
    let mut count = 0.0_f32;
    let sum = vectors.reduce(|mut sum, vector| {
        sum.iter_mut()
            .zip(vector)
            .for_each(|(sum, value)| *sum += value);
        count += 1.0;
        sum
    });
    let mut mean = sum?;
    let length = mean.iter().map(|value| value * value).sum::<f32>().sqrt();
    let by = if spherical && length > 0.0 {
        length
    } else {
        count + 1.0
    };
    mean.iter_mut().for_each(|value| *value /= by);
    Some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_of_all_and_has_length_1_where_only_the_direction_counts() {
        let vectors = || [vec![3.0, 0.0], vec![3.0, 12.0], vec![3.0, 0.0]].into_iter();
        assert_eq!(mean(vectors(), false), Some(vec![3.0, 4.0]));
        assert_eq!(mean(vectors(), true), Some(vec![0.6, 0.8]));
        assert_eq!(mean([vec![0.0; 2]].into_iter(), true), Some(vec![0.0; 2]));
        assert_eq!(mean(std::iter::empty(), false), None);
    }
}
