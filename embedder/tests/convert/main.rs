//! Converted models on the real ONNX Runtime, against what `transformers` computes from the same weights.
//!
//! A binary of its own, since it takes ONNX Runtime's environment for itself, which a process has but one of.

#[path = "../home.rs"]
#[expect(dead_code, reason = "only where the runtime lies is of interest here")]
mod home;
mod refusals;
mod tiny;

use ort::environment::Environment;
use ort::session::Session;
use ort::value::Tensor;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// What went into a model, and what came out for the tokens that are no padding.
#[derive(Deserialize)]
pub(crate) struct Reference {
    input_ids: Vec<Vec<i64>>,
    attention_mask: Vec<Vec<i64>>,
    token_type_ids: Option<Vec<Vec<i64>>>,
    last_hidden_state: Vec<Vec<Vec<f32>>>,
}

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden/tiny")
        .join(name)
}

pub(crate) fn reference(name: &str) -> Reference {
    let bytes = std::fs::read(folder(name).join("states.json")).expect("the checked-in file");
    serde_json::from_slice(&bytes).expect("JSON")
}

pub(crate) fn open(model: &Path) -> Session {
    static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(|| {
        ort::init_from(home::runtime())
            .expect("`make setup` fetches ONNX Runtime")
            .build()
            .expect("an environment")
    });
    let mut builder = Session::builder(&ENVIRONMENT).expect("a builder");
    builder
        .commit_from_file(model)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The states of these texts' tokens, without those of padding.
pub(crate) fn states(
    session: &mut Session,
    given: &Reference,
    texts: &[usize],
) -> Vec<Vec<Vec<f32>>> {
    let length = |text: usize| given.last_hidden_state[text].len();
    let width = texts
        .iter()
        .map(|&text| length(text))
        .max()
        .expect("a text");
    let tensor = |rows: &[Vec<i64>]| {
        let values: Vec<i64> = texts
            .iter()
            .flat_map(|&text| rows[text][..width].to_vec())
            .collect();
        Tensor::from_array(([texts.len(), width], values)).expect("a tensor")
    };
    let mut inputs = ort::inputs! { "input_ids" => tensor(&given.input_ids), "attention_mask" => tensor(&given.attention_mask) };
    if let Some(types) = &given.token_type_ids {
        inputs.push(("token_type_ids".into(), tensor(types).into()));
    }
    let outputs = session.run(inputs).expect("the model runs");
    let (shape, values) = outputs["last_hidden_state"]
        .try_extract_tensor::<f32>()
        .expect("floats");
    let hidden = usize::try_from(shape[2]).expect("a size");
    assert_eq!(
        shape.to_vec(),
        [texts.len() as i64, width as i64, hidden as i64]
    );
    let rows = texts.iter().zip(values.chunks(width * hidden));
    rows.map(|(&text, row)| {
        row.chunks(hidden)
            .take(length(text))
            .map(<[f32]>::to_vec)
            .collect()
    })
    .collect()
}
