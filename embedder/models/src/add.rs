//! A model folder of the user's own, taken into the cache folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use embedder::{Embed, ModelOptions, OnnxEmbedder, Purpose};

use crate::{
    error::{Error, Result},
    home::runtime_library,
    installed::{ModelInfo, info},
    staging::{Staging, free_folder},
};

/// What is embedded to see that the model runs.
const TRIAL: &str = "a text to try the model with";

/// A model folder to be added.
#[derive(Debug, Clone)]
pub struct Add {
    /// The folder: an ONNX model and its tokenizer, and whatever else says how it is used.
    pub folder: PathBuf,
    /// The name that the model gets; the folder's own where it is `None`.
    pub name: Option<String>,
    /// What the folder's files leave out, such as the pooling of a bare ONNX export.
    pub options: ModelOptions,
    /// Whether files are linked rather than copied: a hard link, or a symbolic one to another file system.
    pub link: bool,
}

impl Add {
    /// A copy of `folder`, under its own name.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            name: None,
            options: ModelOptions::default(),
            link: false,
        }
    }

    fn refused(&self, reason: String, option: Option<&'static str>) -> Error {
        Error::Add {
            folder: self.folder.clone(),
            reason,
            option,
        }
    }
}

/// Takes a model folder into the cache folder `home`. The model appears after one text was embedded with it.
///
/// # Errors
/// A name that is taken or not allowed, a folder that cannot be read, and [`Error::Add`] where the model cannot be run as its
/// files and the options say. No model is there then, and `add.folder` is as it was.
pub fn add(home: &Path, add: &Add) -> Result<ModelInfo> {
    let name = name_of(add)?;
    let staging = Staging::new(free_folder(home, &name)?)?;
    take(&add.folder, staging.path(), add.link)?;
    staging.complete(&add.options)?;
    try_out(home, &name, staging.path())
        .map_err(|error| add.refused(staging.reason(&error), error.model_option()))?;
    staging.publish()?;
    info(home, &name)
}

fn name_of(add: &Add) -> Result<String> {
    if let Some(name) = &add.name {
        return Ok(name.clone());
    }
    // `.` and `..` have no name of their own.
    let folder = fs::canonicalize(&add.folder).map_err(|error| Error::io(&add.folder, error))?;
    let name = folder.file_name().unwrap_or_default();
    Ok(name.to_string_lossy().into_owned())
}

/// Puts the files of `from` into the folder `to`. What begins with a dot stays behind: `.git`, `.cache`.
fn take(from: &Path, to: &Path, link: bool) -> Result<()> {
    let entries = fs::read_dir(from).map_err(|error| Error::io(from, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| Error::io(from, error))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let failed = |error| Error::io(&path, error);
        if path.is_dir() {
            fs::create_dir(&target).map_err(failed)?;
            take(&path, &target, link)?;
        } else if link && entry.file_name() != *SETTINGS {
            link_file(&path, &target).map_err(failed)?;
        } else {
            fs::copy(&path, &target).map_err(failed)?;
        }
    }
    Ok(())
}

/// The file that the options go into: a link would change the user's own.
const SETTINGS: &str = "vinedb.json";

fn link_file(path: &Path, target: &Path) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    if fs::hard_link(&path, target).is_ok() {
        return Ok(());
    }
    #[cfg(unix)]
    return std::os::unix::fs::symlink(path, target);
    #[cfg(not(unix))]
    fs::copy(path, target).map(drop)
}

/// Embeds a text: what no file tells, such as whether the output has the shape that was meant, shows now.
fn try_out(home: &Path, name: &str, folder: &Path) -> embedder::Result<()> {
    let options = embedder::Options {
        sessions: 1,
        quick_start: true,
        ..embedder::Options::default()
    };
    let model = OnnxEmbedder::open(name, folder, &runtime_library(home), &options)?;
    model.embed(&[TRIAL], Purpose::Document).map(drop)
}
