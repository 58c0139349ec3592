//! The embedder against the real model: one binary, so that ONNX Runtime is loaded once.
#![allow(missing_docs, reason = "tests")]

mod golden;
mod home;
