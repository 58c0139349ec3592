//! `modules.json` and the pooling's `config.json`.
//!
//! A Transformer, a Pooling, and then any number of Dense and Normalize are supported. Invariant: the widths of consecutive
//! modules fit.

use super::dense::{Activation, DenseConfig};
use super::file::{contradiction, read_json};
use super::pooling::{Pooling, PoolingMode};
use crate::error::{Error, Result};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A module after the pooling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Dense(DenseConfig),
    Normalize,
    Activation(Activation),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dense(dense) => write!(f, "dense {}", dense.activation.name()),
            Self::Normalize => f.write_str("normalize"),
            Self::Activation(function) => f.write_str(function.name()),
        }
    }
}

/// The modules of a folder.
pub(crate) struct Modules {
    pub(crate) transformer: PathBuf,
    pub(crate) pooling: PoolingFile,
    pub(crate) steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Modules {
    /// Reads `modules.json` of the folder `dir`; nothing when there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join("modules.json");
        if !path.is_file() {
            return Ok(None);
        }
        let modules = read_json::<Vec<Module>>("modules.json", &path)?;
        let (mut transformer, mut pooling, mut steps) = (None, None, Vec::new());
        for module in modules {
            let folder = dir.join(&module.path);
            let name = module.kind.rsplit('.').next().unwrap_or_default();
            match (name, pooling.is_some()) {
                ("Transformer", false) if transformer.is_none() => transformer = Some(folder),
                ("Pooling", false) => pooling = Some(folder.join("config.json")),
                ("Normalize", true) => steps.push(Step::Normalize),
                ("Dense", true) => steps.push(Step::Dense(DenseConfig::read(&folder)?)),
                // Used in training only.
                ("Dropout", _) => {}
                _ => return Err(unsupported(&path, &module.kind)),
            }
        }
        Ok(Some(Self {
            transformer: transformer.ok_or_else(|| missing(&path, "Transformer"))?,
            pooling: PoolingFile::read(pooling.ok_or_else(|| missing(&path, "Pooling"))?)?,
            steps,
        }))
    }
}

/// The width after `steps`, which start from `width`.
pub(crate) fn width_after(steps: &[Step], mut width: usize) -> Result<usize> {
    for step in steps {
        if let Step::Dense(dense) = step {
            if dense.input != width || dense.output == 0 {
                let path = dense.weights.with_file_name("config.json");
                let found = format!(
                    "has `in_features` {} and `out_features` {}, where vectors of {width} components come in",
                    dense.input, dense.output
                );
                return Err(contradiction(
                    &path,
                    found,
                    "put the files of one model there",
                ));
            }
            width = dense.output;
        }
    }
    Ok(width)
}

/// The pooling's `config.json`.
pub(crate) struct PoolingFile {
    pub(crate) path: PathBuf,
    pub(crate) width: usize,
    pub(crate) pooling: Pooling,
    pub(crate) include_prompt: bool,
}

/// In both forms that sentence-transformers writes: `pooling_mode`, or a switch per mode.
#[derive(Deserialize)]
struct PoolingConfig {
    #[serde(alias = "embedding_dimension")]
    word_embedding_dimension: usize,
    pooling_mode: Option<Pooling>,
    include_prompt: Option<bool>,
    #[serde(flatten)]
    rest: HashMap<String, serde_json::Value>,
}

impl PoolingFile {
    fn read(path: PathBuf) -> Result<Self> {
        let config: PoolingConfig = read_json("1_Pooling/config.json", &path)?;
        Ok(Self {
            width: config.word_embedding_dimension,
            include_prompt: config.include_prompt.unwrap_or(true),
            pooling: config.pooling(&path)?,
            path,
        })
    }
}

impl PoolingConfig {
    fn pooling(&self, path: &Path) -> Result<Pooling> {
        let is_on = |name: &str| self.rest.get(name) == Some(&serde_json::Value::Bool(true));
        let known = PoolingMode::ALL.map(PoolingMode::switch);
        let unknown = |name: &&String| {
            name.starts_with("pooling_mode_") && is_on(name) && !known.contains(&name.as_str())
        };
        if let Some(name) = self.rest.keys().find(unknown) {
            let fix = format!("supported are {}", known.join(", "));
            return Err(contradiction(path, format!("has `{name}`"), fix));
        }
        let modes = PoolingMode::ALL
            .into_iter()
            .filter(|mode| is_on(mode.switch()));
        let modes: Vec<_> = modes.collect();
        match &self.pooling_mode {
            Some(pooling) => Ok(pooling.clone()),
            None if modes.is_empty() => Err(contradiction(
                path,
                "asks for no pooling",
                "set `pooling_mode` to that which the model was trained with, such as \"mean\" or \"cls\"",
            )),
            None => Ok(Pooling::of(&modes)),
        }
    }
}

fn unsupported(path: &Path, kind: &str) -> Error {
    let fix = "a Transformer, a Pooling, and then Dense and Normalize are supported: use a model of these";
    contradiction(
        path,
        format!("has a module of type `{kind}` at this place"),
        fix,
    )
}

fn missing(path: &Path, kind: &str) -> Error {
    contradiction(
        path,
        format!("has no module of type `{kind}`"),
        "list the model's modules there, as sentence-transformers does",
    )
}
