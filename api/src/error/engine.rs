//! From the index layer's errors.

use engine::Error as E;

use super::{Cause, Error};

impl From<E> for Error {
    fn from(error: E) -> Self {
        let cause = |error: E| Cause::new(error);
        match error {
            E::DimensionMismatch { expected, actual } => Self::DimensionMismatch {
                field: "vector".to_owned(),
                given: actual,
                expected,
                source_of_dimension: String::new(),
            },
            E::DimensionRange { given, maximum } => {
                Self::invalid("dimension", given, format!("1 to {maximum}"))
            }
            E::NormTooLarge { maximum, .. } | E::ComponentTooLarge { maximum, .. } => {
                Self::VectorTooLarge {
                    maximum,
                    cause: cause(error),
                }
            }
            E::Negative { component, .. } => Self::NegativeComponent {
                component,
                cause: cause(error),
            },
            E::BadSpec { ref given, .. } => Self::BadIndex {
                given: given.clone(),
                cause: cause(error),
            },
            E::BadMetric { ref given } => Self::BadMetric {
                given: given.clone(),
                cause: cause(error),
            },
            E::BadDevice { ref given } => Self::BadDevice {
                given: given.clone(),
                cause: cause(error),
            },
            E::NoGpu { ref device } => Self::BadDevice {
                given: device.to_string(),
                cause: cause(error),
            },
            E::ParameterMismatch { parameter, .. }
            | E::ParameterRange { parameter, .. }
            | E::ParameterConflict { parameter } => Self::BadParameter {
                parameter,
                cause: cause(error),
            },
            E::Unsupported { operation, .. } => Self::Unsupported {
                operation,
                cause: cause(error),
            },
            E::Cancelled => Self::Cancelled {
                cause: cause(error),
            },
            E::TooFewTrainingVectors { given, minimum, .. } => Self::Untrained {
                given: Some(given),
                minimum: Some(minimum),
                cause: cause(error),
            },
            E::NotTrained { .. } | E::DegenerateSample { .. } => Self::Untrained {
                given: None,
                minimum: None,
                cause: cause(error),
            },
            E::BadForeign { ref path, .. } => Self::BadIndexFile {
                path: path.clone(),
                cause: cause(error),
            },
            E::IndexFull { maximum, .. } => Self::IndexFull {
                maximum,
                cause: cause(error),
            },
            // What the facade checks first, and what no caller can mend.
            error => Self::Index(cause(error)),
        }
    }
}
