//! Text in, vectors out.
//!
//! [`OnnxEmbedder`] runs a BERT-family model folder, as sentence-transformers or Optimum write it, on ONNX Runtime: texts from many
//! callers share batches of similar length, queries go ahead of bulk work, and a text's vector is the same alone and in
//! any batch. [`OnnxReranker`] serves a cross-encoder in the same way. [`Embed`] is what the rest of the database sees, [`Identity`] what a collection is locked to.
//!
//! ```
//! use vinedb_embedder::{Embed, HashEmbedder, Purpose};
//!
//! let embedder = HashEmbedder::new(64); // a stand-in; `OnnxEmbedder::open` takes a model
//! let rows = embedder.embed(&["a dry white", "a dry white wine", "gear oil"], Purpose::Document)?;
//! let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
//! assert_eq!((rows.len(), rows.dimension()), (3, 64));
//! assert!(dot(rows.row(0), rows.row(1)) > dot(rows.row(0), rows.row(2)));
//! # Ok::<(), vinedb_embedder::Error>(())
//! ```
//!
//! [`convert`] makes the file that is run: an ONNX model from `config.json` and `model.safetensors`, and one in 8 bits from
//! one in 32-bit floats.
//!
//! It downloads nothing and reads no environment variable: where model and runtime lie is the caller's to say.
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
