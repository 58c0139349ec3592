//! All integration tests in one binary, so that FAISS and ONNX Runtime are linked once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod add;
mod bad_input;
mod browser;
mod cli;
mod cluster;
mod crash;
#[cfg(feature = "faiss")]
mod exchange;
mod golden;
mod history;
mod hnsw_rs;
mod http;
mod hub;
mod import;
#[cfg(feature = "faiss")]
mod mapped;
mod model;
mod packages;
mod passages;
mod processors;
mod radius;
#[cfg(feature = "faiss")]
mod recall;
mod recovery;
mod registry;
mod rerank;
mod sample;
mod snapshot;
mod tiny;
mod truncated;
