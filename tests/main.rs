//! All integration tests in one binary, so that FAISS and ONNX Runtime are linked once.

mod bad_input;
mod browser;
mod cli;
mod crash;
mod golden;
mod http;
mod import;
mod model;
mod recovery;
mod snapshot;
