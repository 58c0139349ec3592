//! The labels of all documents, streamed.

use std::{collections::VecDeque, fmt};

use serde::{Deserialize, Serialize};
use storage::{Filter, Key, Reader};

use super::Clustering;
use crate::error::{Error, Result};

/// A document's key and the cluster it belongs to: a line of the HTTP answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Label {
    /// The document's key.
    pub key: Key,
    /// The cluster's number, from 0.
    pub cluster: usize,
    /// The distance to its centroid: squared Euclidean, or the cosine when spherical.
    pub distance: f32,
}

/// An iterator over the labels of documents: see [`Clustering::labels`]. No read transaction is held from page to page, so it may
/// take its time.
pub struct Labels {
    clustering: Clustering,
    source: Source,
    page: VecDeque<Label>,
    ended: bool,
}

/// Where the labels come from.
enum Source {
    /// The table of a saved clustering.
    Stored {
        filter: Option<Filter>,
        /// The last document read, and the last to be read.
        after: i64,
        last: i64,
    },
    /// The vectors of these documents.
    Vectors { ids: Vec<i64>, done: usize },
}

impl Labels {
    pub(super) fn new(clustering: &Clustering, filter: Option<&Filter>) -> Result<Self> {
        let reader = clustering.collection().core.read()?;
        let source = match clustering.id() {
            Some(id) => {
                check_saved(clustering, &reader, id)?;
                // A filter that cannot be used is refused here, not at the first label.
                reader.labelled(id, 0, 0, filter)?;
                Source::Stored {
                    filter: filter.cloned(),
                    after: 0,
                    last: reader.last_id(),
                }
            }
            None => Source::Vectors {
                ids: filter.map_or_else(|| reader.ids(), |filter| reader.matching(filter))?,
                done: 0,
            },
        };
        Ok(Self {
            clustering: clustering.clone(),
            source,
            page: VecDeque::new(),
            ended: false,
        })
    }

    /// The next labels, a page of them; `None` at the end.
    ///
    /// # Errors
    /// When the store cannot be read; when the clustering was dropped or replaced.
    pub fn next_page(&mut self) -> Result<Option<Vec<Label>>> {
        if !self.page.is_empty() {
            return Ok(Some(self.page.drain(..).collect()));
        }
        while !self.ended {
            let page = self.read()?;
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    /// Reads a page, which may be empty though others follow.
    fn read(&mut self) -> Result<Vec<Label>> {
        let core = &self.clustering.collection().core;
        let page = core.local().page();
        match &mut self.source {
            Source::Stored {
                filter,
                after,
                last,
            } => {
                let reader = core.read()?;
                let id = self.clustering.id().unwrap_or(0);
                check_saved(&self.clustering, &reader, id)?;
                let mut found = reader.labelled(id, *after, page, filter.as_ref())?;
                self.ended = found.len() < page;
                *after = found.last().map_or(*last, |one| one.id);
                found.retain(|one| one.id <= *last);
                self.ended |= *after >= *last;
                let label = |one: storage::Labelled| label(one.key, one.label);
                Ok(found.into_iter().map(label).collect())
            }
            Source::Vectors { ids, done } => {
                let wanted = &ids[*done..ids.len().min(*done + page)];
                *done += wanted.len();
                self.ended = *done == ids.len();
                let centroids = self.clustering.centroids();
                let (there, vectors) = core
                    .local()
                    .page_of_vectors(wanted, centroids.is_spherical())?;
                let labels = centroids.labels(&vectors)?;
                let keys = core.read()?.keys(&there)?;
                let labelled = keys.into_iter().zip(labels);
                Ok(labelled
                    .filter_map(|(key, one)| Some(label(key?, one)))
                    .collect())
            }
        }
    }
}

fn check_saved(clustering: &Clustering, reader: &Reader<'_>, id: i64) -> Result<()> {
    if reader.clustering_ids()?.contains(&id) {
        return Ok(());
    }
    let name = clustering.name().unwrap_or_default();
    // Replaced, there is another of the same name.
    let found = reader.clustering(name)?;
    Err(Error::invalid(
        "clusters",
        format!("a clustering {:?} that was replaced since", found.name),
        "a current one: get it again",
    ))
}

fn label(key: Key, label: storage::Label) -> Label {
    Label {
        key,
        cluster: label.cluster as usize,
        distance: label.distance,
    }
}

impl Iterator for Labels {
    type Item = Result<Label>;

    /// The next label; after an error, none.
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(label) = self.page.pop_front() {
            return Some(Ok(label));
        }
        match self.next_page() {
            Ok(page) => {
                self.page = page?.into();
                self.page.pop_front().map(Ok)
            }
            Err(error) => {
                self.ended = true;
                Some(Err(error))
            }
        }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Labels")
            .field("clustering", &self.clustering)
            .finish_non_exhaustive()
    }
}
