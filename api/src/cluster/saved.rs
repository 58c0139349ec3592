//! Clusterings that are kept: saved in the collection under a name, listed, renamed and dropped.

use engine::{Watch, unwatched};
use serde::{Deserialize, Serialize};

use storage::Reader;

use super::{Clustering, Clusters, share};
use crate::{
    backend::local::{
        Local,
        clusters::{About, Draft},
    },
    collection::Collection,
    error::Result,
};

/// The name that a clustering is saved under. In JSON a string, or `{"name": "styles", "replace": true}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Given")]
#[non_exhaustive]
pub struct Save {
    /// 1 to 64 letters, digits, `_` or `-`, beginning with a letter or digit.
    pub name: String,
    /// Whether it takes the place of a clustering of the same name. Default: no, that is an error.
    pub replace: bool,
}

impl Save {
    /// Under this name, which no other clustering has.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            replace: false,
        }
    }

    /// Sets whether it takes the place of a clustering of the same name.
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }
}

impl From<&str> for Save {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Save {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a name, or {\"name\": …, \"replace\": true}")]
enum Given {
    Name(String),
    Whole(Whole),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    name: String,
    #[serde(default)]
    replace: bool,
}

impl From<Given> for Save {
    fn from(given: Given) -> Self {
        match given {
            Given::Name(name) => Self::new(name),
            Given::Whole(Whole { name, replace }) => Self { name, replace },
        }
    }
}

/// A saved clustering as it is now: the HTTP answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SavedClustering {
    /// Its name.
    pub name: String,
    /// How many clusters it has.
    pub k: usize,
    /// Documents, each of them in one cluster.
    pub documents: u64,
    /// Whether distances are cosines, where larger is closer, rather than squared Euclidean.
    pub spherical: bool,
    /// How many writes the collection had seen when it was saved.
    pub sequence: u64,
    /// When it was saved, in seconds since 1970 (UTC).
    pub saved_at: i64,
    /// Documents that the centroids were learned from.
    pub sampled: usize,
    /// The last value of what k-means minimizes, or maximizes when `spherical`, over the sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<f32>,
    /// The seed that it was made with.
    pub seed: u64,
    /// The iterations that it was made with.
    pub iterations: usize,
    /// The runs that it is the best of.
    pub redo: usize,
    /// The clusters, by their numbers from 0.
    pub clusters: Vec<SavedCluster>,
}

/// A cluster of a saved clustering.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SavedCluster {
    /// Its number.
    pub cluster: usize,
    /// Its name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Documents in it.
    pub size: u64,
    /// Its share of all documents, from 0 to 1.
    pub share: f32,
    /// The words that told it from the other clusters when it was saved.
    pub words: Vec<String>,
}

/// What is stored of one cluster.
#[derive(Serialize, Deserialize)]
struct AboutCluster {
    words: Vec<String>,
}

impl Collection {
    /// Saves what [`Collection::cluster`] found under a name. Every document is labelled with its nearest centroid, whatever filter the
    /// centroids were learned under, and every document written from then on; a filter `{"cluster.styles": 7}` finds them. The
    /// clusters' names are those of [`Cluster::name`](super::Cluster::name), and can be set before.
    ///
    /// ```
    /// use vinedb::{CollectionConfig, Database, Document, Filter, Metric};
    ///
    /// # fn main() -> vinedb::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// let db = Database::open(dir.path())?;
    /// let points = db.create_collection("points", CollectionConfig::given(1).metric(Metric::L2))?;
    /// let at = |key: &str, x| Document::from_vector(key, vec![x]);
    /// points.upsert(vec![at("a", 0.0), at("b", 1.0), at("c", 50.0), at("d", 51.0), at("e", 52.0)])?;
    ///
    /// let mut found = points.cluster(2)?;
    /// found.clusters[0].name = Some("far".to_owned());
    /// points.save_clusters("sides", &found)?;
    /// points.upsert(vec![at("f", 49.0)])?;
    /// assert_eq!(points.count(Some(&Filter::in_cluster("sides", "far")))?, 4);
    /// assert_eq!(points.clusters("sides")?.assign(vec![3.0])?.cluster, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A name that is not allowed; one that is taken, where it is not to be replaced; more than 64 clusterings; clusters of another
    /// dimension; a read-only handle.
    pub fn save_clusters(&self, save: impl Into<Save>, clusters: &Clusters) -> Result<Clustering> {
        self.save_clusters_with(&save.into(), clusters, &unwatched)
    }

    /// As [`Collection::save_clusters`], telling `watch` of each page of documents.
    ///
    /// # Errors
    /// As [`Collection::save_clusters`]; [`Error::Cancelled`](crate::Error::Cancelled) when `watch` breaks.
    pub fn save_clusters_with(
        &self,
        save: &Save,
        clusters: &Clusters,
        watch: Watch<'_>,
    ) -> Result<Clustering> {
        self.check_save(save)?;
        let vectors = clusters.vectors(self.dimension())?;
        let cluster = |cluster: &super::Cluster| {
            let words = cluster.words.clone();
            storage::Cluster {
                name: cluster.name.clone(),
                about: serde_json::json!(AboutCluster { words }).to_string(),
            }
        };
        let draft = Draft {
            name: &save.name,
            replace: save.replace,
            about: About {
                spherical: clusters.spherical,
                seed: clusters.seed,
                iterations: clusters.iterations,
                redo: clusters.redo,
                sampled: clusters.sampled,
                objective: clusters.objective.last().copied(),
            },
            clusters: clusters.clusters.iter().map(cluster).collect(),
            vectors,
        };
        self.core.local().save_clustering(&draft, watch)?;
        self.clusters(&save.name)
    }

    /// Refuses a name before anything is learned.
    pub(super) fn check_save(&self, save: &Save) -> Result<()> {
        self.check_writable("save a clustering")?;
        storage::check_clustering_name(&save.name)?;
        let known = self.core.read()?.clusterings()?;
        if !save.replace && known.iter().any(|known| known.name == save.name) {
            return Err(storage::Error::ClusteringExists {
                name: save.name.clone(),
            }
            .into());
        }
        Ok(())
    }

    /// The saved clustering of this name, to assign texts and vectors to its clusters.
    ///
    /// # Errors
    /// An unknown name, naming those there are.
    pub fn clusters(&self, name: &str) -> Result<Clustering> {
        Clustering::saved(self, name)
    }

    /// The saved clusterings, by name, with the sizes of their clusters now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn clusterings(&self) -> Result<Vec<SavedClustering>> {
        let reader = self.core.read()?;
        let all = reader.clusterings()?;
        let described = all
            .iter()
            .map(|one| described(self.core.local(), &reader, one));
        described.collect()
    }

    /// The saved clustering of this name, with the sizes of its clusters now.
    ///
    /// # Errors
    /// An unknown name, naming those there are.
    pub fn clustering(&self, name: &str) -> Result<SavedClustering> {
        let reader = self.core.read()?;
        described(self.core.local(), &reader, &reader.clustering(name)?)
    }

    /// Drops a saved clustering with its labels; documents stay.
    ///
    /// # Errors
    /// An unknown name, naming those there are; a read-only handle.
    pub fn drop_clusters(&self, name: &str) -> Result<()> {
        self.check_writable("drop a clustering")?;
        self.core.local().drop_clustering(name)
    }

    /// Names clusters of a saved clustering, or takes their names (`None`): all or none. Two may exchange theirs.
    ///
    /// # Errors
    /// An unknown clustering or cluster; a name that is not allowed or taken; a read-only handle.
    pub fn rename_clusters(
        &self,
        clustering: &str,
        names: impl IntoIterator<Item = (usize, Option<String>)>,
    ) -> Result<()> {
        self.check_writable("rename clusters")?;
        let numbered = |(number, name): (usize, Option<String>)| {
            (u32::try_from(number).unwrap_or(u32::MAX), name)
        };
        let names: Vec<(u32, Option<String>)> = names.into_iter().map(numbered).collect();
        self.core.local().rename_clusters(clustering, &names)
    }
}

fn described(
    local: &Local,
    reader: &Reader<'_>,
    clustering: &storage::Clustering,
) -> Result<SavedClustering> {
    let about = local.about(clustering)?;
    let sizes = reader.cluster_sizes(clustering)?;
    let documents = sizes.iter().sum();
    let cluster = |(number, (cluster, size)): (usize, (&storage::Cluster, &u64))| {
        let about: Option<AboutCluster> = serde_json::from_str(&cluster.about).ok();
        SavedCluster {
            cluster: number,
            name: cluster.name.clone(),
            size: *size,
            share: share(*size, documents),
            words: about.map(|about| about.words).unwrap_or_default(),
        }
    };
    Ok(SavedClustering {
        name: clustering.name.clone(),
        k: clustering.clusters.len(),
        documents,
        spherical: about.spherical,
        sequence: clustering.sequence,
        saved_at: clustering.saved_at,
        sampled: about.sampled,
        objective: about.objective,
        seed: about.seed,
        iterations: about.iterations,
        redo: about.redo,
        clusters: clustering
            .clusters
            .iter()
            .zip(&sizes)
            .enumerate()
            .map(cluster)
            .collect(),
    })
}
