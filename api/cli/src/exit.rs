//! How a command ends, and what its process exits with.

/// What a command that was interrupted exits with.
pub(crate) const INTERRUPTED: u8 = 130;
/// What arguments that are wrong in themselves exit with, whether clap finds that out or we do.
pub(crate) const MISUSED: u8 = 2;

/// Arguments that are each right and wrong together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// How a command ended, short of failing.
pub(crate) enum Outcome {
    Done,
    /// It ran, and what was asked for is not there.
    Nothing,
    Interrupted,
}
