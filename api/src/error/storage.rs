//! From the document store's errors.

use storage::Error as E;

use super::{Cause, Error};

impl From<E> for Error {
    fn from(error: E) -> Self {
        let cause = |error: E| Cause::new(error);
        match error {
            E::EmptyKey | E::KeyTooLong { .. } => Self::BadKey {
                cause: cause(error),
            },
            E::MetadataTooDeep { ref key, limit } => Self::MetadataTooDeep {
                key: key.clone(),
                limit,
                cause: cause(error),
            },
            E::UnknownOperator { .. }
            | E::NoOperator { .. }
            | E::BadOperand { .. }
            | E::BadFilter { .. }
            | E::FilterTooDeep { .. }
            | E::FilterTooLarge { .. }
            | E::NoClustering
            | E::SeveralClusterings { .. } => Self::BadFilter {
                cause: cause(error),
            },
            E::UnknownClustering {
                ref given,
                ref known,
            } => Self::UnknownClustering {
                name: given.clone(),
                known: known.clone(),
                cause: cause(error),
            },
            E::UnknownCluster {
                ref clustering,
                ref given,
                ..
            } => Self::UnknownCluster {
                clustering: clustering.clone(),
                given: given.clone(),
                cause: cause(error),
            },
            E::BadClusteringName { ref given } | E::BadClusterName { ref given } => {
                Self::BadClusterName {
                    name: given.clone(),
                    cause: cause(error),
                }
            }
            E::ClusteringExists { .. }
            | E::ClusterNameTaken { .. }
            | E::TooManyClusterings { .. } => Self::ClusteringConflict {
                cause: cause(error),
            },
            E::Busy { .. } => Self::Busy(cause(error)),
            E::DiskFull { .. } => Self::DiskFull(cause(error)),
            E::ReadOnly { ref path } => Self::ReadOnlyFile {
                path: path.clone(),
                cause: cause(error),
            },
            E::DimensionMismatch {
                ref key,
                expected,
                actual,
            } => Self::DimensionMismatch {
                field: format!("the vector of document {key}"),
                given: actual,
                expected,
                source_of_dimension: String::new(),
            },
            E::NotFinite {
                ref key,
                component,
                value,
            } => Self::NotFinite {
                field: format!("the vector of document {key}"),
                value,
                component,
            },
            // What the facade checks first, and what no caller can mend.
            error => Self::Store(cause(error)),
        }
    }
}
