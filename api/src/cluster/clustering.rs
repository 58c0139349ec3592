//! A clustering that can be applied: the centroids of [`Clusters`], or of a saved clustering, with the collection whose model and
//! documents they are for.

use std::{fmt, ops::Range, sync::Arc};

use embedder::{Caller, Purpose};
use serde::{Deserialize, Serialize};
use storage::{Filter, Key};

use super::{Clusters, Labels};
use crate::{
    backend::local::centroids::Centroids,
    collection::Collection,
    document::{MAX_TEXT_BYTES, check_vector},
    error::{Error, Result},
};

/// The most points that are assigned in one call.
pub const MAX_POINTS: usize = 10_000;

/// A clustering of a collection, to assign texts and vectors to its clusters and to read the labels of all documents.
///
/// Cloning it is cheap. From [`Collection::clusters`] it is a saved one, as it was then: what is renamed or replaced later does not show.
#[derive(Clone)]
pub struct Clustering {
    collection: Collection,
    centroids: Arc<Centroids>,
    names: Arc<[Option<String>]>,
    /// Its internal id and its name, where it is saved.
    saved: Option<(i64, String)>,
}

/// What is assigned to a cluster. In JSON `{"text": "…"}`, `{"vector": […]}` or `{"key": "…"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "Given")]
#[non_exhaustive]
pub enum Point {
    /// A text, embedded as a document's is, and cut into passages where the collection does that.
    Text(String),
    /// A vector of the collection's dimension.
    Vector(Vec<f32>),
    /// The document of this key.
    Key(Key),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    text: Option<String>,
    vector: Option<Vec<f32>>,
    key: Option<Key>,
}

impl TryFrom<Given> for Point {
    type Error = &'static str;

    fn try_from(given: Given) -> Result<Self, Self::Error> {
        match (given.text, given.vector, given.key) {
            (Some(text), None, None) => Ok(Self::Text(text)),
            (None, Some(vector), None) => Ok(Self::Vector(vector)),
            (None, None, Some(key)) => Ok(Self::Key(key)),
            _ => Err("a point has exactly one of `text`, `vector` and `key`"),
        }
    }
}

impl From<&str> for Point {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Point {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<f32>> for Point {
    fn from(vector: Vec<f32>) -> Self {
        Self::Vector(vector)
    }
}

impl From<Key> for Point {
    fn from(key: Key) -> Self {
        Self::Key(key)
    }
}

/// The cluster that a point belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Assignment {
    /// The cluster's number, from 0.
    pub cluster: usize,
    /// Its name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The distance to its centroid: squared Euclidean, or the cosine when spherical.
    pub distance: f32,
    /// Whether the model read only the beginning of the text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl Collection {
    /// What [`Collection::cluster`] found, ready to be applied to this collection without being saved.
    ///
    /// # Errors
    /// Clusters of another dimension, or none.
    pub fn apply_clusters(&self, clusters: &Clusters) -> Result<Clustering> {
        let vectors = clusters.vectors(self.dimension())?;
        Ok(Clustering {
            collection: self.clone(),
            centroids: Arc::new(Centroids::new(
                &vectors,
                self.dimension(),
                clusters.spherical,
            )?),
            names: clusters
                .clusters
                .iter()
                .map(|one| one.name.clone())
                .collect(),
            saved: None,
        })
    }
}

impl Clustering {
    pub(super) fn saved(collection: &Collection, name: &str) -> Result<Self> {
        let reader = collection.core.read()?;
        let found = reader.clustering(name)?;
        let centroids = collection.core.local().centroids(&reader, &found)?;
        Ok(Self {
            collection: collection.clone(),
            centroids: Arc::new(centroids),
            names: found.clusters.into_iter().map(|one| one.name).collect(),
            saved: Some((found.id, found.name)),
        })
    }

    /// The name it is saved under.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.saved.as_ref().map(|(_, name)| name.as_str())
    }

    /// How many clusters there are.
    #[must_use]
    pub fn k(&self) -> usize {
        self.names.len()
    }

    /// The clusters' names, by their numbers.
    #[must_use]
    pub fn names(&self) -> &[Option<String>] {
        &self.names
    }

    /// The cluster that a text, a vector or a document belongs to: that of the nearest centroid. A text is embedded by the
    /// collection's model as the text of a document is, so a document with this text would have this label.
    ///
    /// # Errors
    /// As [`Clustering::assign_all`].
    pub fn assign(&self, point: impl Into<Point>) -> Result<Assignment> {
        let mut assigned = self.assign_all(&[point.into()])?;
        Ok(assigned.remove(0))
    }

    /// The clusters of several points, in their order. Texts are embedded together.
    ///
    /// # Errors
    /// A vector of another dimension or with NaN or infinity; an unknown key; an empty text, or a text in a collection without a
    /// model; more than [`MAX_POINTS`] points. Nothing is assigned then.
    pub fn assign_all(&self, points: &[Point]) -> Result<Vec<Assignment>> {
        if points.len() > MAX_POINTS {
            let expected = format!("at most {MAX_POINTS} points");
            return Err(Error::invalid("points", points.len(), expected));
        }
        let mut placed = self.placed_texts(points)?.into_iter();
        let (mut vectors, mut truncated) = (Vec::new(), Vec::with_capacity(points.len()));
        for (number, point) in points.iter().enumerate() {
            let (vector, cut) = match point {
                Point::Text(_) => placed.next().unwrap_or_default(),
                Point::Vector(vector) => {
                    check_vector(&self.collection.core.locked, vector, || match points {
                        [_] => "vector".to_owned(),
                        _ => format!("the vector of point {}", number + 1),
                    })?;
                    (vector.clone(), false)
                }
                Point::Key(key) => (self.vector_of(key)?, false),
            };
            vectors.extend(vector);
            truncated.push(cut);
        }
        let labels = self.centroids.labels(&vectors)?;
        let assigned = labels.into_iter().zip(truncated);
        Ok(assigned
            .map(|(label, truncated)| Assignment {
                cluster: label.cluster as usize,
                name: self.names[label.cluster as usize].clone(),
                distance: label.distance,
                truncated,
            })
            .collect())
    }

    /// The labels of all documents in the order in which they were written, read page by page: of a saved clustering as they are
    /// stored, otherwise assigned on the way. The documents are those there at the start, less what is deleted or replaced
    /// meanwhile.
    ///
    /// # Errors
    /// When the store cannot be read. While reading, also when the clustering was dropped or replaced.
    pub fn labels(&self) -> Result<Labels> {
        self.labels_matching(None)
    }

    /// As [`Clustering::labels`], of the documents that pass `filter`.
    ///
    /// # Errors
    /// As [`Clustering::labels`]; what is wrong with the filter.
    pub fn labels_matching(&self, filter: Option<&Filter>) -> Result<Labels> {
        Labels::new(self, filter)
    }

    pub(super) fn collection(&self) -> &Collection {
        &self.collection
    }

    pub(super) fn centroids(&self) -> &Centroids {
        &self.centroids
    }

    pub(super) fn id(&self) -> Option<i64> {
        self.saved.as_ref().map(|(id, _)| *id)
    }

    fn vector_of(&self, key: &Key) -> Result<Vec<f32>> {
        let local = self.collection.core.local();
        let reader = local.read()?;
        let record = reader.get(std::slice::from_ref(key), false)?;
        let unknown = || Error::UnknownKey { key: key.clone() };
        let record = record.into_iter().flatten().next().ok_or_else(unknown)?;
        let spherical = self.centroids.is_spherical();
        let found = local.document_vectors(&reader, &[record.id], spherical)?;
        found.into_iter().flatten().next().ok_or_else(unknown)
    }

    /// The vectors of the texts among these points, each placed as a document is, and whether the model read the beginning alone.
    fn placed_texts(&self, points: &[Point]) -> Result<Vec<(Vec<f32>, bool)>> {
        let core = &self.collection.core;
        let mut parts = Vec::new();
        let mut ends = Vec::new();
        for point in points {
            let Point::Text(text) = point else { continue };
            check_text(text)?;
            match core.cut(text)?.as_slice() {
                [] => parts.push(text.as_str()),
                passages => {
                    parts.extend(passages.iter().map(|at: &Range<usize>| &text[at.clone()]))
                }
            }
            ends.push(parts.len());
        }
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let model = core.model()?;
        if Caller::current().has_left() {
            return Err(engine::Error::Cancelled.into());
        }
        let embedded = model.embed(&parts, Purpose::Document)?;
        let rows: Vec<Vec<f32>> = embedded.rows().map(<[f32]>::to_vec).collect();
        let mut begin = 0;
        let placed = ends.into_iter().map(|end| {
            let own = std::mem::replace(&mut begin, end)..end;
            let cut = core.locked.config.chunk.is_none() && embedded.truncated()[own.start];
            (
                core.local()
                    .placed(&rows[own], self.centroids.is_spherical()),
                cut,
            )
        });
        Ok(placed.collect())
    }
}

fn check_text(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid("text", "an empty text", "some words"));
    }
    if text.len() > MAX_TEXT_BYTES {
        let given = format!("{} bytes", text.len());
        return Err(Error::invalid(
            "text",
            given,
            format!("at most {MAX_TEXT_BYTES} bytes"),
        ));
    }
    Ok(())
}

impl fmt::Debug for Clustering {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Clustering")
            .field("collection", &self.collection)
            .field("name", &self.name())
            .field("k", &self.k())
            .finish_non_exhaustive()
    }
}
