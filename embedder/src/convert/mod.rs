//! Converts models: published weights to ONNX, and ONNX in 32-bit floats to 8 bits.
//!
//! Invariant: a file appears under its name only once it is complete; what cannot be converted is refused, and nothing is
//! written. The same input gives the same bytes on every machine.

mod builder;
mod columns;
mod config;
mod encoder;
mod folder;
mod graph;
mod modernbert;
mod quantize;
mod range;
mod weights;

use crate::error::{Error, Result};
use crate::onnx::Model;
use config::{Config, Family};
pub use folder::folder;
use prost::bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{BufWriter, IntoInnerError};
use std::path::Path;

/// The number format of a model's matrix products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 8-bit integers, with a scale per token and per column of the weights.
    #[default]
    Int8,
    /// 32-bit floats.
    Fp32,
}

/// Makes the ONNX model `target` from the `config.json` and `model.safetensors` in the folder `dir`, as Hugging Face lays
/// them out (weights in several files and in 16-bit floats included). BERT, MiniLM, ELECTRA, RoBERTa, XLM-RoBERTa,
/// CamemBERT, DistilBERT, MPNet and ModernBERT encoders are converted; the output is `last_hidden_state`.
///
/// # Errors
/// [`Error::MissingModelFile`], [`Error::Unreadable`] and [`Error::ModelConfig`] name the file, what it says and what is
/// expected; [`Error::Io`] and [`Error::Write`] what cannot be read or written.
pub fn from_safetensors(dir: &Path, target: &Path, precision: Precision) -> Result<()> {
    let config = Config::read(dir)?;
    let model = match config.family {
        Family::ModernBert => modernbert::build(&config, &modernbert::open(dir)?)?,
        Family::Bert | Family::Roberta | Family::DistilBert | Family::Mpnet => {
            encoder::build(&config, &encoder::open(dir)?)?
        }
    };
    let model = match precision {
        Precision::Fp32 => model,
        Precision::Int8 => {
            let quantized = quantize::per_token(&model, dir);
            quantized.map_err(|refusal| refusal.at(&config.path))?.0
        }
    };
    write(&model, target)
}

/// Rewrites the ONNX model `source`, a BERT-family model in 32-bit floats, as one in 8 bits at `target`: some twice as
/// fast on processors with AVX-512 VNNI, and half the size or less. Each token's values and each column of the weights have a scale
/// of their own, so that a text's vector does not depend on the texts beside it. Says how many matrices were changed.
///
/// # Errors
/// [`Error::ModelConfig`] where the model is quantized already, is no ONNX model, or stores no matrix to change;
/// [`Error::Io`] and [`Error::Write`] about the two files.
pub fn quantize(source: &Path, target: &Path) -> Result<usize> {
    let model = read(source)?;
    let dir = source.parent().unwrap_or(Path::new("."));
    let (model, matrices) =
        quantize::per_token(&model, dir).map_err(|refusal| refusal.at(source))?;
    write(&model, target)?;
    Ok(matrices)
}

fn read(path: &Path) -> Result<Model> {
    let bytes = fs::read(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    Model::parse(&Bytes::from(bytes)).map_err(|refusal| refusal.at(path))
}

/// Writes a temporary file and renames it, so that readers, and a crash, see the old file or the new one.
fn write(model: &Model, path: &Path) -> Result<()> {
    model.check_size().map_err(|refusal| refusal.at(path))?;
    let write = || {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".model.").suffix(".tmp");
        share(&mut builder, 0o666);
        let mut out = BufWriter::new(builder.tempfile_in(dir)?);
        model.write(&mut out)?;
        let file = out.into_inner().map_err(IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|source: std::io::Error| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// New files are as readable as any the process makes; a temporary one's default is the owner only.
#[cfg(unix)]
fn share(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(fs::Permissions::from_mode(mode));
}

#[cfg(not(unix))]
fn share(_: &mut tempfile::Builder<'_, '_>, _: u32) {}
