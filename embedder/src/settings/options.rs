//! What a model's folder leaves out and its user says instead: the file `vinedb.json` in it.
//!
//! Invariant: it adds and never overrules. Where another file of the folder says something else, both values are named and
//! the model is refused. Only `dimensions` may be less than what the folder has, for models that are trained for it.

use super::file::{contradiction, read_json};
use super::pooling::Pooling;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The file's name in a model's folder.
pub(crate) const FILE: &str = "vinedb.json";

/// Settings of a model that its own files do not have, such as pooling and prefixes of a bare ONNX export.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelOptions {
    /// How token states become one vector; `"model"` where the ONNX file does it.
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
    /// The output of the ONNX file to take, where its names leave a doubt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

impl ModelOptions {
    /// Those that the model folder `dir` has; none of them where it has no `vinedb.json`.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Unreadable`] naming the file.
    pub fn read(dir: &Path) -> Result<Self> {
        Ok(Given::read(dir)?.options)
    }

    /// These, and where they leave something out, `others`.
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
        }
    }

    /// Writes them into the model folder `dir`, in place of those that are there. Where nothing is said there is no file.
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

/// The options of a folder, and where they came from.
pub(crate) struct Given {
    pub(crate) options: ModelOptions,
    path: PathBuf,
}

impl Given {
    /// Those in the folder `dir`; none is the usual case.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let options = if path.is_file() {
            read_json(FILE, &path)?
        } else {
            ModelOptions::default()
        };
        Ok(Self { options, path })
    }

    /// The value of `field`: the folder's, which `file` says, else the given one. They must not differ.
    pub(crate) fn settle<T: PartialEq + Display>(
        &self,
        field: &str,
        given: Option<T>,
        folder: Option<(T, &str)>,
    ) -> Result<Option<T>> {
        match (given, folder) {
            (Some(given), Some((value, file))) if given != value => Err(contradiction(
                &self.path,
                format!("has `{field}` {given}, where {file} has {value}"),
                format!(
                    "leave `{field}` out of {FILE}: it only adds what a model's own files leave out"
                ),
            )),
            (given, folder) => Ok(folder.map(|(value, _)| value).or(given)),
        }
    }

    /// How many components are kept of `full`: the option's number, else the folder's, which `file` says.
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
        Err(contradiction(
            path,
            format!("asks for {kept} dimensions, where the model has {most}"),
            format!("from 1 to {most} can be kept"),
        ))
    }
}
