//! Saved clusterings: a label for every document, kept up to date by every write.
//!
//! Invariant: whoever holds `writing` knows all clusterings there are, so a batch is labelled in each of them before it is committed.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use engine::{Stage, Watch, report, unwatched};
use serde::{Deserialize, Serialize};
use storage::{Clustering, Label, NewClustering, Reader};

use super::{Local, centroids::Centroids, passages::mean};
use crate::{
    backend::batch::Row,
    error::{Error, Result},
};

/// Bytes of vectors, and documents, that are read at a time.
const PAGE_BYTES: usize = 16 << 20;
const PAGE: usize = 4096;

/// The centroids of the clusterings that a writer labels documents in, by the clusterings' internal ids.
#[derive(Default)]
pub(super) struct Loaded(Mutex<BTreeMap<i64, Arc<Centroids>>>);

impl Loaded {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, Arc<Centroids>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is stored of a clustering as a whole, beside its centroids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) spherical: bool,
    pub(crate) seed: u64,
    pub(crate) iterations: usize,
    pub(crate) redo: usize,
    pub(crate) sampled: usize,
    pub(crate) objective: Option<f32>,
}

/// A clustering to be saved.
pub(crate) struct Draft<'a> {
    pub(crate) name: &'a str,
    pub(crate) replace: bool,
    pub(crate) about: About,
    pub(crate) clusters: Vec<storage::Cluster>,
    /// Row-major.
    pub(crate) vectors: Vec<f32>,
}

impl Local {
    /// The labels of these rows in each saved clustering. The caller holds `writing`.
    pub(super) fn labels_of_rows(&self, rows: &[Row]) -> Result<Vec<(i64, Vec<Label>)>> {
        let mut labels = Vec::new();
        for (clustering, centroids) in self.loaded()? {
            let spherical = centroids.is_spherical();
            let dimension = self.space.shape.dimension;
            let mut vectors = Vec::with_capacity(rows.len() * dimension);
            for row in rows {
                let own = row.vectors.chunks_exact(dimension).map(<[f32]>::to_vec);
                vectors.extend(self.placed(&own.collect::<Vec<_>>(), spherical));
            }
            labels.push((clustering, centroids.labels(&vectors)?));
        }
        Ok(labels)
    }

    /// The centroids of all saved clusterings.
    fn loaded(&self) -> Result<Vec<(i64, Arc<Centroids>)>> {
        let reader = self.read()?;
        let ids = reader.clustering_ids()?;
        let mut loaded = self.loaded.lock();
        loaded.retain(|id, _| ids.contains(id));
        if loaded.len() < ids.len() {
            for clustering in reader.clusterings()? {
                if let Entry::Vacant(place) = loaded.entry(clustering.id) {
                    place.insert(Arc::new(self.centroids(&reader, &clustering)?));
                }
            }
        }
        let all = loaded.iter();
        Ok(all.map(|(id, one)| (*id, Arc::clone(one))).collect())
    }

    /// The centroids of a saved clustering.
    pub(crate) fn centroids(
        &self,
        reader: &Reader<'_>,
        clustering: &Clustering,
    ) -> Result<Centroids> {
        let about = self.about(clustering)?;
        let bytes = reader.centroids(clustering.id)?.unwrap_or_default();
        let centroids = Centroids::from_bytes(&bytes, self.space.shape.dimension, about.spherical)?;
        if centroids.len() == clustering.clusters.len() {
            return Ok(centroids);
        }
        let (clusters, found) = (clustering.clusters.len(), centroids.len());
        Err(self.damaged(
            clustering,
            &format!("it has {clusters} clusters and {found} centroids"),
        ))
    }

    /// Saves a clustering with the labels of all documents. They are assigned while others write; what was written meanwhile is
    /// assigned at the end, so that writers wait for the labels to be stored and no longer.
    pub(crate) fn save_clustering(&self, draft: &Draft<'_>, watch: Watch<'_>) -> Result<()> {
        let spherical = draft.about.spherical;
        let centroids = Centroids::new(&draft.vectors, self.space.shape.dimension, spherical)?;
        let ids = self.read()?.ids()?;
        let mut labels = self.labels_of_stored(&centroids, &ids, watch)?;
        let writing = self.documents.start_writing()?;
        let last = ids.last().copied().unwrap_or(0);
        let mut newer = self.read()?.ids()?;
        newer.drain(..newer.partition_point(|id| *id <= last));
        labels.extend(self.labels_of_stored(&centroids, &newer, &unwatched)?);
        let about = serde_json::json!(draft.about).to_string();
        let id = self.documents.store.save_clustering(&NewClustering {
            name: draft.name,
            about: &about,
            centroids: &Centroids::to_bytes(&draft.vectors),
            clusters: &draft.clusters,
            labels: &labels,
            replace: draft.replace,
        })?;
        self.loaded.lock().insert(id, Arc::new(centroids));
        drop(writing);
        Ok(())
    }

    pub(crate) fn drop_clustering(&self, name: &str) -> Result<()> {
        let _writing = self.documents.start_writing()?;
        Ok(self.documents.store.drop_clustering(name)?)
    }

    pub(crate) fn rename_clusters(
        &self,
        clustering: &str,
        names: &[(u32, Option<String>)],
    ) -> Result<()> {
        let _writing = self.documents.start_writing()?;
        Ok(self.documents.store.rename_clusters(clustering, names)?)
    }

    /// Where a document with these vectors is: at its vector, or, where texts are cut, at the mean of its passages'.
    pub(crate) fn placed(&self, vectors: &[Vec<f32>], spherical: bool) -> Vec<f32> {
        if self.has_passages() {
            return mean(vectors.iter().cloned(), spherical).unwrap_or_default();
        }
        vectors.concat()
    }

    /// The labels of the documents with these ids that are still there, read page by page.
    fn labels_of_stored(
        &self,
        centroids: &Centroids,
        ids: &[i64],
        watch: Watch<'_>,
    ) -> Result<Vec<(i64, Label)>> {
        let mut labels = Vec::with_capacity(ids.len());
        for page in ids.chunks(self.page()) {
            report(watch, Stage::Assigning, labels.len(), ids.len())?;
            let (there, vectors) = self.page_of_vectors(page, centroids.is_spherical())?;
            labels.extend(there.into_iter().zip(centroids.labels(&vectors)?));
        }
        report(watch, Stage::Assigning, ids.len(), ids.len())?;
        Ok(labels)
    }

    /// How many documents' vectors are read at a time.
    pub(crate) fn page(&self) -> usize {
        let row = self.space.shape.dimension * size_of::<f32>();
        (PAGE_BYTES / row).clamp(1, PAGE)
    }

    /// Of the documents with these ids those that are still there, and their row-major vectors.
    pub(crate) fn page_of_vectors(
        &self,
        ids: &[i64],
        spherical: bool,
    ) -> Result<(Vec<i64>, Vec<f32>)> {
        let found = self.document_vectors(&self.read()?, ids, spherical)?;
        let there = ids.iter().zip(&found).filter(|(_, found)| found.is_some());
        Ok((
            there.map(|(id, _)| *id).collect(),
            found.into_iter().flatten().flatten().collect(),
        ))
    }

    /// What is stored of a clustering as a whole.
    pub(crate) fn about(&self, clustering: &Clustering) -> Result<About> {
        serde_json::from_str(&clustering.about)
            .map_err(|error| self.damaged(clustering, &error.to_string()))
    }

    fn damaged(&self, clustering: &Clustering, reason: &str) -> Error {
        let corrupt = storage::Error::Corrupt {
            path: self.documents.store.path().to_owned(),
            reason: format!("clustering {:?}: {reason}", clustering.name),
            source: None,
        };
        corrupt.into()
    }
}
