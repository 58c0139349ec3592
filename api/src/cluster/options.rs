//! What clustering is asked: the HTTP body, and the flags of the command line. Ranges are checked here, before anything is
//! read; those that depend on the number of documents, where that is known.

use std::{fmt, str::FromStr};

use engine::Device;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use storage::Filter;

use super::Save;
use crate::error::{Error, Result};

/// The most clusters that can be asked for.
pub const MAX_CLUSTERS: usize = 65_536;
/// The most documents that a map can show.
const MAX_MAPPED: usize = 10_000;
/// Vectors that k-means learns from, at most, in bytes; while it does they are in memory twice.
const MAX_SAMPLE_BYTES: usize = 2 << 30;

/// How to cluster. In JSON `{"k": 12}` is enough, and so is `{"k": "auto"}`.
///
/// ```
/// use vinedb::cluster::{ClusterOptions, K};
///
/// let options: ClusterOptions = serde_json::from_str(r#"{"k": "auto", "seed": 7}"#)?;
/// assert_eq!(options, ClusterOptions::new(K::Auto).seed(7));
/// assert_eq!(ClusterOptions::from(12), ClusterOptions::new(12));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterOptions {
    /// How many clusters: a number from 1 to that of the documents and to 65,536, or `auto`.
    pub k: K,
    /// Decides where the centroids start and which documents are looked at; the same seed gives the same clusters.
    /// Default: 1234.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// How often documents are assigned and centroids moved, 1 to 1,000. Default: 25.
    #[serde(default = "default_iterations")]
    pub iterations: usize,
    /// How often to start anew, 1 to 100; the best is kept. Default: 1.
    #[serde(default = "default_redo")]
    pub redo: usize,
    /// Whether vectors are compared by their angle alone. Default: for the metrics `cosine` and `inner_product`; otherwise,
    /// whatever the metric, squared Euclidean distance decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spherical: Option<bool>,
    /// How many documents, at most, the centroids are learnt from; every document is assigned to one in any case. Default:
    /// 256 for each cluster, 65,536 at least, as far as 2 GiB of vectors go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<usize>,
    /// Documents shown of each cluster, 0 to 100. Default: 3.
    #[serde(default = "default_nearest")]
    pub nearest: usize,
    /// Words that tell each cluster from the others, 0 to 100. Default: 10.
    #[serde(default = "default_words")]
    pub words: usize,
    /// Documents placed on a plane, to draw them, 0 to 10,000; they are drawn evenly from all. Default: 0.
    #[serde(default)]
    pub map: usize,
    /// Where the centroids are learnt: `cpu`, or `cuda` and `cuda:N` in a build with GPU support. Default: `cpu`.
    #[serde(default)]
    pub device: Device,
    /// Only documents whose metadata passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// The name to save the clustering under: see [`Collection::save_clusters`](crate::Collection::save_clusters).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub save: Option<Save>,
}

/// How many clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum K {
    /// This many.
    Fixed(usize),
    /// As many as fit the documents best, from 1 to 64 and to the square root of their number.
    Auto,
}

fn default_seed() -> u64 {
    1234
}

fn default_iterations() -> usize {
    25
}

fn default_redo() -> usize {
    1
}

fn default_nearest() -> usize {
    3
}

fn default_words() -> usize {
    10
}

impl ClusterOptions {
    /// For this many clusters, everything else as by default.
    #[must_use]
    pub fn new(k: impl Into<K>) -> Self {
        Self {
            k: k.into(),
            seed: default_seed(),
            iterations: default_iterations(),
            redo: default_redo(),
            spherical: None,
            sample: None,
            nearest: default_nearest(),
            words: default_words(),
            map: 0,
            device: Device::Cpu,
            filter: None,
            save: None,
        }
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the number of iterations.
    #[must_use]
    pub fn iterations(mut self, iterations: usize) -> Self {
        self.iterations = iterations;
        self
    }

    /// Sets how often to start anew.
    #[must_use]
    pub fn redo(mut self, redo: usize) -> Self {
        self.redo = redo;
        self
    }

    /// Compares by angle, or not, whatever the metric.
    #[must_use]
    pub fn spherical(mut self, spherical: bool) -> Self {
        self.spherical = Some(spherical);
        self
    }

    /// Sets how many documents the centroids are learnt from.
    #[must_use]
    pub fn sample(mut self, sample: usize) -> Self {
        self.sample = Some(sample);
        self
    }

    /// Sets how many documents of each cluster are shown.
    #[must_use]
    pub fn nearest(mut self, nearest: usize) -> Self {
        self.nearest = nearest;
        self
    }

    /// Sets how many words of each cluster are shown.
    #[must_use]
    pub fn words(mut self, words: usize) -> Self {
        self.words = words;
        self
    }

    /// Sets how many documents are placed on the map.
    #[must_use]
    pub fn map(mut self, map: usize) -> Self {
        self.map = map;
        self
    }

    /// Sets where the centroids are learnt.
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// Sets the filter.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Saves the clustering under a name.
    #[must_use]
    pub fn save(mut self, save: impl Into<Save>) -> Self {
        self.save = Some(save.into());
        self
    }

    /// What can be told without the documents.
    pub(super) fn validate(&self, dimension: usize) -> Result<()> {
        if let K::Fixed(k) = self.k {
            in_range("k", k, 1, MAX_CLUSTERS)?;
        }
        in_range("iterations", self.iterations, 1, 1000)?;
        in_range("redo", self.redo, 1, 100)?;
        in_range("nearest", self.nearest, 0, 100)?;
        in_range("words", self.words, 0, 100)?;
        in_range("map", self.map, 0, MAX_MAPPED)?;
        self.device.check()?;
        let Some(sample) = self.sample else {
            return Ok(());
        };
        let most = most_in_memory(dimension);
        if (1..=most).contains(&sample) {
            return Ok(());
        }
        let expected = format!("1 to {most}, whose vectors take {MAX_SAMPLE_BYTES} bytes");
        Err(Error::invalid("sample", sample, expected))
    }

    /// How many of these documents the centroids are learnt from.
    pub(super) fn sampled(&self, documents: usize, dimension: usize) -> Result<usize> {
        if documents == 0 {
            let expected = match self.filter {
                Some(_) => "a filter that some documents pass",
                None => "a collection with at least one",
            };
            return Err(Error::invalid("documents", 0, expected));
        }
        let k = match self.k {
            K::Fixed(k) => k,
            K::Auto => 1,
        };
        let which = match self.filter {
            Some(_) => "the number of documents that pass the filter",
            None => "the number of documents",
        };
        in_range_of("k", k, 1, documents, which)?;
        let sample = self
            .sample
            .unwrap_or_else(|| engine::default_sample(k).min(most_in_memory(dimension)));
        in_range_of("k", k, 1, sample, "the number of documents in the sample")?;
        Ok(sample.min(documents))
    }
}

fn most_in_memory(dimension: usize) -> usize {
    MAX_SAMPLE_BYTES / size_of::<f32>() / dimension.max(1)
}

fn in_range(field: &'static str, given: usize, low: usize, high: usize) -> Result<()> {
    if (low..=high).contains(&given) {
        return Ok(());
    }
    Err(Error::invalid(field, given, format!("{low} to {high}")))
}

fn in_range_of(
    field: &'static str,
    given: usize,
    low: usize,
    high: usize,
    which: &str,
) -> Result<()> {
    if (low..=high).contains(&given) {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        given,
        format!("{low} to {high} ({which})"),
    ))
}

impl From<usize> for K {
    fn from(k: usize) -> Self {
        Self::Fixed(k)
    }
}

impl From<usize> for ClusterOptions {
    fn from(k: usize) -> Self {
        Self::new(k)
    }
}

impl From<K> for ClusterOptions {
    fn from(k: K) -> Self {
        Self::new(k)
    }
}

impl fmt::Display for K {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(k) => write!(f, "{k}"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

/// What a k can be.
const EXPECTED: &str = "a number of 1 or more, or auto";

impl FromStr for K {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        match given.parse() {
            Ok(k) if k > 0 => Ok(Self::Fixed(k)),
            Err(_) if given == "auto" => Ok(Self::Auto),
            _ => Err(format!("{given} was given, {EXPECTED} was expected")),
        }
    }
}

impl Serialize for K {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(k) => serializer.serialize_u64(*k as u64),
            Self::Auto => serializer.serialize_str("auto"),
        }
    }
}

impl<'de> Deserialize<'de> for K {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrAuto)
    }
}

struct NumberOrAuto;

impl de::Visitor<'_> for NumberOrAuto {
    type Value = K;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_u64<E: de::Error>(self, k: u64) -> Result<K, E> {
        let k =
            usize::try_from(k).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(k), &self))?;
        Ok(K::Fixed(k))
    }

    fn visit_str<E: de::Error>(self, given: &str) -> Result<K, E> {
        match given {
            "auto" => Ok(K::Auto),
            _ => Err(E::invalid_value(de::Unexpected::Str(given), &self)),
        }
    }
}
