//! Text in, vectors out.
//!
//! [`OnnxEmbedder`] runs a BERT-family model on ONNX Runtime, from a folder as sentence-transformers or Optimum write it, or
//! from a bare ONNX file with a tokenizer ([`ModelOptions`] say the rest). Texts from many callers share batches of similar
//! length, queries overtake bulk work, and a text's vector is the same alone and in any batch. [`OnnxReranker`] serves
//! cross-encoders in the same way. [`Embed`] is their interface, [`Identity`] what their vectors depend on.
//!
//! ```
//! use vinedb_embedder::{Embed, HashEmbedder, Purpose};
//!
//! let embedder = HashEmbedder::new(64); // no model; `OnnxEmbedder::open` takes one
//! let rows = embedder.embed(&["a dry white", "a dry white wine", "gear oil"], Purpose::Document)?;
//! let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
//! assert_eq!((rows.len(), rows.dimension()), (3, 64));
//! assert!(dot(rows.row(0), rows.row(1)) > dot(rows.row(0), rows.row(2)));
//! # Ok::<(), vinedb_embedder::Error>(())
//! ```
//!
//! [`convert`] makes an ONNX model of `config.json` and `model.safetensors`, and one in 8 bits of one in 32-bit floats.
//!
//! Nothing is downloaded and no environment variable is read: the caller names the model's folder and the runtime's library.
#![forbid(unsafe_code)]

mod caller;
pub mod convert;
mod embed;
mod error;
mod hash;
mod identity;
mod model;
mod onnx;
mod passages;
mod pool;
mod reranker;
mod runtime;
mod session;
mod settings;
mod tokenize;
mod worker;

pub use caller::Caller;
pub use embed::{Embed, Embeddings, Pending, Purpose};
pub use error::{Cause, Error, Result};
pub use hash::HashEmbedder;
pub use identity::{Identity, identity};
pub use model::{OnnxEmbedder, Options, room};
pub use passages::{Border, Chunk, MIN_PASSAGE_TOKENS, passages};
pub use reranker::OnnxReranker;
pub use settings::{ModelOptions, Pooling, PoolingMode};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
