//! The models in the cache folder: listed, described, made, completed, removed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use embedder::{Identity, ModelOptions, convert::Precision};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    home::{DEFAULT_MODEL, check_name, folder_of, models_folder, names_in},
};

/// A model in the cache folder.
#[derive(Debug, Clone, Serialize)]
pub struct ModelInfo {
    /// What identifies its vectors: name, hash, dimension, pooling, normalisation, prefixes.
    #[serde(flatten)]
    pub identity: Identity,
    /// The folder that holds it.
    pub path: PathBuf,
    /// Size of the ONNX file in bytes.
    pub bytes: u64,
    /// Whether collections take it when they name none.
    pub default: bool,
    /// Where it was pulled from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Where a model came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The address of the repository.
    pub source: String,
    /// The commit that it was read at.
    pub revision: String,
}

/// The file in a model's folder that says where it came from.
pub(crate) const ORIGIN: &str = "origin.json";

/// Lists the models in the cache folder `home`, by name. A folder that is no model is left out, with a warning.
///
/// # Errors
/// When the folder cannot be read. A folder that does not exist holds no models.
pub fn list(home: &Path) -> Result<Vec<ModelInfo>> {
    let folder = models_folder(home);
    let mut models = Vec::new();
    for name in names_in(&folder)? {
        match info(home, &name) {
            Ok(model) => models.push(model),
            Err(error) => tracing::warn!(%error, "{} is left out", folder.join(&name).display()),
        }
    }
    Ok(models)
}

/// What there is to know of the model `name` of the cache folder `home`.
///
/// # Errors
/// When there is none of that name, or its folder holds no model.
pub fn info(home: &Path, name: &str) -> Result<ModelInfo> {
    let path = folder_of(home, name)?;
    let identity = embedder::identity(name, &path)?;
    let origin = fs::read(path.join(ORIGIN)).ok();
    Ok(ModelInfo {
        default: name == DEFAULT_MODEL,
        identity,
        bytes: onnx_bytes(&path),
        origin: origin.and_then(|json| serde_json::from_slice(&json).ok()),
        path,
    })
}

/// Makes the model `name` in the cache folder `home` from the model folder `source`, which holds `config.json` and
/// `model.safetensors`, or a `model.onnx` in 32-bit floats.
///
/// # Errors
/// When the name is taken or no name for a folder, when the model is of a kind that is not converted, or a file is missing,
/// contradicts another or cannot be written; nothing is left then. Only a folder that lacks a setting, such as how its
/// tokens' states become one vector, stays: [`set_options`] completes it.
pub fn convert(home: &Path, source: &Path, name: &str, precision: Precision) -> Result<ModelInfo> {
    check_name(name)?;
    embedder::convert::folder(source, &models_folder(home).join(name), precision)?;
    info(home, name)
}

/// Says of the model `name` in the cache folder `home` what its own files leave out. What was said before stays, where it is
/// not said anew.
///
/// # Errors
/// When there is no folder of that name, when its files say otherwise, or something that is needed is still missing; it is
/// then as it was before.
pub fn set_options(home: &Path, name: &str, options: ModelOptions) -> Result<ModelInfo> {
    let path = folder_of(home, name)?;
    let before = ModelOptions::read(&path)?;
    options.or(before.clone()).write(&path)?;
    info(home, name).inspect_err(|_| {
        // What could be written a moment ago can be written now; if not, the error still says what is wrong.
        let _ = before.write(&path);
    })
}

/// Deletes the model `name` of the cache folder `home`. A collection that is locked to it can be searched by vector alone until
/// it is there again.
///
/// # Errors
/// When there is none of that name, or its folder cannot be removed.
pub fn remove(home: &Path, name: &str) -> Result<()> {
    let path = folder_of(home, name)?;
    // Out of sight at once: a folder that is half removed is no model.
    let grave = path.with_file_name(format!(".gone-{name}"));
    let failed = |error| Error::io(&path, error);
    fs::rename(&path, &grave).map_err(failed)?;
    fs::remove_dir_all(&grave).map_err(failed)
}

/// The ONNX file and its external data.
fn onnx_bytes(folder: &Path) -> u64 {
    let files = ["model.onnx", "model.onnx_data", "model.onnx.data"];
    let all = files
        .iter()
        .flat_map(|file| [folder.join(file), folder.join("onnx").join(file)]);
    all.filter_map(|file| fs::metadata(file).ok())
        .map(|about| about.len())
        .sum()
}
