//! What a model's folder leaves out and its user sets instead, in the file `vinedb.json`.
//!
//! Invariant: it adds and never overrides. Where another file of the folder disagrees, both values are named and the model is
//! refused. Only `dimensions` may be less than what the folder has, for models that are trained for it.

use super::file::{contradiction, read_json, unsettled};
use super::pooling::Pooling;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The file's name in a model's folder.
pub(crate) const FILE: &str = "vinedb.json";

/// Settings that a model's own files leave out, such as the pooling and the prefixes of a bare ONNX export. A refusal that one
/// of them settles names it: [`Error::model_option`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelOptions {
    /// How token states become one vector; `"model"` where the ONNX file does it. Needed where the folder has no
    /// `modules.json` and the output taken is one of token states.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// Whether vectors are scaled to length 1. Without this and `modules.json`, they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalize: Option<bool>,
    /// Tokens per text, special tokens included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// Whether texts are lower-cased before the tokenizer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lowercase: Option<bool>,
    /// Put before every query, such as `"query: "`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_prefix: Option<String>,
    /// Put before every document, such as `"passage: "`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_prefix: Option<String>,
    /// Leading components that are kept of each vector, for models trained so that these stand for the whole (Kusupati et
    /// al., "Matryoshka Representation Learning", 2022). As sentence-transformers does, it cuts after all modules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<usize>,
    /// The output of the ONNX file to take, where its names leave a doubt: a name, or where none is called so a position,
    /// counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Components of that output's rows, where neither `config.json` (`hidden_size`) nor the ONNX file says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
}

impl ModelOptions {
    /// Reads those of the model folder `dir`; none is set where it has no `vinedb.json`.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Unreadable`] naming the file.
    pub fn read(dir: &Path) -> Result<Self> {
        Ok(Given::read(dir)?.options)
    }

    /// These, completed by `others`.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            pooling: self.pooling.or(others.pooling),
            normalize: self.normalize.or(others.normalize),
            max_length: self.max_length.or(others.max_length),
            lowercase: self.lowercase.or(others.lowercase),
            query_prefix: self.query_prefix.or(others.query_prefix),
            document_prefix: self.document_prefix.or(others.document_prefix),
            dimensions: self.dimensions.or(others.dimensions),
            output: self.output.or(others.output),
            width: self.width.or(others.width),
        }
    }

    /// Writes them into the model folder `dir`, in place of those that are there. Where none is set, the file is removed.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(FILE);
        if *self == Self::default() {
            return match std::fs::remove_file(&path) {
                Err(source) if source.kind() != ErrorKind::NotFound => {
                    Err(Error::Io { path, source })
                }
                _ => Ok(()),
            };
        }
        let bytes = serde_json::to_vec_pretty(self).map_err(|source| Error::Unreadable {
            path: path.clone(),
            source: source.into(),
        })?;
        std::fs::write(&path, bytes).map_err(|source| Error::Io { path, source })
    }
}

/// The options of a folder and the file they came from.
pub(crate) struct Given {
    pub(crate) options: ModelOptions,
    path: PathBuf,
}

impl Given {
    /// Reads those of the folder `dir`; most have none.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let options = if path.is_file() {
            read_json(FILE, &path)?
        } else {
            ModelOptions::default()
        };
        Ok(Self { options, path })
    }

    /// The value of `field`: the one that the folder has in `file`, else the given one. They must not differ.
    pub(crate) fn settle<T: PartialEq + Display>(
        &self,
        field: &'static str,
        given: Option<T>,
        folder: Option<(T, &str)>,
    ) -> Result<Option<T>> {
        match (given, folder) {
            (Some(given), Some((value, file))) if given != value => Err(unsettled(
                field,
                &self.path,
                format!("has `{field}` {given}, where {file} has {value}"),
                format!("leave `{field}` out: options only add what a model's own files leave out"),
            )),
            (given, folder) => Ok(folder.map(|(value, _)| value).or(given)),
        }
    }

    /// How many of `full` components are kept: what the option says, else what the folder has, in the file at that path.
    pub(crate) fn dimensions(&self, full: usize, folder: Option<(usize, &Path)>) -> Result<usize> {
        let kept = folder.map(|(kept, _)| kept).filter(|kept| *kept > 0);
        let most = kept.map_or(full, |kept| kept.min(full));
        let (kept, path) = match (self.options.dimensions, folder) {
            (Some(given), _) => (given, self.path.as_path()),
            // As in sentence-transformers, cutting at more than there is cuts nothing.
            (None, Some((kept, path))) => (kept.min(full), path),
            (None, None) => return Ok(full),
        };
        if (1..=most).contains(&kept) {
            return Ok(kept);
        }
        let found = format!("asks for {kept} dimensions, where the model has {most}");
        let fix = format!("set `dimensions` to a number from 1 to {most}");
        Err(if self.options.dimensions.is_some() {
            unsettled("dimensions", path, found, fix)
        } else {
            contradiction(path, found, format!("from 1 to {most} can be kept"))
        })
    }
}
