//! From the embedder's errors.

use embedder::Error as E;

use super::{Cause, Error};

impl From<E> for Error {
    fn from(error: E) -> Self {
        let cause = |error: E| Cause::new(error);
        match error {
            E::Overloaded { queued, limit } => Self::Overloaded {
                queued,
                limit,
                cause: cause(error),
            },
            E::Text { index, .. } => Self::Text {
                index,
                cause: cause(error),
            },
            E::Tokenize { .. } => Self::Text {
                index: 0,
                cause: cause(error),
            },
            E::Closed => Self::Stopping {
                cause: cause(error),
            },
            E::Withdrawn => Self::Cancelled {
                cause: cause(error),
            },
            // The model's own files, ONNX Runtime, and what it computes.
            error => Self::Model(cause(error)),
        }
    }
}
