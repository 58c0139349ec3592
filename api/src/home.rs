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
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: set("HF_TOKEN"),
            offline: is_on("HF_HUB_OFFLINE"),
        }
    }
}

/// The index that Python packages come from.
#[cfg(feature = "hub")]
pub(crate) struct PackageIndex {
    pub(crate) url: String,
    /// A file of certificates to trust instead of those that are built in.
    pub(crate) certificates: Option<PathBuf>,
    pub(crate) offline: bool,
}

#[cfg(feature = "hub")]
impl PackageIndex {
    /// As pip has it, `PIP_INDEX_URL` and `PIP_CERT`, and the `SSL_CERT_FILE` of OpenSSL; offline as the hub is.
    pub(crate) fn from_env() -> Self {
        let url = set("PIP_INDEX_URL").unwrap_or_else(|| "https://pypi.org/simple".to_owned());
        Self {
            url: url.trim_end_matches('/').to_owned(),
            certificates: set("PIP_CERT")
                .or_else(|| set("SSL_CERT_FILE"))
                .map(PathBuf::from),
            offline: is_on("HF_HUB_OFFLINE"),
        }
    }
}

#[cfg(feature = "hub")]
fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(feature = "hub")]
fn is_on(name: &str) -> bool {
    let yes = |value: String| ["1", "on", "yes", "true"].contains(&&*value.to_lowercase());
    set(name).is_some_and(yes)
}

/// Where the models lie, one folder each.
pub(crate) fn models_folder(home: &Path) -> PathBuf {
    home.join("models")
}

/// The ONNX Runtime library.
pub(crate) fn runtime_library(home: &Path) -> PathBuf {
    home.join("runtime").join("libonnxruntime.so")
}
