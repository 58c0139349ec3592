//! Clusters: k-means over a collection's vectors, by FAISS, and what is in each cluster.
//!
//! The centroids are learnt from a sample that fits in memory; then every document is assigned to its nearest centroid, page
//! by page. Mini-batches (Sculley, WWW 2010) would need no sample, but read the collection many times, depend on a learning
//! rate, and have no objective to compare runs by. A document that is cut into passages has its place by their mean. No read
//! transaction is held from page to page, so that writers' logs do not grow meanwhile: the documents are those that were
//! there at the start, less what was deleted or replaced since.

mod answer;
mod clustering;
mod labels;
mod map;
mod options;
mod plane;
mod saved;
mod tally;
mod words;

use std::collections::HashSet;

use engine::{Centroids, KmeansOptions, Stage, Watch, report, unwatched};
use storage::Record;

pub use answer::{Choice, Cluster, Clusters, Criterion, Member, Place};
pub use clustering::{Assignment, Clustering, MAX_POINTS, Point};
pub use labels::{Label, Labels};
pub use options::{ClusterOptions, K, MAX_CLUSTERS};
pub use saved::{Save, SavedCluster, SavedClustering};

use crate::{collection::Collection, document::Document, error::Result};
use map::Map;
use tally::{Kept, Tally};
use words::Words;

/// Documents whose words are counted: of one cluster, and of all together.
const WORDED: usize = 200;
const WORDED_IN_ALL: usize = 20_000;
/// Words of a cluster's name, as many as its first name takes, and its characters at most.
const NAME_WORDS: usize = 2;
const NAME_CHARACTERS: usize = 64;
/// Texts in memory at a time; one may have 16 MiB.
const TEXTS: usize = 16;

impl Collection {
    /// Parts the documents into clusters: as many as asked for, `collection.cluster(12)`, or as fit them best,
    /// `collection.cluster(K::Auto)`. Two calls on the same documents give the same clusters. A document that is cut into passages
    /// is in one of them, by the mean of its passages' vectors.
    ///
    /// ```
    /// use vinedb::{CollectionConfig, Database, Document, Metric, cluster::ClusterOptions};
    ///
    /// # fn main() -> vinedb::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// let db = Database::open(dir.path())?;
    /// let points = db.create_collection("points", CollectionConfig::given(2).metric(Metric::L2))?;
    /// let at = |key: &str, x| Document::from_vector(key, vec![x, 0.0]);
    /// points.upsert(vec![at("a", 0.0), at("b", 1.0), at("c", 50.0), at("d", 51.0), at("e", 52.0)])?;
    ///
    /// let found = points.cluster(2)?;
    /// assert_eq!(found.clusters[0].size, 3);
    /// assert_eq!(found.clusters[0].nearest[0].key, "d".into());
    /// let found = points.cluster(ClusterOptions::new(2).nearest(0))?;
    /// assert!(found.clusters[0].nearest.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When `k` is 0 or more than there are documents, or another option is out of its range; when there are no documents,
    /// or the store cannot be read.
    pub fn cluster(&self, options: impl Into<ClusterOptions>) -> Result<Clusters> {
        self.cluster_with(&options.into(), &unwatched)
    }

    /// As [`Collection::cluster`], telling `watch` of each step: of k-means, an iteration.
    ///
    /// # Errors
    /// As [`Collection::cluster`]; [`Error::Cancelled`](crate::Error::Cancelled) when `watch` breaks.
    pub fn cluster_with(&self, options: &ClusterOptions, watch: Watch<'_>) -> Result<Clusters> {
        options.validate(self.dimension())?;
        if let Some(save) = &options.save {
            self.check_save(save)?;
        }
        let ids = match &options.filter {
            Some(filter) => self.core.read()?.matching(filter)?,
            None => self.core.read()?.ids()?,
        };
        let found = Work {
            collection: self,
            options,
            kmeans: KmeansOptions {
                seed: options.seed,
                iterations: options.iterations,
                redo: options.redo,
                spherical: options
                    .spherical
                    .unwrap_or(self.config().metric.is_similarity()),
                sample: Some(usize::MAX),
                ..KmeansOptions::default()
            },
            ids,
            watch,
        }
        .run()?;
        if let Some(save) = &options.save {
            self.save_clusters_with(save, &found, watch)?;
        }
        Ok(found)
    }
}

/// One clustering.
struct Work<'a> {
    collection: &'a Collection,
    options: &'a ClusterOptions,
    /// The sample is taken here already: all that the engine is given takes part.
    kmeans: KmeansOptions,
    /// All that may be clustered.
    ids: Vec<i64>,
    watch: Watch<'a>,
}

impl Work<'_> {
    fn run(&self) -> Result<Clusters> {
        let sample = self.sample()?;
        let (centroids, choice) = self.learn(&sample)?;
        let mut map = Map::new(self, &sample)?;
        drop(sample);
        let tallies = self.assign(&centroids, &mut map)?;
        let order = largest_first(&tallies);
        let clusters = self.describe(&centroids, &tallies, &order)?;
        let map = map.map_or(Ok(Vec::new()), |map| map.places(self.collection, &order))?;
        Ok(Clusters {
            documents: tallies.iter().map(|tally| tally.size).sum(),
            sampled: centroids.sampled(),
            objective: centroids.objective().to_vec(),
            iterations: self.options.iterations,
            redo: self.options.redo,
            seed: self.options.seed,
            spherical: self.kmeans.spherical,
            choice,
            clusters,
            map,
        })
    }

    /// The centroids, from the sample alone.
    fn learn(&self, sample: &[f32]) -> Result<(Centroids, Option<Choice>)> {
        let dimension = self.collection.dimension();
        let (k, choice) = match self.options.k {
            K::Fixed(k) => (k, None),
            K::Auto => {
                let choice = engine::choose_k(sample, dimension, &self.kmeans, self.watch)?;
                (choice.k, Some(choice.into()))
            }
        };
        let centroids = Centroids::train(sample, dimension, k, &self.kmeans, self.watch)?;
        Ok((centroids, choice))
    }

    /// The vectors that the centroids are learnt from, row after row.
    fn sample(&self) -> Result<Vec<f32>> {
        let dimension = self.collection.dimension();
        let size = self.options.sampled(self.ids.len(), dimension)?;
        let rows = engine::sample_rows(self.ids.len(), size, self.options.seed);
        let ids: Vec<i64> = rows.into_iter().map(|row| self.ids[row]).collect();
        let mut sample = Vec::with_capacity(size * dimension);
        self.pages(&ids, Stage::Sampling, |_, vectors| {
            sample.extend_from_slice(vectors);
            Ok(())
        })?;
        // What was deleted meanwhile may be missing.
        self.options.sampled(sample.len() / dimension, dimension)?;
        Ok(sample)
    }

    /// Every document to its nearest centroid.
    fn assign(&self, centroids: &Centroids, map: &mut Option<Map>) -> Result<Vec<Tally>> {
        let kept = Kept {
            nearest: self.options.nearest,
            drawn: match self.options.words {
                0 => 0,
                _ => (WORDED_IN_ALL / centroids.len()).clamp(1, WORDED),
            },
        };
        let mut tallies: Vec<Tally> = (0..centroids.len()).map(|_| Tally::new(kept)).collect();
        let (spherical, seed) = (self.kmeans.spherical, self.options.seed);
        self.pages(&self.ids, Stage::Assigning, |ids, vectors| {
            let found = centroids.assign(vectors)?;
            for (&id, near) in ids.iter().zip(&found) {
                tallies[near.cluster as usize].add(id, *near, spherical, seed);
            }
            map.as_mut()
                .map_or(Ok(()), |map| map.add(ids, vectors, &found))
        })?;
        Ok(tallies)
    }

    /// Hands the vectors of these ids to `take`, pages of them with the ids that are still there; each page is read by itself.
    fn pages(
        &self,
        ids: &[i64],
        stage: Stage,
        mut take: impl FnMut(&[i64], &[f32]) -> Result<()>,
    ) -> Result<()> {
        let local = self.collection.core.local();
        let mut done = 0;
        for wanted in ids.chunks(local.page()) {
            report(self.watch, stage, done, ids.len())?;
            let (there, vectors) = local.page_of_vectors(wanted, self.kmeans.spherical)?;
            take(&there, &vectors)?;
            done += wanted.len();
        }
        report(self.watch, stage, done, ids.len())?;
        Ok(())
    }

    /// The clusters, in this order.
    fn describe(
        &self,
        centroids: &Centroids,
        tallies: &[Tally],
        order: &[usize],
    ) -> Result<Vec<Cluster>> {
        let mut words = self.words(tallies)?;
        let documents: usize = tallies.iter().map(|tally| tally.size).sum();
        let dimension = self.collection.dimension();
        let mut names = HashSet::new();
        let cluster = |&number: &usize| {
            let tally = &tallies[number];
            Ok(Cluster {
                name: name(&words[number], &mut names),
                size: tally.size,
                share: share(tally.size as u64, documents as u64),
                words: std::mem::take(&mut words[number]),
                nearest: self.members(&tally.nearest())?,
                centroid: centroids.vectors()[number * dimension..][..dimension].to_vec(),
            })
        };
        order.iter().map(cluster).collect()
    }

    fn words(&self, tallies: &[Tally]) -> Result<Vec<Vec<String>>> {
        let mut words = Words::new(tallies.len());
        for (cluster, tally) in tallies.iter().enumerate() {
            report(self.watch, Stage::Describing, cluster, tallies.len())?;
            for ids in tally.drawn().chunks(TEXTS) {
                let records = self.collection.core.read()?.records(ids, false)?;
                for text in records
                    .into_iter()
                    .flatten()
                    .filter_map(|record| record.text)
                {
                    words.add(cluster, &text);
                }
            }
        }
        report(self.watch, Stage::Describing, tallies.len(), tallies.len())?;
        let sizes: Vec<usize> = tallies.iter().map(|tally| tally.size).collect();
        Ok(words.telling(&sizes, self.options.words))
    }

    fn members(&self, nearest: &[(i64, f32)]) -> Result<Vec<Member>> {
        let ids: Vec<i64> = nearest.iter().map(|(id, _)| *id).collect();
        let records = self.collection.core.read()?.records(&ids, false)?;
        let member = |(&(_, distance), record): (&(i64, f32), Option<Record>)| {
            let document = Document::from(record?);
            Some(Member {
                key: document.key.clone(),
                distance,
                document,
            })
        };
        Ok(nearest.iter().zip(records).filter_map(member).collect())
    }
}

impl From<engine::Choice> for Choice {
    fn from(choice: engine::Choice) -> Self {
        Self {
            criterion: Criterion::SimplifiedSilhouette,
            scores: choice.scores,
            sampled: choice.sampled,
        }
    }
}

/// A name of telling words that no other cluster has; none where there are no such words.
fn name(words: &[String], taken: &mut HashSet<String>) -> Option<String> {
    let mut name = String::new();
    for word in words {
        let longer = if name.is_empty() {
            word.clone()
        } else {
            format!("{name} {word}")
        };
        if longer.chars().count() > NAME_CHARACTERS {
            break;
        }
        name = longer;
        let enough = name.split(' ').count() >= NAME_WORDS;
        if enough && taken.insert(name.clone()) {
            return Some(name);
        }
    }
    (!name.is_empty() && taken.insert(name.clone())).then_some(name)
}

/// The clusters' numbers, the largest first.
fn largest_first(tallies: &[Tally]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..tallies.len()).collect();
    order.sort_by_key(|&number| std::cmp::Reverse(tallies[number].size));
    order
}

fn share(part: u64, whole: u64) -> f32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a share, to the precision of a float"
    )]
    let share = (part as f64 / whole.max(1) as f64) as f32;
    share
}
