//! A cache folder with the tiny models of the embedder's tests, whose vectors and scores sentence-transformers pinned.

use std::{fs, path::Path};

use serde::Deserialize;
use tempfile::TempDir;

/// What sentence-transformers made of some texts; `embedder/tests/models/make.py` wrote it.
#[derive(Deserialize)]
pub(crate) struct Reference {
    pub(crate) texts: Vec<String>,
    pub(crate) models: Vec<Model>,
    pub(crate) cross_encoders: Vec<CrossEncoder>,
}

#[derive(Deserialize)]
pub(crate) struct Model {
    pub(crate) folder: String,
    pub(crate) queries: Vec<Vec<f32>>,
    pub(crate) documents: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
pub(crate) struct CrossEncoder {
    pub(crate) folder: String,
    pub(crate) question: String,
    pub(crate) scores: Vec<f32>,
}

pub(crate) fn reference() -> Reference {
    serde_json::from_str(include_str!("../embedder/tests/models/vectors.json")).unwrap()
}

/// A cache folder with ONNX Runtime and these models.
pub(crate) fn home(models: &[&str]) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(
        vinedb_tests::home().join("runtime"),
        home.path().join("runtime"),
    )
    .unwrap();
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../embedder/tests/models");
    for model in models {
        copy(&all.join(model), &home.path().join("models").join(model));
    }
    home
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
