//! Any texts, together and alone, through tokenizer, planner, model and pooling: a vector each, the same in any company. The
//! models are the tiny ones of the embedder's tests; ONNX Runtime lies where set-up put it.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use embedder::{Embed, OnnxEmbedder, Options, Purpose};

/// Tokenizers by word pieces and by bytes; poolings and layers of several kinds.
const MODELS: [&str; 5] = ["bert-mean", "bert-max-lower", "modernbert-no-prompt", "mpnet-mean", "roberta-e5"];

fn models() -> &'static [OnnxEmbedder] {
    static OPENED: OnceLock<Vec<OnnxEmbedder>> = OnceLock::new();
    OPENED.get_or_init(|| MODELS.iter().map(|name| open(name)).collect())
}

fn open(name: &str) -> OnnxEmbedder {
    let home = std::env::var_os("VINEDB_HOME").map(PathBuf::from);
    let home = home.expect("VINEDB_HOME names the folder that set-up filled");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../embedder/tests/models").join(name);
    let options = Options {
        sessions: 1,
        token_budget: 48,
        batch_texts: 5,
        ..Options::default()
    };
    OnnxEmbedder::open(name, &folder, &home.join("runtime/libonnxruntime.so"), &options).expect("a sound model")
}

libfuzzer_sys::fuzz_target!(|input: (u8, bool, Vec<String>)| {
    let (choice, bulk, texts) = input;
    let model = &models()[usize::from(choice) % MODELS.len()];
    let purpose = if bulk { Purpose::Document } else { Purpose::Query };
    let rows = model.submit(texts.clone(), purpose).and_then(|pending| pending.wait());
    let rows = rows.expect("any text can be embedded");
    assert_eq!(rows.len(), texts.len());
    for (text, row) in texts.iter().zip(rows.rows()) {
        assert_eq!(row.len(), model.identity().dimension);
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        let is_unit = (length - 1.0).abs() < 1e-4;
        assert!(length.is_finite() && (is_unit || !model.identity().normalize), "{length}");
        let alone = model.embed(&[text], purpose).expect("any text can be embedded");
        let apart = row.iter().zip(alone.row(0)).map(|(one, other)| (one - other).abs());
        assert!(apart.fold(0.0, f32::max) <= 1e-3 * length.max(1.0), "{text:?} depends on its company");
    }
});
