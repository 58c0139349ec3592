//! From the errors of the models in the cache folder.

use models::Error as E;

use super::{Cause, Error};

impl From<E> for Error {
    fn from(error: E) -> Self {
        match error {
            E::NoHome { name } => Self::NoModelFolder { name },
            E::UnknownModel {
                ref name,
                ref folder,
                ref known,
            } => Self::UnknownModel {
                name: name.clone(),
                folder: folder.clone(),
                known: known.clone(),
                cause: Cause::new(error),
            },
            E::Invalid {
                field,
                given,
                expected,
            } => Self::Invalid {
                field,
                given,
                expected,
            },
            E::Io { path, source } => Self::Io { path, source },
            E::Embedder(error) => error.into(),
            error => Self::Model(Cause::new(error)),
        }
    }
}
