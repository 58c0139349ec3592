//! What can go wrong with the models of a cache folder, one sentence each: what was given, what was expected, what to do.

use std::{io, path::PathBuf};

/// What this crate returns when something goes wrong.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No cache folder was named.
    #[error(
        "no folder of models was named, so the model {name:?} cannot be found: name one, such as `default_home()`"
    )]
    NoHome {
        /// The model.
        name: String,
    },
    /// The model is not in the cache folder.
    #[error("there is no model {name:?} in {}: it holds {}; `make setup` fetches the default model, `vinedb models pull` others", folder.display(), list(known))]
    UnknownModel {
        /// The name given.
        name: String,
        /// Where models are looked for.
        folder: PathBuf,
        /// The names there are.
        known: Vec<String>,
    },
    /// A name, a repository or a setting is not one that is allowed.
    #[error("{field}: {given} was given, {expected} was expected")]
    Invalid {
        /// The field or the option.
        field: &'static str,
        /// What was given.
        given: String,
        /// What would have been right.
        expected: String,
    },
    /// A catalogue of models cannot be read.
    #[error("{place}: {reason}")]
    Catalogue {
        /// The file, and the model in it.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A model cannot be fetched from the hub or the package index.
    #[error("{repository} cannot be pulled: {reason}")]
    Pull {
        /// The repository, or the model of the catalogue.
        repository: String,
        /// Why, and what to do.
        reason: String,
        /// The field of [`ModelOptions`](crate::ModelOptions) that settles it, where one does.
        option: Option<&'static str>,
    },
    /// A folder is no model that can be run.
    #[error("{} cannot be added: {reason}", folder.display())]
    Add {
        /// The folder.
        folder: PathBuf,
        /// Why, and what to do.
        reason: String,
        /// The field of [`ModelOptions`](crate::ModelOptions) that settles it, where one does.
        option: Option<&'static str>,
    },
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// From the embedder.
    #[error(transparent)]
    Embedder(#[from] embedder::Error),
}

impl Error {
    /// The field of [`ModelOptions`](crate::ModelOptions) that settles it, such as `"pooling"`, where one does.
    #[must_use]
    pub fn model_option(&self) -> Option<&'static str> {
        match self {
            Self::Pull { option, .. } | Self::Add { option, .. } => *option,
            Self::Embedder(error) => error.model_option(),
            _ => None,
        }
    }

    /// An I/O error that names its path.
    pub(crate) fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            path: path.into(),
            source,
        }
    }

    pub(crate) fn invalid(
        field: &'static str,
        given: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            field,
            given: given.to_string(),
            expected: expected.into(),
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}
