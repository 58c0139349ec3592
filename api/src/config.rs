//! How a collection is made: where its vectors come from, how they are compared, how they are indexed.
//!
//! The configuration is stored with the collection and never changes silently; what rides on a query is in `query`.

use embedder::{Chunk, Identity, MIN_PASSAGE_TOKENS};
use engine::{Device, IndexSpec, Metric};
use serde::{Deserialize, Serialize};
use storage::MAX_DIMENSION;

use crate::{
    error::{Error, Result},
    template::Template,
};

/// Where a collection's vectors come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vectors {
    /// A model makes them from each document's text.
    Embedded {
        /// The model's name; `None` takes the default one.
        model: Option<String>,
        /// Makes the text of a document that has none, from its metadata (Jinja syntax).
        template: Option<String>,
    },
    /// Each document brings its own.
    Given {
        /// Components of each vector, 1 to 65,536.
        dimension: usize,
    },
}

/// How a collection is made. In JSON: `{"model", "template", "chunk", "metric", "index", "device"}` or `{"dimension", "metric",
/// "index", "device"}`, each of them optional; `{}` embeds text with the default model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ConfigFields", into = "ConfigFields")]
pub struct CollectionConfig {
    /// Where the vectors come from.
    pub vectors: Vectors,
    /// How two vectors are compared. Default: cosine.
    pub metric: Metric,
    /// How they are indexed. Default: `auto`.
    pub index: IndexSpec,
    /// Where they are searched. Default: `cpu`.
    pub device: Device,
    /// How long texts are cut into passages with a vector each, of which a search finds the best. Default: not, each text has
    /// one vector, and what the model does not read of a long one does not count.
    pub chunk: Option<Chunk>,
}

impl CollectionConfig {
    /// The largest dimension of a collection.
    pub const MAX_DIMENSION: usize = MAX_DIMENSION;

    /// Vectors made from text by the default model.
    #[must_use]
    pub fn embedded() -> Self {
        Self {
            vectors: Vectors::Embedded {
                model: None,
                template: None,
            },
            metric: Metric::Cosine,
            index: IndexSpec::Auto,
            device: Device::Cpu,
            chunk: None,
        }
    }

    /// Vectors of `dimension` components that the caller gives.
    #[must_use]
    pub fn given(dimension: usize) -> Self {
        Self {
            vectors: Vectors::Given { dimension },
            ..Self::embedded()
        }
    }

    /// Names the model. On a collection of given vectors this makes it one of embedded vectors.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.vectors = Vectors::Embedded {
            model: Some(name.into()),
            template: self.take_template(),
        };
        self
    }

    /// Sets the template that makes the text of documents that have none.
    #[must_use]
    pub fn template(mut self, source: impl Into<String>) -> Self {
        let model = match self.vectors {
            Vectors::Embedded { model, .. } => model,
            Vectors::Given { .. } => None,
        };
        self.vectors = Vectors::Embedded {
            model,
            template: Some(source.into()),
        };
        self
    }

    /// Sets the metric.
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Self {
        self.metric = metric;
        self
    }

    /// Sets the index.
    #[must_use]
    pub fn index(mut self, index: impl Into<IndexSpec>) -> Self {
        self.index = index.into();
        self
    }

    /// Sets the device.
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// Sets how long texts are cut into passages.
    #[must_use]
    pub fn chunk(mut self, chunk: Chunk) -> Self {
        self.chunk = Some(chunk);
        self
    }

    fn take_template(&mut self) -> Option<String> {
        match &mut self.vectors {
            Vectors::Embedded { template, .. } => template.take(),
            Vectors::Given { .. } => None,
        }
    }

    /// Checks what can be checked without the model.
    pub(crate) fn validate(&self) -> Result<()> {
        match &self.vectors {
            Vectors::Embedded { template, .. } => {
                template.as_deref().map(Template::compile).transpose()?;
            }
            Vectors::Given { dimension } if (1..=MAX_DIMENSION).contains(dimension) => {}
            Vectors::Given { dimension } => {
                return Err(Error::invalid(
                    "dimension",
                    dimension,
                    format!("1 to {MAX_DIMENSION}"),
                ));
            }
        }
        match (&self.chunk, &self.vectors) {
            (Some(chunk), Vectors::Given { .. }) => {
                let given = format!("{} tokens", chunk.tokens);
                let expected = "no chunk with a dimension: only a model makes vectors of passages";
                Err(Error::invalid("chunk", given, expected))
            }
            (Some(chunk), Vectors::Embedded { .. }) => check_chunk(chunk),
            (None, _) => Ok(()),
        }
    }
}

impl Default for CollectionConfig {
    fn default() -> Self {
        Self::embedded()
    }
}

/// The flat form of a configuration, in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dimension: Option<usize>,
    #[serde(default = "cosine")]
    metric: Metric,
    #[serde(default = "auto")]
    index: IndexSpec,
    #[serde(default)]
    device: Device,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chunk: Option<Chunk>,
}

fn cosine() -> Metric {
    Metric::Cosine
}

fn auto() -> IndexSpec {
    IndexSpec::Auto
}

impl TryFrom<ConfigFields> for CollectionConfig {
    type Error = Error;

    fn try_from(fields: ConfigFields) -> Result<Self> {
        let vectors = match (fields.dimension, fields.model, fields.template) {
            (Some(dimension), None, None) => Vectors::Given { dimension },
            (None, model, template) => Vectors::Embedded { model, template },
            (Some(dimension), Some(model), _) => {
                let expected =
                    format!("either a model or a dimension (model {model:?} has its own)");
                return Err(Error::invalid("dimension", dimension, expected));
            }
            (Some(_), None, Some(template)) => {
                let expected = "no template with a dimension: only a model makes vectors from text";
                return Err(Error::invalid(
                    "template",
                    format!("{template:?}"),
                    expected,
                ));
            }
        };
        Ok(Self {
            vectors,
            metric: fields.metric,
            index: fields.index,
            device: fields.device,
            chunk: fields.chunk,
        })
    }
}

impl From<CollectionConfig> for ConfigFields {
    fn from(config: CollectionConfig) -> Self {
        let (model, template, dimension) = match config.vectors {
            Vectors::Embedded { model, template } => (model, template, None),
            Vectors::Given { dimension } => (None, None, Some(dimension)),
        };
        Self {
            model,
            template,
            dimension,
            metric: config.metric,
            index: config.index,
            device: config.device,
            chunk: config.chunk,
        }
    }
}

/// Checks what can be checked without the model.
fn check_chunk(chunk: &Chunk) -> Result<()> {
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
    let expected = if room < MIN_PASSAGE_TOKENS {
        format!("no chunk with the model {model}, which reads {room} tokens of a text,")
    } else {
        format!("{MIN_PASSAGE_TOKENS} to {room}, as many as the model {model} reads,")
    };
    Err(Error::invalid("chunk.tokens", chunk.tokens, expected))
}

/// What is stored with a collection: its configuration, and the model that it is locked to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Locked {
    pub(crate) config: CollectionConfig,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<Identity>,
}

impl Locked {
    pub(crate) fn dimension(&self) -> usize {
        match (&self.model, &self.config.vectors) {
            (Some(identity), _) => identity.dimension,
            (None, Vectors::Given { dimension }) => *dimension,
            (None, Vectors::Embedded { .. }) => 0,
        }
    }

    pub(crate) fn template(&self) -> Option<&str> {
        match &self.config.vectors {
            Vectors::Embedded { template, .. } => template.as_deref(),
            Vectors::Given { .. } => None,
        }
    }

    /// Says how the model under the locked name differs from the one that the collection was made with.
    pub(crate) fn check_model(&self, collection: &str, installed: &Identity) -> Result<()> {
        let Some(locked) = &self.model else {
            return Ok(());
        };
        let pairs = [
            (
                "dimension",
                locked.dimension.to_string(),
                installed.dimension.to_string(),
            ),
            (
                "pooling",
                locked.pooling.to_string(),
                installed.pooling.to_string(),
            ),
            (
                "normalize",
                locked.normalize.to_string(),
                installed.normalize.to_string(),
            ),
            (
                "max_length",
                locked.max_length.to_string(),
                installed.max_length.to_string(),
            ),
            (
                "query_prefix",
                locked.query_prefix.clone(),
                installed.query_prefix.clone(),
            ),
            (
                "document_prefix",
                locked.document_prefix.clone(),
                installed.document_prefix.clone(),
            ),
            ("hash", locked.hash.clone(), installed.hash.clone()),
        ];
        for (field, locked_value, installed_value) in pairs {
            if locked_value != installed_value {
                return Err(Error::ModelMismatch {
                    collection: collection.to_owned(),
                    name: locked.name.clone(),
                    field,
                    locked: locked_value,
                    installed: installed_value,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use engine::Kind;

    use super::*;

    #[test]
    fn json_is_flat_and_every_field_is_optional() {
        let empty: CollectionConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(empty, CollectionConfig::embedded());
        let given: CollectionConfig =
            serde_json::from_str(r#"{"dimension": 3, "metric": "l2", "index": "Flat"}"#).unwrap();
        assert_eq!(
            given,
            CollectionConfig::given(3)
                .metric(Metric::L2)
                .index(Kind::flat())
        );
        let back = serde_json::to_value(&given).unwrap();
        assert_eq!(
            back,
            serde_json::json!({"dimension": 3, "metric": "l2", "index": "Flat", "device": "cpu"})
        );
    }

    #[test]
    fn contradictions_are_named() {
        for (json, field) in [
            (r#"{"dimension": 3, "model": "m"}"#, "dimension"),
            (r#"{"dimension": 3, "template": "t"}"#, "template"),
            (r#"{"colour": "red"}"#, "colour"),
            (r#"{"metric": "manhattan"}"#, "manhattan"),
            (r#"{"index": "Falt"}"#, "Falt"),
        ] {
            let error = serde_json::from_str::<CollectionConfig>(json)
                .unwrap_err()
                .to_string();
            assert!(error.contains(field), "{json}: {error}");
        }
        let chunk = |tokens, overlap| Chunk {
            tokens,
            overlap,
            at: embedder::Border::Sentence,
        };
        for (config, named) in [
            (
                CollectionConfig::given(3).chunk(chunk(20, 0)),
                "chunk: 20 tokens",
            ),
            (
                CollectionConfig::embedded().chunk(chunk(7, 0)),
                "chunk.tokens: 7",
            ),
            (
                CollectionConfig::embedded().chunk(chunk(20, 11)),
                "chunk.overlap: 11",
            ),
        ] {
            let message = config.validate().unwrap_err().to_string();
            assert!(message.contains(named), "{message}");
        }
        assert!(CollectionConfig::given(0).validate().is_err());
        assert!(
            CollectionConfig::embedded()
                .template("{{ name")
                .validate()
                .is_err()
        );
    }
}
