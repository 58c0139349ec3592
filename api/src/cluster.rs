//! Clusters: k-means over a collection's vectors, by FAISS.

use std::ops::ControlFlow;

use engine::{Clustering, KmeansOptions, Metric};
use serde::{Deserialize, Serialize};
use storage::{Key, Reader};

use crate::{Collection, Document, Error, Result};

/// Documents shown for each cluster.
const NEAREST: usize = 3;
/// Vectors that k-means looks at, at most, in bytes.
const MAX_BYTES: usize = 4 << 30;

/// What clustering found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clusters {
    /// The clusters, largest first.
    pub clusters: Vec<Cluster>,
    /// Documents that were clustered.
    pub documents: usize,
    /// What k-means makes small (`l2`) or large (the others), after each iteration.
    pub objective: Vec<f32>,
    /// Seed of the random start; the same seed gives the same clusters.
    pub seed: u64,
}

/// One cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Documents in it.
    pub size: usize,
    /// The documents nearest to its centroid, nearest first.
    pub nearest: Vec<Member>,
    /// Its centre.
    pub centroid: Vec<f32>,
}

/// A document of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The document's key.
    pub key: Key,
    /// What the clustering's metric says between it and the centroid: squared for `l2`, else the inner product.
    pub distance: f32,
    /// The document.
    pub document: Document,
}

impl Collection {
    /// Parts the documents into `k` clusters: spherical k-means for `cosine` and `inner_product`, plain for `l2`. Two calls on
    /// the same documents give the same clusters.
    ///
    /// # Errors
    /// When `k` is 0 or more than there are documents, or the vectors take more than 4 GiB.
    pub fn cluster(&self, k: usize) -> Result<Clusters> {
        let reader = self.core.read()?;
        let (ids, vectors) = self.all_vectors(&reader)?;
        if !(1..=ids.len()).contains(&k) {
            return Err(Error::invalid(
                "k",
                k,
                format!("1 to {}, the number of documents", ids.len()),
            ));
        }
        let spherical = self.config().metric != Metric::L2;
        let options = KmeansOptions {
            spherical,
            ..KmeansOptions::default()
        };
        let clustering =
            engine::kmeans(&vectors, self.dimension(), k, &options, &engine::unwatched)?;
        let clusters = describe(&reader, &ids, &clustering, spherical)?;
        Ok(Clusters {
            clusters,
            documents: ids.len(),
            objective: clustering.objective,
            seed: options.seed,
        })
    }

    fn all_vectors(&self, reader: &Reader<'_>) -> Result<(Vec<i64>, Vec<f32>)> {
        let rows = usize::try_from(reader.count(None)?).unwrap_or(usize::MAX);
        let bytes = rows
            .saturating_mul(self.dimension())
            .saturating_mul(size_of::<f32>());
        if bytes > MAX_BYTES {
            return Err(Error::invalid(
                "documents",
                format!("{rows} ({bytes} bytes of vectors)"),
                format!("at most {MAX_BYTES} bytes of vectors"),
            ));
        }
        let mut ids = Vec::with_capacity(rows);
        let mut vectors = Vec::with_capacity(rows * self.dimension());
        reader.for_each_vector(0, &mut |id, vector| {
            ids.push(id);
            vectors.extend_from_slice(vector);
            ControlFlow::Continue(())
        })?;
        Ok((ids, vectors))
    }
}

fn describe(
    reader: &Reader<'_>,
    ids: &[i64],
    clustering: &Clustering,
    spherical: bool,
) -> Result<Vec<Cluster>> {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); clustering.sizes.len()];
    for (row, &cluster) in clustering.assignments.iter().enumerate() {
        members[cluster as usize].push(row);
    }
    let mut clusters = Vec::with_capacity(members.len());
    for (mut rows, centroid) in members
        .into_iter()
        .zip(clustering.centroids.chunks(clustering.dimension))
    {
        let size = rows.len();
        let order = |row: &usize| {
            if spherical {
                -clustering.distances[*row]
            } else {
                clustering.distances[*row]
            }
        };
        rows.sort_by(|a, b| order(a).total_cmp(&order(b)));
        rows.truncate(NEAREST);
        clusters.push(Cluster {
            size,
            nearest: nearest(reader, ids, clustering, &rows)?,
            centroid: centroid.to_vec(),
        });
    }
    clusters.sort_by_key(|cluster| std::cmp::Reverse(cluster.size));
    Ok(clusters)
}

fn nearest(
    reader: &Reader<'_>,
    ids: &[i64],
    clustering: &Clustering,
    rows: &[usize],
) -> Result<Vec<Member>> {
    let wanted: Vec<i64> = rows.iter().map(|&row| ids[row]).collect();
    let records = reader.records(&wanted, false)?;
    let member = |(&row, record): (&usize, Option<storage::Record>)| {
        let document = Document::from(record?);
        Some(Member {
            key: document.key.clone(),
            distance: clustering.distances[row],
            document,
        })
    };
    Ok(rows.iter().zip(records).filter_map(member).collect())
}
