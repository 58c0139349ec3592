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

/// The hub that models come from.
#[cfg(feature = "hub")]
pub(crate) struct Hub {
    pub(crate) endpoint: String,
    pub(crate) token: Option<String>,
    pub(crate) offline: bool,
}

#[cfg(feature = "hub")]
impl Hub {
    /// As `huggingface_hub` has it: `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE`.
    pub(crate) fn from_env() -> Self {
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let yes = |value: String| ["1", "on", "yes", "true"].contains(&&*value.to_lowercase());
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: set("HF_TOKEN"),
            offline: set("HF_HUB_OFFLINE").is_some_and(yes),
        }
    }
}

/// Where the models lie, one folder each.
pub(crate) fn models_folder(home: &Path) -> PathBuf {
    home.join("models")
}

/// The ONNX Runtime library.
pub(crate) fn runtime_library(home: &Path) -> PathBuf {
    home.join("runtime").join("libonnxruntime.so")
}
