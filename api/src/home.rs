//! The cache folder: where ONNX Runtime and the models lie.
//!
//! The one place in the library that reads the environment, so that `Database::open(dir)` finds the model that set-up
//! fetched without being told where. `Options::home` overrules it.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The cache folder: `$VINEDB_HOME`, else `$XDG_CACHE_HOME/vinedb`, else `~/.cache/vinedb`.
#[must_use]
pub fn default_home() -> PathBuf {
    let named = |variable: &str| {
        env::var_os(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    named("VINEDB_HOME")
        .or_else(|| named("XDG_CACHE_HOME").map(|cache| cache.join("vinedb")))
        .or_else(|| named("HOME").map(|home| home.join(".cache").join("vinedb")))
        .unwrap_or_else(|| PathBuf::from(".vinedb"))
}

/// Where the models lie, one folder each.
pub(crate) fn models_folder(home: &Path) -> PathBuf {
    home.join("models")
}

/// The ONNX Runtime library.
pub(crate) fn runtime_library(home: &Path) -> PathBuf {
    home.join("runtime").join("libonnxruntime.so")
}
