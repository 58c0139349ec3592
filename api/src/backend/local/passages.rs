//! Collections that cut long texts into passages: what has a vector there, and how passages and documents lead to each other.
//!
//! A document's passages have ids of their own, from the same ascending sequence as documents, and the last of them is the
//! document's. Where texts are not cut, an id is a document's, and nothing here costs the store another read. The embedder cuts
//! texts, and `search` finds passages.

use std::{collections::HashSet, ops::Range};

use engine::Hit;
use storage::{Key, Reader, Record};

use super::Local;
use crate::{
    answer::Passage,
    backend::batch::Worded,
    error::{Error, Result},
};

/// The most passages of a document that a search for similar documents starts from.
const MOST_ORIGINS: usize = 32;

/// The text of a passage; empty where the document has no such bytes, which happens only in a damaged file.
fn words<'t>(text: Option<&'t str>, place: &storage::Passage) -> &'t str {
    let words = text.and_then(|text| text.get(place.start..place.end));
    words.unwrap_or_default()
}

fn passage(record: &Record, place: &storage::Passage) -> Passage {
    Passage {
        start: place.start,
        end: place.end,
        text: words(record.text.as_deref(), place).to_owned(),
    }
}

/// A document that a search found, and the passage of it.
pub(crate) struct Found {
    pub(crate) distance: f32,
    pub(crate) record: Record,
    pub(crate) passage: Option<Passage>,
}

/// Which bytes of a document's text have vectors, none where it is not cut, and the row-major vectors.
pub(super) type Parts = (Vec<Range<usize>>, Vec<f32>);

impl Local {
    /// Whether texts are cut, so that documents have passages.
    pub(crate) fn has_passages(&self) -> bool {
        self.space.shape.passages
    }

    /// The ids under which the vectors of these documents stand. Ascending, where those of the documents are.
    pub(crate) fn vector_ids(&self, reader: &Reader<'_>, documents: Vec<i64>) -> Result<Vec<i64>> {
        if !self.has_passages() {
            return Ok(documents);
        }
        let passages = reader.passages_of(&documents)?;
        Ok(passages.iter().map(|passage| passage.id).collect())
    }

    pub(crate) fn vectors_of(&self, key: &Key) -> Result<(Vec<f32>, usize)> {
        let reader = self.read()?;
        let record = reader.get(std::slice::from_ref(key), !self.has_passages())?;
        let record = record.into_iter().flatten().next();
        let record = record.ok_or_else(|| Error::UnknownKey { key: key.clone() })?;
        match record.vector {
            Some(vector) => Ok((vector, 0)),
            None => self.origins(&reader, &record),
        }
    }

    /// The vectors of a document's passages, of a great many an evenly spread few; and how many passages there are.
    fn origins(&self, reader: &Reader<'_>, document: &Record) -> Result<(Vec<f32>, usize)> {
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
    pub(crate) fn texts_of(&self, ids: &[i64]) -> Result<Vec<Option<Worded>>> {
        let reader = self.read()?;
        if !self.has_passages() {
            let both = |record: Record| Some((record.text?, record.vector?));
            let records = reader.records(ids, true)?;
            return Ok(records
                .into_iter()
                .map(|record| record.and_then(both))
                .collect());
        }
        // Passages of one document are mostly adjacent, and its text may be long.
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

    /// The vector of each of these documents; of one with passages, the mean of theirs, scaled to length 1 where `spherical`.
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

    /// The documents behind hits, nearest first, each once, with the nearest of its passages; dead ids drop out. With passages,
    /// at most `most` documents.
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
pub(super) fn passages_of(reader: &Reader<'_>, document: i64) -> Result<Parts> {
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
            passage: Some(passage(&record, place)),
            record,
        });
    }
    Ok(found)
}

/// The mean of row vectors; `None` of none.
pub(super) fn mean(vectors: impl Iterator<Item = Vec<f32>>, spherical: bool) -> Option<Vec<f32>> {
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
