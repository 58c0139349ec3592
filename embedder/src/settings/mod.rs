//! What a model's folder says: its files read, held against each other, and gathered in [`Settings`].
//!
//! From the bottom up: `file` reads and refuses, `options` is what users add, a module for each file or group of files, and
//! `model` and `cross_encoder`, which gather. Weights and tokenizer are only located here, not opened.

mod cross_encoder;
mod dense;
mod file;
mod model;
mod modules;
mod options;
mod output;
mod pooling;
mod prompts;
mod transformer;

pub(crate) use dense::{Activation, DenseConfig};
pub(crate) use file::{contradiction, read_json, unsettled};
pub(crate) use model::Settings;
pub(crate) use modules::Step;
pub use options::ModelOptions;
pub(crate) use output::{Offer, Output, Wanted, Widths};
pub use pooling::{Pooling, PoolingMode};
