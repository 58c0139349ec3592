//! What is compared: kinds of index by their factory strings, each with settings from quick to thorough.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use vinedb_tests::{measure::Failure, sets::Set};

/// A kind of index, and the parameters of its searches; reports in short speak of the middle one.
pub(crate) struct Case {
    pub(crate) factory: String,
    pub(crate) settings: Vec<Value>,
}

/// Those for vectors of this dimension. PQ has parts of two to four components, so that it divides the dimension.
pub(crate) fn cases(dimension: usize) -> Vec<Case> {
    let parts = if dimension.is_multiple_of(4) {
        dimension / 4
    } else {
        dimension / 2
    };
    let none = || vec![json!({})];
    let graph = || [32, 64, 128].map(|ef| json!({"ef_search": ef})).to_vec();
    let lists = || [4, 16, 64].map(|nprobe| json!({"nprobe": nprobe})).to_vec();
    let rescored = || {
        [4, 16, 64]
            .map(|nprobe| json!({"nprobe": nprobe, "rescore": 4}))
            .to_vec()
    };
    [
        ("Flat".to_owned(), none()),
        ("SQ8".to_owned(), none()),
        ("HNSW32".to_owned(), graph()),
        ("HNSW32,SQ8".to_owned(), graph()),
        ("IVF1024,Flat".to_owned(), lists()),
        (format!("IVF1024,PQ{parts}x4fs,RFlat"), rescored()),
    ]
    .map(|(factory, settings)| Case { factory, settings })
    .into()
}

/// A set of vectors where both sides can read it: raw numbers, little-endian.
pub(crate) struct Files {
    base: PathBuf,
    queries: PathBuf,
    dimension: usize,
    metric: String,
}

impl Files {
    pub(crate) fn write(set: &Set, folder: &Path) -> Result<Self, Failure> {
        let files = Self {
            base: folder.join(format!("{}-base.f32", set.name)),
            queries: folder.join(format!("{}-queries.f32", set.name)),
            dimension: set.dimension,
            metric: set.metric.to_string(),
        };
        fs::write(&files.base, bytes(&set.base))?;
        fs::write(&files.queries, bytes(&set.queries))?;
        Ok(files)
    }

    pub(crate) fn request(&self) -> Value {
        json!({
            "do": "load", "base": self.base, "queries": self.queries, "dimension": self.dimension, "metric": self.metric,
        })
    }
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}
