//! Everything that can go wrong here, each with the facts that name it. Nothing is logged; the caller decides.

use std::path::PathBuf;

use crate::device::Device;
use crate::file::Stamp;
use crate::metric::Metric;
use crate::spec::{IndexSpec, Kind};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong: what was given, what was expected, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A dimension that no index can have.
    #[error("dimension {given} is out of range: give a dimension from 1 to {maximum}")]
    DimensionRange {
        /// The dimension asked for.
        given: usize,
        /// The largest there is.
        maximum: usize,
    },
    /// A vector of another dimension than the index's.
    #[error(
        "a vector of dimension {actual} was given where dimension {expected} is expected: use the model the index was built with"
    )]
    DimensionMismatch {
        /// The index's dimension.
        expected: usize,
        /// The vector's.
        actual: usize,
    },
    /// A slice of numbers that is no whole number of vectors.
    #[error(
        "{length} numbers are no whole number of vectors of dimension {dimension}: give every vector {dimension} numbers"
    )]
    RaggedVectors {
        /// How many numbers were given.
        length: usize,
        /// The dimension they were to have.
        dimension: usize,
    },
    /// Not as many ids as vectors.
    #[error("{ids} ids were given for {vectors} vectors: give one id per vector")]
    IdCount {
        /// How many ids.
        ids: usize,
        /// How many vectors.
        vectors: usize,
    },
    /// A component that is NaN or infinite.
    #[error("vector {row} has NaN or infinity as component {component}: give finite numbers only")]
    NotFinite {
        /// The vector's place among those given, from 0.
        row: usize,
        /// The component's place in the vector, from 0.
        component: usize,
    },
    /// A vector so long that distances to it overflow.
    #[error(
        "vector {row} is longer than {maximum:e}, so that its distances overflow: scale the vectors down, or use the metric cosine"
    )]
    NormTooLarge {
        /// The vector's place among those given, from 0.
        row: usize,
        /// The largest length allowed.
        maximum: f32,
    },
    /// A component that a kind of half precision cannot hold.
    #[error(
        "vector {row} has a component ({component}) beyond {maximum}, the most that an index {kind} can hold: use SQbf16 or SQ8 instead of SQfp16, or scale the vectors down"
    )]
    ComponentTooLarge {
        /// The vector's place among those given, from 0.
        row: usize,
        /// The component's place in the vector, from 0.
        component: usize,
        /// The largest magnitude that it holds.
        maximum: f32,
        /// What the index is.
        kind: Kind,
    },
    /// A sample from which an index learned nothing that could tell vectors apart.
    #[error(
        "an index {kind} trained on these vectors would not find them again: they vary in fewer directions than it keeps; keep fewer components, or do without whitening (PCA instead of PCAW)"
    )]
    DegenerateSample {
        /// What the index is.
        kind: Kind,
    },
    /// An index specification that cannot be had.
    #[error("index \"{given}\" cannot be had: {reason}")]
    BadSpec {
        /// The specification as it was given.
        given: String,
        /// Why, and the nearest that works.
        reason: String,
    },
    /// A metric that does not exist.
    #[error(
        "metric \"{given}\" does not exist: give l2, cosine, inner_product, l1, linf, lp(p) with p from 0.1 to 64, canberra, braycurtis or jensenshannon"
    )]
    BadMetric {
        /// The name given.
        given: String,
    },
    /// A component below 0 under a metric that has no meaning there.
    #[error(
        "vector {row} has a component below 0 ({component}), which the metric {metric} has no meaning for: give numbers of 0 or more, or use another metric"
    )]
    Negative {
        /// The vector's place among those given, from 0.
        row: usize,
        /// The component's place in the vector, from 0.
        component: usize,
        /// The metric.
        metric: Metric,
    },
    /// A device that does not exist.
    #[error("device \"{given}\" does not exist: give cpu, cuda or cuda:N")]
    BadDevice {
        /// The name given.
        given: String,
    },
    /// A GPU, for a build that has no GPU support.
    #[error(
        "this build has no GPU support, so device {device} cannot be used: use cpu, or build with the cargo feature gpu where it is offered"
    )]
    NoGpu {
        /// The device asked for.
        device: Device,
    },
    /// Vectors added to an index that must be trained first.
    #[error("an index {kind} needs training before vectors are added: train it first")]
    NotTrained {
        /// What the index is.
        kind: Kind,
    },
    /// Too few vectors to train on.
    #[error(
        "{given} training vectors are too few for an index {kind}: give at least {minimum}, or use Flat"
    )]
    TooFewTrainingVectors {
        /// What the index is.
        kind: Kind,
        /// How many vectors were given.
        given: usize,
        /// How many it takes.
        minimum: usize,
    },
    /// Ids that do not rise.
    #[error(
        "id {id} follows id {previous}: add ids in strictly ascending order, above every id inside"
    )]
    IdOrder {
        /// The id given.
        id: i64,
        /// The id before it, given or inside.
        previous: i64,
    },
    /// An id outside of what an index holds.
    #[error("id {id} is out of range: give ids from 0 to {maximum}")]
    IdRange {
        /// The id given.
        id: i64,
        /// The largest allowed.
        maximum: i64,
    },
    /// More vectors than an index can hold.
    #[error(
        "an index holds at most {maximum} vectors and would have {given}: split the collection"
    )]
    IndexFull {
        /// How many there would be.
        given: usize,
        /// How many fit.
        maximum: usize,
    },
    /// A search parameter of another kind of index.
    #[error(
        "the parameter {parameter} does not fit an index {index}; the kinds that take it are {kinds}: leave it out"
    )]
    ParameterMismatch {
        /// The parameter's name.
        parameter: &'static str,
        /// What the index is.
        index: IndexSpec,
        /// The kinds that take it.
        kinds: &'static str,
    },
    /// `recall` beside a parameter that it chooses.
    #[error("recall chooses {parameter} itself: give one of the two")]
    ParameterConflict {
        /// The parameter given beside `recall`.
        parameter: &'static str,
    },
    /// A change to an index that is mapped from its file.
    #[error("the index is mapped from its file for reading only: load it to change it")]
    ReadOnly,
    /// The caller wanted no more.
    #[error("it was cancelled; nothing was changed")]
    Cancelled,
    /// Something that this kind of index cannot do.
    #[error("an index {kind} cannot {operation}: {instead}")]
    Unsupported {
        /// What the index is.
        kind: Kind,
        /// What was to be done.
        operation: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// A number out of its range.
    #[error("{parameter} is {given}: give {expected}")]
    ParameterRange {
        /// The parameter's name.
        parameter: &'static str,
        /// The number given.
        given: String,
        /// The range it must be in.
        expected: String,
    },
    /// An index file that cannot be trusted.
    #[error("index file {} cannot be used: {reason}; a database builds its index again when it is next opened for writing", path.display())]
    CorruptIndex {
        /// The file.
        path: PathBuf,
        /// What does not hold.
        reason: String,
    },
    /// A sound index file that belongs to another state of the collection.
    #[error("index file {} is stale: it has {found}, expected is {expected}; build the index again", path.display())]
    StaleIndex {
        /// The file.
        path: PathBuf,
        /// The stamp asked for.
        expected: Stamp,
        /// The stamp in the file.
        found: Stamp,
    },
    /// A FAISS file that cannot be taken in.
    #[error("{} cannot be imported: {reason}; nothing was changed", path.display())]
    BadForeign {
        /// The file.
        path: PathBuf,
        /// What does not hold.
        reason: String,
    },
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// FAISS failed at something that was expected to work.
    #[error("FAISS failed to {operation}: {message}")]
    Faiss {
        /// What was to be done.
        operation: &'static str,
        /// What FAISS said.
        message: String,
    },
    /// An index that is held in Rust failed at something that was expected to work.
    #[error("the index failed to {operation}: {message}")]
    InRust {
        /// What was to be done.
        operation: &'static str,
        /// What went wrong.
        message: String,
    },
}

impl Error {
    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn foreign(path: &std::path::Path, reason: impl Into<String>) -> Self {
        Self::BadForeign {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn corrupt(path: &std::path::Path, reason: impl Into<String>) -> Self {
        Self::CorruptIndex {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
