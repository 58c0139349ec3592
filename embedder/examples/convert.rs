//! Makes the ONNX model of a folder with `config.json` and `model.safetensors`, as set-up does for the default model:
//!
//! ```text
//! cargo run -p vinedb-embedder --example convert -- FOLDER model.onnx [int8|fp32]
//! ```
//!
//! `vinedb models convert` makes a whole model folder.

use std::path::Path;
use std::process::ExitCode;
use vinedb_embedder::convert::{Precision, from_safetensors};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (folder, target, precision) = match arguments[..] {
        [folder, target] | [folder, target, "int8"] => (folder, target, Precision::Int8),
        [folder, target, "fp32"] => (folder, target, Precision::Fp32),
        _ => {
            eprintln!("usage: convert FOLDER model.onnx [int8|fp32]");
            return ExitCode::from(2);
        }
    };
    match from_safetensors(Path::new(folder), Path::new(target), precision) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
