//! Finds and reads the files of a model's folder; the errors that name them.

use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// `file` in one of two folders, or in their subfolder `onnx`, where Optimum and the hub put it.
pub(crate) fn first_of(first: &Path, second: &Path, file: &'static str) -> Result<PathBuf> {
    let folders = [
        first.to_owned(),
        first.join("onnx"),
        second.to_owned(),
        second.join("onnx"),
    ];
    let mut paths = folders.iter().map(|folder| folder.join(file));
    paths
        .find(|path| path.is_file())
        .ok_or_else(|| Error::MissingModelFile {
            file,
            path: first.join(file),
        })
}

/// Reads a file of the model, which users know as `file`.
pub(crate) fn read_json<T: DeserializeOwned>(file: &'static str, path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::MissingModelFile {
            file,
            path: path.to_owned(),
        },
        _ => Error::Io {
            path: path.to_owned(),
            source,
        },
    })?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source: source.into(),
    })
}

/// An error about a file of the model: what it says, and what to do.
pub(crate) fn contradiction(
    path: &Path,
    found: impl Into<String>,
    expected: impl Into<String>,
) -> Error {
    Error::ModelConfig {
        path: path.to_owned(),
        found: found.into(),
        expected: expected.into(),
        option: None,
    }
}

/// As [`contradiction`], about something that the field `option` of [`ModelOptions`](super::ModelOptions) settles.
pub(crate) fn unsettled(
    option: &'static str,
    path: &Path,
    found: impl Into<String>,
    expected: impl Into<String>,
) -> Error {
    Error::ModelConfig {
        path: path.to_owned(),
        found: found.into(),
        expected: expected.into(),
        option: Some(option),
    }
}
