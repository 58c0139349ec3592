//! Where the real model and runtime lie, for this package's tests. Missing files are failures: a skipped test shows nothing.

use std::path::PathBuf;
use vinedb_embedder::{OnnxEmbedder, Options};

pub(crate) const MODEL: &str = "all-MiniLM-L6-v2";

/// `$VINEDB_HOME`, else `$XDG_CACHE_HOME/vinedb`, else `~/.cache/vinedb`.
pub(crate) fn home() -> PathBuf {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("VINEDB_HOME")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("vinedb")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/vinedb")))
        .expect("set VINEDB_HOME to the folder that `make setup` filled")
}

pub(crate) fn runtime() -> PathBuf {
    home().join("runtime/libonnxruntime.so")
}

pub(crate) fn model() -> PathBuf {
    home().join("models").join(MODEL)
}

/// The default model.
pub(crate) fn open(options: &Options) -> OnnxEmbedder {
    OnnxEmbedder::open(MODEL, &model(), &runtime(), options).unwrap_or_else(|error| {
        panic!("{error} (these tests need the real model; VINEDB_HOME names another folder)")
    })
}
