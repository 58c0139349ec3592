//! The models in the cache folder, and those that are open.
//!
//! A model is opened at its first use and then shared by every collection that names it.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use embedder::{Embed, Identity, OnnxEmbedder, OnnxReranker};
use serde::Serialize;

use crate::{
    Error, Result,
    home::{models_folder, runtime_library},
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
}

/// Lists the models in the cache folder `home`, by name. A folder that is no model is left out, with a warning.
///
/// # Errors
/// When the folder cannot be read. A folder that does not exist holds no models.
pub fn list_models(home: &Path) -> Result<Vec<ModelInfo>> {
    let folder = models_folder(home);
    let mut models = Vec::new();
    for name in names_in(&folder)? {
        let path = folder.join(&name);
        match embedder::identity(&name, &path) {
            Ok(identity) => {
                let bytes = fs::metadata(path.join("model.onnx")).map_or(0, |meta| meta.len());
                models.push(ModelInfo {
                    default: name == DEFAULT_MODEL,
                    identity,
                    path,
                    bytes,
                });
            }
            Err(error) => tracing::warn!(%error, "{} is left out", path.display()),
        }
    }
    Ok(models)
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
        if entry.path().is_dir() {
            names.extend(entry.file_name().into_string());
        }
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
        Ok(embedder::identity(name, &self.folder_of(name)?)?)
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
        let folder = self.folder_of(name)?;
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
        let folder = self.folder_of(name)?;
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

    fn folder_of(&self, name: &str) -> Result<PathBuf> {
        let folder = models_folder(&self.home);
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
}
