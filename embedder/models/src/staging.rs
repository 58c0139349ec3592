//! A model on its way into the cache folder: it is made in a folder beside the others, and gets its name once it is whole.

use std::{
    fs,
    path::{Path, PathBuf},
};

use embedder::ModelOptions;
use tempfile::TempDir;

use crate::{
    error::{Error, Result},
    home::{check_name, models_folder},
};

/// The folder that is to become the model `name`.
///
/// # Errors
/// A name that is not allowed, or taken.
pub(crate) fn free_folder(home: &Path, name: &str) -> Result<PathBuf> {
    check_name(name)?;
    let folder = models_folder(home).join(name);
    if folder.exists() {
        let expected = "a name that is free: give another, or remove that model first";
        return Err(Error::invalid("model", name, expected));
    }
    Ok(folder)
}

/// The folder that it is made in, which goes when this is dropped.
pub(crate) struct Staging {
    folder: TempDir,
    target: PathBuf,
}

impl Staging {
    /// Beside `target`, readable by all as models are. The name begins with a dot, so it is no model yet.
    pub(crate) fn new(target: PathBuf) -> Result<Self> {
        let models = target.parent().unwrap_or(Path::new("."));
        let failed = |error| Error::io(models, error);
        fs::create_dir_all(models).map_err(failed)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".new-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        let folder = builder.tempdir_in(models).map_err(failed)?;
        Ok(Self { folder, target })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Adds to the settings that the model's own files leave out.
    pub(crate) fn complete(&self, options: &ModelOptions) -> Result<()> {
        if *options != ModelOptions::default() {
            let known = ModelOptions::read(self.path())?;
            options.clone().or(known).write(self.path())?;
        }
        Ok(())
    }

    /// What an error says, without the name of this folder, which is gone by the time that it is read.
    pub(crate) fn reason(&self, error: &embedder::Error) -> String {
        let folder = format!("{}/", self.path().display());
        error.to_string().replace(&folder, "")
    }

    /// Gives the model its name.
    pub(crate) fn publish(self) -> Result<()> {
        let folder = self.folder.keep();
        fs::rename(&folder, &self.target).map_err(|error| Error::io(&self.target, error))
    }
}
