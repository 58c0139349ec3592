//! What vectors depend on: two embedders with equal identities give the same vectors.
//!
//! The hash covers the weights, the tokenizer and every setting below, so a changed file is another model even under the
//! same name.

use crate::error::{Error, Result};
use crate::settings::Pooling;
use crate::settings::Settings;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::path::Path;

/// A model with everything that affects its vectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The model's name, such as `all-MiniLM-L6-v2`.
    pub name: String,
    /// SHA-256 (hexadecimal) over `model.onnx` (and its external data), `tokenizer.json`, the weights of later layers and the
    /// settings below.
    pub hash: String,
    /// Components per vector, after a Matryoshka cut.
    pub dimension: usize,
    /// How token states become one vector.
    pub pooling: Pooling,
    /// Whether vectors are scaled to length 1.
    pub normalize: bool,
    /// Tokens per text, special tokens included; longer texts are truncated.
    pub max_length: usize,
    /// Put before every query.
    pub query_prefix: String,
    /// Put before every document.
    pub document_prefix: String,
}

/// The identity of the model in the folder `dir`, known to users as `name`, without opening a session.
///
/// Reads the whole model once for its hash: some 0.1 s for 100 MB.
///
/// # Errors
/// [`Error::MissingModelFile`], [`Error::Unreadable`], [`Error::ModelConfig`] or [`Error::Io`] about a file of the model.
pub fn identity(name: &str, dir: &Path) -> Result<Identity> {
    of(name, &Settings::read(dir)?)
}

/// The identity of a model whose settings are read already.
pub(crate) fn of(name: &str, settings: &Settings) -> Result<Identity> {
    Ok(Identity {
        name: name.to_owned(),
        hash: hash(settings)?,
        dimension: settings.dimension,
        pooling: settings.pooling.clone(),
        normalize: settings.normalize(),
        max_length: settings.max_length,
        query_prefix: settings.query_prefix.clone(),
        document_prefix: settings.document_prefix.clone(),
    })
}

/// Every part is hashed with its length, so that different inputs cannot run together.
fn hash(settings: &Settings) -> Result<String> {
    let mut digest = Sha256::new();
    for path in settings.hashed_files() {
        feed_file(&mut digest, &path).map_err(|source| Error::Io { path, source })?;
    }
    for part in settings.hashed_text() {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    Ok(digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn feed_file(digest: &mut Sha256, path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    digest.update(file.metadata()?.len().to_le_bytes());
    io::copy(&mut file, digest).map(drop)
}
