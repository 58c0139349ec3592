//! The models in the cache folder, and those that are open.
//!
//! A model is opened at its first use and then shared by every collection that names it.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use embedder::{
    Chunk, Embed, Identity, ModelOptions, OnnxEmbedder, OnnxReranker, convert::Precision,
};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    home::{models_folder, runtime_library},
    passages::check_room,
};

/// The model that a collection gets when it names none.
pub const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

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
pub fn list_models(home: &Path) -> Result<Vec<ModelInfo>> {
    let folder = models_folder(home);
    let mut models = Vec::new();
    for name in names_in(&folder)? {
        match model_info(home, &name) {
            Ok(info) => models.push(info),
            Err(error) => tracing::warn!(%error, "{} is left out", folder.join(&name).display()),
        }
    }
    Ok(models)
}

/// What there is to know of the model `name` of the cache folder `home`.
///
/// # Errors
/// When there is none of that name, or its folder holds no model.
pub fn model_info(home: &Path, name: &str) -> Result<ModelInfo> {
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
/// tokens' states become one vector, stays: [`set_model_options`] completes it.
pub fn convert_model(
    home: &Path,
    source: &Path,
    name: &str,
    precision: Precision,
) -> Result<ModelInfo> {
    check_model_name(name)?;
    embedder::convert::folder(source, &models_folder(home).join(name), precision)?;
    model_info(home, name)
}

/// Says of the model `name` in the cache folder `home` what its own files leave out. What was said before stays, where it is
/// not said anew.
///
/// # Errors
/// When there is no folder of that name, when its files say otherwise, or something that is needed is still missing; it is
/// then as it was before.
pub fn set_model_options(home: &Path, name: &str, options: ModelOptions) -> Result<ModelInfo> {
    let path = folder_of(home, name)?;
    let before = ModelOptions::read(&path)?;
    options.or(before.clone()).write(&path)?;
    model_info(home, name).inspect_err(|_| {
        // What could be written a moment ago can be written now; if not, the error still says what is wrong.
        let _ = before.write(&path);
    })
}

/// Deletes the model `name` of the cache folder `home`. A collection that is locked to it can be searched by vector alone until
/// it is there again.
///
/// # Errors
/// When there is none of that name, or its folder cannot be removed.
pub fn remove_model(home: &Path, name: &str) -> Result<()> {
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

/// A model's name is its folder's.
pub(crate) fn check_model_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !name.is_empty() && !name.starts_with('.') && name.bytes().all(allowed) {
        return Ok(());
    }
    let expected = "letters, digits, '.', '_' and '-', not beginning with '.'";
    Err(Error::invalid("model", format!("{name:?}"), expected))
}

fn folder_of(home: &Path, name: &str) -> Result<PathBuf> {
    let folder = models_folder(home);
    let known = names_in(&folder)?;
    if known.iter().any(|candidate| candidate == name) {
        return Ok(folder.join(name));
    }
    Err(Error::UnknownModel {
        name: name.to_owned(),
        folder,
        known,
    })
}

/// Opens the model `name` of the cache folder `home` by itself, without a database.
///
/// # Errors
/// When the model or ONNX Runtime is missing or cannot be loaded.
pub fn open_model(home: &Path, name: &str) -> Result<Arc<dyn Embed>> {
    Models::new(home.to_owned(), None, embedder::Options::default()).open(name)
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(folder, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io(folder, error))?;
        let name = entry.file_name().into_string();
        // What begins with a dot is on its way in or out.
        names.extend(
            name.ok()
                .filter(|name| !name.starts_with('.') && entry.path().is_dir()),
        );
    }
    names.sort_unstable();
    Ok(names)
}

/// The models of one database.
pub(crate) struct Models {
    home: PathBuf,
    custom: Option<Arc<dyn Embed>>,
    options: embedder::Options,
    open: Mutex<HashMap<String, Arc<dyn Embed>>>,
    rerankers: Mutex<HashMap<String, Arc<OnnxReranker>>>,
}

impl Models {
    pub(crate) fn new(
        home: PathBuf,
        custom: Option<Arc<dyn Embed>>,
        options: embedder::Options,
    ) -> Self {
        Self {
            home,
            custom,
            options,
            open: Mutex::default(),
            rerankers: Mutex::default(),
        }
    }

    /// The name that a collection takes when it names no model.
    pub(crate) fn default_name(&self) -> String {
        self.custom.as_ref().map_or_else(
            || DEFAULT_MODEL.to_owned(),
            |custom| custom.identity().name.clone(),
        )
    }

    /// What identifies the model `name`, without opening it.
    pub(crate) fn identity(&self, name: &str) -> Result<Identity> {
        if let Some(custom) = self.custom(name) {
            return Ok(custom.identity().clone());
        }
        Ok(embedder::identity(name, &folder_of(&self.home, name)?)?)
    }

    /// Checks that the model `name` reads passages cut so to their ends, without opening it.
    pub(crate) fn check_chunk(&self, name: &str, chunk: &Chunk) -> Result<()> {
        let room = match self.custom(name) {
            Some(custom) => custom.room(),
            None => embedder::room(&folder_of(&self.home, name)?)?,
        };
        check_room(chunk, name, room)
    }

    /// The model `name`, opened if it is not yet.
    pub(crate) fn open(&self, name: &str) -> Result<Arc<dyn Embed>> {
        if let Some(custom) = self.custom(name) {
            return Ok(Arc::clone(custom));
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = open.get(name) {
            return Ok(Arc::clone(model));
        }
        let folder = folder_of(&self.home, name)?;
        let model: Arc<dyn Embed> = Arc::new(OnnxEmbedder::open(
            name,
            &folder,
            &runtime_library(&self.home),
            &self.options,
        )?);
        open.insert(name.to_owned(), Arc::clone(&model));
        Ok(model)
    }

    /// The cross-encoder `name`, opened if it is not yet.
    pub(crate) fn reranker(&self, name: &str) -> Result<Arc<OnnxReranker>> {
        let mut open = self
            .rerankers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = open.get(name) {
            return Ok(Arc::clone(model));
        }
        let folder = folder_of(&self.home, name)?;
        let runtime = runtime_library(&self.home);
        let model = Arc::new(OnnxReranker::open(&folder, &runtime, &self.options)?);
        open.insert(name.to_owned(), Arc::clone(&model));
        Ok(model)
    }

    fn custom(&self, name: &str) -> Option<&Arc<dyn Embed>> {
        self.custom
            .as_ref()
            .filter(|custom| custom.identity().name == name)
    }
}
