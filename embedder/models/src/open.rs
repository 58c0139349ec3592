//! Models that are open: each is loaded at its first use, and then shared by all who name it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use embedder::{Embed, Identity, OnnxEmbedder, OnnxReranker};

use crate::{
    error::{Error, Result},
    home::{DEFAULT_MODEL, folder_of, runtime_library},
};

/// Opens the model `name` of the cache folder `home` by itself, without a database.
///
/// # Errors
/// When the model or ONNX Runtime is missing or cannot be loaded.
pub fn open(home: &Path, name: &str) -> Result<Arc<dyn Embed>> {
    Models::new(Some(home.to_owned()), None, embedder::Options::default()).open(name)
}

/// The models of one cache folder, and one of the caller's own.
pub struct Models {
    home: Option<PathBuf>,
    custom: Option<Arc<dyn Embed>>,
    options: embedder::Options,
    open: Mutex<HashMap<String, Arc<dyn Embed>>>,
    rerankers: Mutex<HashMap<String, Arc<OnnxReranker>>>,
}

impl Models {
    /// Those in `home`, if there is such a folder, run with `options`. `custom` takes the place of the model of its name, and is
    /// the default.
    #[must_use]
    pub fn new(
        home: Option<PathBuf>,
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

    /// The name of the model of a collection that names none.
    #[must_use]
    pub fn default_name(&self) -> String {
        self.custom.as_ref().map_or_else(
            || DEFAULT_MODEL.to_owned(),
            |custom| custom.identity().name.clone(),
        )
    }

    /// What identifies the model `name`, without opening it.
    ///
    /// # Errors
    /// When there is none of that name, or its folder holds no model.
    pub fn identity(&self, name: &str) -> Result<Identity> {
        if let Some(custom) = self.custom(name) {
            return Ok(custom.identity().clone());
        }
        Ok(embedder::identity(
            name,
            &folder_of(self.home(name)?, name)?,
        )?)
    }

    /// How many tokens of a text the model `name` reads, special tokens excluded, without opening it.
    ///
    /// # Errors
    /// As [`Models::identity`].
    pub fn room(&self, name: &str) -> Result<usize> {
        match self.custom(name) {
            Some(custom) => Ok(custom.room()),
            None => Ok(embedder::room(&folder_of(self.home(name)?, name)?)?),
        }
    }

    /// The model `name`, opened if it is not yet.
    ///
    /// # Errors
    /// When the model or ONNX Runtime is missing or cannot be loaded.
    pub fn open(&self, name: &str) -> Result<Arc<dyn Embed>> {
        if let Some(custom) = self.custom(name) {
            return Ok(Arc::clone(custom));
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = open.get(name) {
            return Ok(Arc::clone(model));
        }
        let folder = folder_of(self.home(name)?, name)?;
        let model: Arc<dyn Embed> = Arc::new(OnnxEmbedder::open(
            name,
            &folder,
            &runtime_library(self.home(name)?),
            &self.options,
        )?);
        open.insert(name.to_owned(), Arc::clone(&model));
        Ok(model)
    }

    /// The cross-encoder `name`, opened if it is not yet.
    ///
    /// # Errors
    /// As [`Models::open`].
    pub fn reranker(&self, name: &str) -> Result<Arc<OnnxReranker>> {
        let mut open = self
            .rerankers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = open.get(name) {
            return Ok(Arc::clone(model));
        }
        let folder = folder_of(self.home(name)?, name)?;
        let runtime = runtime_library(self.home(name)?);
        let model = Arc::new(OnnxReranker::open(&folder, &runtime, &self.options)?);
        open.insert(name.to_owned(), Arc::clone(&model));
        Ok(model)
    }

    fn home(&self, name: &str) -> Result<&Path> {
        self.home.as_deref().ok_or_else(|| Error::NoHome {
            name: name.to_owned(),
        })
    }

    fn custom(&self, name: &str) -> Option<&Arc<dyn Embed>> {
        self.custom
            .as_ref()
            .filter(|custom| custom.identity().name == name)
    }
}
