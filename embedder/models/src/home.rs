//! The cache folder: where ONNX Runtime and the models lie.
//!
//! A model's name is its folder's. What begins with a dot is no model: it is on its way in or out.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// The model of a collection that names none.
pub const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

/// The cache folder, as the environment says: `$VINEDB_HOME`, else `$XDG_CACHE_HOME/vinedb`, else `~/.cache/vinedb`.
#[must_use]
pub fn default_home() -> PathBuf {
    let named = |variable: &str| {
        env::var_os(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    named("VINEDB_HOME")
        .or_else(|| named("XDG_CACHE_HOME").map(|cache| cache.join("vinedb")))
        .or_else(|| named("HOME").map(|home| home.join(".cache").join("vinedb")))
        .unwrap_or_else(|| PathBuf::from(".vinedb"))
}

/// Where the models lie, one folder each.
pub(crate) fn models_folder(home: &Path) -> PathBuf {
    home.join("models")
}

/// The ONNX Runtime library.
pub(crate) fn runtime_library(home: &Path) -> PathBuf {
    home.join("runtime").join("libonnxruntime.so")
}

/// Refuses a name that cannot be a model's folder.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !name.is_empty() && !name.starts_with('.') && name.bytes().all(allowed) {
        return Ok(());
    }
    let expected = "letters, digits, '.', '_' and '-', not beginning with '.'";
    Err(Error::invalid("model", format!("{name:?}"), expected))
}

/// The folder of the model `name`.
pub(crate) fn folder_of(home: &Path, name: &str) -> Result<PathBuf> {
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

/// The names of the models in `folder`, sorted.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(folder, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io(folder, error))?;
        let name = entry.file_name().into_string();
        names.extend(
            name.ok()
                .filter(|name| !name.starts_with('.') && entry.path().is_dir()),
        );
    }
    names.sort_unstable();
    Ok(names)
}
