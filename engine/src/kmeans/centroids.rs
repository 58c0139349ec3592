//! [`Centroids`]: what k-means learned, apart from the vectors it learned from. They assign new vectors to clusters, carry
//! the clusters' names, and are saved and loaded.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use super::{KmeansOptions, MAX_POINTS, at_row, best_run, chosen, default_sample, in_range};
use crate::error::{Error, Result};
use crate::file::replace;
use crate::ids::{Hit, Select};
use crate::index::Index;
use crate::metric::Metric;
use crate::params::SearchParams;
use crate::progress::Watch;
use crate::sample::sample_rows;
use crate::spec::Kind;
use crate::threads::{pool, with_threads};
use crate::vectors;

/// The centroids of k-means, by which vectors are assigned to clusters: those it was trained on and any others.
///
/// ```
/// use vinedb_engine::{Centroids, KmeansOptions, unwatched};
///
/// let points = [0.0, 0.0, 0.0, 1.0, 9.0, 9.0, 9.0, 8.0];
/// let mut centroids = Centroids::train(&points, 2, 2, &KmeansOptions::default(), &unwatched)?;
/// let far = centroids.assign(&[8.0, 8.0])?[0].cluster;
/// centroids.set_name(far, "far");
///
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let path = folder.path().join("clusters");
/// centroids.save(&path)?;
/// let loaded = Centroids::load(&path)?;
/// assert_eq!(loaded.name(loaded.assign(&[10.0, 9.0])?[0].cluster), Some("far"));
/// # Ok::<(), vinedb_engine::Error>(())
/// ```
#[derive(Debug)]
pub struct Centroids {
    pub(super) vectors: Vec<f32>,
    pub(super) objective: Vec<f32>,
    pub(super) sampled: usize,
    names: Vec<String>,
    index: Index,
}

/// The centroid nearest to a vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearest {
    /// The cluster's number, from 0.
    pub cluster: u32,
    /// The distance to its centroid: squared Euclidean, or the cosine when spherical.
    pub distance: f32,
}

/// What is kept of centroids.
#[derive(Serialize, Deserialize)]
struct Saved {
    dimension: usize,
    spherical: bool,
    vectors: Vec<f32>,
    names: Vec<String>,
    objective: Vec<f32>,
    sampled: usize,
}

impl Centroids {
    /// As [`kmeans`](super::kmeans), without assigning the vectors at the end.
    ///
    /// # Errors
    /// As [`kmeans`](super::kmeans).
    pub fn train(
        points: &[f32],
        dimension: usize,
        k: usize,
        options: &KmeansOptions,
        watch: Watch<'_>,
    ) -> Result<Self> {
        vectors::check_dimension(dimension)?;
        options.check()?;
        let count = vectors::count(points, dimension)?;
        let wanted = options.sample.unwrap_or_else(|| default_sample(k));
        let sampled = count.min(wanted).min(MAX_POINTS);
        in_range("k", k, 1, sampled)?;
        let rows = sample_rows(count, sampled, options.seed);
        let sample = options
            .prepare(&chosen(points, dimension, &rows), dimension)
            .map_err(|error| at_row(error, &rows))?
            .into_owned();
        let (vectors, objective) = best_run(&sample, dimension, k, options, watch)?;
        Ok(Self {
            objective,
            sampled,
            ..Self::new(vectors, dimension, options.spherical)?
        })
    }

    /// Centroids that come from elsewhere (row-major). Spherical ones are compared by cosine.
    ///
    /// # Errors
    /// [`Error::DimensionRange`]; [`Error::ParameterRange`] for none at all; about the vectors what
    /// [`Index::add`](crate::Index::add) says.
    pub fn new(vectors: Vec<f32>, dimension: usize, spherical: bool) -> Result<Self> {
        let metric = if spherical {
            Metric::Cosine
        } else {
            Metric::L2
        };
        let mut index = Index::new(dimension, metric, &Kind::flat())?;
        let count = vectors::count(&vectors, dimension)?;
        in_range("the number of centroids", count, 1, MAX_POINTS)?;
        let numbers: Vec<i64> = (0..).take(count).collect();
        index.add(&numbers, &vectors)?;
        Ok(Self {
            names: vec![String::new(); count],
            vectors,
            objective: Vec::new(),
            sampled: 0,
            index,
        })
    }

    /// The number of clusters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Never: there is at least one cluster.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// How many components a centroid has.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.index.dimension()
    }

    /// Whether vectors are compared by cosine.
    #[must_use]
    pub fn is_spherical(&self) -> bool {
        self.index.metric() == Metric::Cosine
    }

    /// The centroids, row-major; of length 1 when trained spherical.
    #[must_use]
    pub fn vectors(&self) -> &[f32] {
        &self.vectors
    }

    /// See [`Clustering::objective`](super::Clustering::objective).
    #[must_use]
    pub fn objective(&self) -> &[f32] {
        &self.objective
    }

    /// How many vectors the iterations looked at; 0 for centroids that come from elsewhere.
    #[must_use]
    pub fn sampled(&self) -> usize {
        self.sampled
    }

    /// A cluster's name, once it has one.
    #[must_use]
    pub fn name(&self, cluster: u32) -> Option<&str> {
        let name = self.names.get(cluster as usize)?;
        (!name.is_empty()).then_some(name)
    }

    /// Names a cluster; an empty name takes it away. Returns whether there is such a cluster.
    pub fn set_name(&mut self, cluster: u32, name: impl Into<String>) -> bool {
        let place = self.names.get_mut(cluster as usize);
        place.map(|place| *place = name.into()).is_some()
    }

    /// The nearest centroid of each vector (row-major); of equally near ones the first.
    ///
    /// # Errors
    /// About the vectors what [`Index::search`](crate::Index::search) says.
    pub fn assign(&self, points: &[f32]) -> Result<Vec<Nearest>> {
        let nearest = |hits: Vec<Hit>| {
            let first = hits.first()?;
            Some(Nearest {
                cluster: u32::try_from(first.id).ok()?,
                distance: first.distance,
            })
        };
        let closest = self.closest(points, 1)?.into_iter();
        Ok(closest.filter_map(nearest).collect())
    }

    /// The `count` centroids nearest to each vector. In blocks of a fixed size, each on one thread, so that sums are made in
    /// the same order on any number of threads.
    pub(super) fn closest(&self, points: &[f32], count: usize) -> Result<Vec<Vec<Hit>>> {
        const BLOCK: usize = 1024;
        vectors::count(points, self.dimension())?;
        pool::in_chunks(points, self.dimension(), BLOCK, |block| {
            let params = SearchParams::default();
            with_threads(1, || self.index.search(block, count, &params, Select::All))
        })
    }

    /// Writes the centroids and their names to a file, in place of one that may be there. They also implement serde's
    /// traits, to be kept elsewhere.
    ///
    /// # Errors
    /// [`Error::Io`] naming the path; what was there before is then untouched.
    pub fn save(&self, path: &Path) -> Result<()> {
        use std::io::Write;
        let io = |source| Error::io(path, source);
        let encoded = bincode::serde::encode_to_vec(self, bincode::config::standard());
        let encoded = encoded.map_err(|error| io(std::io::Error::other(error)))?;
        replace(path, |mut file| {
            file.write_all(MAGIC)
                .and_then(|()| file.write_all(&xxh3_64(&encoded).to_le_bytes()))
                .and_then(|()| file.write_all(&encoded))
                .map_err(io)
        })
    }

    /// Reads what [`Centroids::save`] wrote.
    ///
    /// # Errors
    /// [`Error::CorruptIndex`] on any doubt about the file, [`Error::Io`] when it cannot be read.
    pub fn load(path: &Path) -> Result<Self> {
        let corrupt = |reason: &str| Error::corrupt(path, reason);
        let bytes = fs::read(path).map_err(|source| Error::io(path, source))?;
        let rest = bytes
            .strip_prefix(MAGIC)
            .and_then(|rest| rest.split_first_chunk::<8>());
        let (checksum, encoded) = rest.ok_or_else(|| corrupt("it is no file of centroids"))?;
        if xxh3_64(encoded).to_le_bytes() != *checksum {
            return Err(corrupt("its checksum does not match"));
        }
        match bincode::serde::decode_from_slice(encoded, bincode::config::standard()) {
            Ok((centroids, used)) if used == encoded.len() => Ok(centroids),
            Ok(_) => Err(corrupt("it is longer than it should be")),
            Err(error) => Err(corrupt(&error.to_string())),
        }
    }
}

/// Magic and version of a file of centroids.
const MAGIC: &[u8; 8] = b"VINEKM\0\x01";

impl Serialize for Centroids {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let saved = Saved {
            dimension: self.dimension(),
            spherical: self.is_spherical(),
            vectors: self.vectors.clone(),
            names: self.names.clone(),
            objective: self.objective.clone(),
            sampled: self.sampled,
        };
        saved.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Centroids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let saved = Saved::deserialize(deserializer)?;
        let mut centroids = Self::new(saved.vectors, saved.dimension, saved.spherical)
            .map_err(serde::de::Error::custom)?;
        if saved.names.len() != centroids.len() {
            return Err(serde::de::Error::custom(
                "there is not one name per centroid",
            ));
        }
        centroids.names = saved.names;
        centroids.objective = saved.objective;
        centroids.sampled = saved.sampled;
        Ok(centroids)
    }
}
