//! What all handles on a collection share: what it is, its model, and the backend that holds its documents.

use std::{
    ops::Range,
    path::Path,
    sync::{Arc, OnceLock},
};

use embedder::Embed;
use engine::IndexSpec;
use models::Models;
use storage::{Reader, Store};

use crate::{
    backend::{Backend, local::Local},
    config::Locked,
    documents::Documents,
    error::{Error, Result},
    lock::Writer,
    space::{Shape, Upkeep},
    template::Template,
    write::reuse::Texts,
};

/// What all handles on a collection share.
pub(crate) struct Core {
    pub(crate) name: String,
    pub(crate) locked: Locked,
    pub(crate) template: Option<Template>,
    pub(crate) models: Arc<Models>,
    model: OnceLock<Arc<dyn Embed>>,
    pub(crate) texts: Arc<Texts>,
    pub(crate) backend: Backend,
    /// After the backend, so that it goes last.
    _writer: Option<Arc<Writer>>,
}

impl Core {
    /// Opens the collection in `folder`, for writing where `writer` is given, else for reading.
    pub(crate) fn open(
        name: &str,
        folder: &Path,
        models: Arc<Models>,
        writer: Option<Arc<Writer>>,
        upkeep: Upkeep,
    ) -> Result<Self> {
        let lock = writer.as_ref().map(|writer| writer.lock());
        let documents = Documents::open(name, folder, lock)?;
        let locked = stored_config(name, &documents.store)?;
        let template = locked.template().map(Template::compile).transpose()?;
        let shape = Shape {
            dimension: locked.dimension(),
            metric: locked.config.metric,
            index: locked.config.index.clone(),
            passages: locked.config.chunk.is_some(),
        };
        let local = Local::open(Arc::new(documents), shape, upkeep)?;
        Ok(Self {
            name: name.to_owned(),
            locked,
            template,
            models,
            model: OnceLock::new(),
            texts: Arc::default(),
            backend: Backend::Local(local),
            _writer: writer,
        })
    }

    /// The collection's model, opened at first use and checked against the one that made the vectors.
    pub(crate) fn model(&self) -> Result<&Arc<dyn Embed>> {
        if let Some(model) = self.model.get() {
            return Ok(model);
        }
        let Some(identity) = &self.locked.model else {
            return Err(Error::NoModel {
                name: self.name.clone(),
                dimension: self.locked.dimension(),
            });
        };
        let model = self.models.open(&identity.name)?;
        self.locked.check_model(&self.name, model.identity())?;
        Ok(self.model.get_or_init(|| model))
    }

    /// The passages of a text; none where texts are not cut.
    pub(crate) fn cut(&self, text: &str) -> Result<Vec<Range<usize>>> {
        match &self.locked.config.chunk {
            Some(chunk) => Ok(embedder::passages(self.model()?.as_ref(), text, chunk)?),
            None => Ok(Vec::new()),
        }
    }

    /// The backend in this process.
    pub(crate) fn local(&self) -> &Local {
        self.backend.local()
    }

    /// A snapshot of the local store.
    pub(crate) fn read(&self) -> Result<Reader<'_>> {
        self.local().read()
    }
}

fn stored_config(name: &str, store: &Store) -> Result<Locked> {
    let locked: Locked =
        serde_json::from_str(store.config()).map_err(|source| Error::BadConfig {
            name: name.to_owned(),
            source: source.into(),
        })?;
    match &locked.config.index {
        IndexSpec::Fixed(kind) if !kind.is_built_in() => Err(Error::WithoutFaiss {
            name: name.to_owned(),
            kind: kind.to_string(),
        }),
        _ => Ok(locked),
    }
}
