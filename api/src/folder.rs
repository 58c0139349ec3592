//! Folders and files on disk: durable, readable by others, told apart.
//!
//! A name is durable once its folder is synced; the contents of a file are its writer's concern.

use std::{fs, path::Path};

use crate::error::{Error, Result};

/// The document store within a collection's folder.
pub(crate) const DOCUMENTS: &str = "documents.sqlite";
/// Prefix of folders that are being prepared or removed; they are cleared at the next open.
pub(crate) const PENDING: &str = ".pending-";

/// Renames a prepared folder to its name and makes that durable.
pub(crate) fn move_into_place(pending: &Path, folder: &Path) -> Result<()> {
    fs::rename(pending, folder).map_err(|error| Error::io(folder, error))?;
    sync_folder(folder.parent().unwrap_or(Path::new(".")))
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Error::io(folder, error))
}

/// Removes what was left unfinished in a database folder.
pub(crate) fn clear_pending(dir: &Path) -> Result<()> {
    let entries = fs::read_dir(dir).map_err(|error| Error::io(dir, error))?;
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PENDING) {
            fs::remove_dir_all(entry.path()).map_err(|error| Error::io(entry.path(), error))?;
        }
    }
    Ok(())
}

/// Creates a folder, and missing ones above it, durably.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    let folder = std::path::absolute(folder).map_err(|error| Error::io(folder, error))?;
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|ancestor| !ancestor.exists())
        .collect();
    fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
    missing
        .into_iter()
        .filter_map(Path::parent)
        .try_for_each(sync_folder)
}

/// Gives a temporary folder the permissions of any other, so that other users may read it; by default only its owner may.
#[cfg(unix)]
pub(crate) fn share(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(fs::Permissions::from_mode(0o777));
}

#[cfg(not(unix))]
pub(crate) fn share(_builder: &mut tempfile::Builder<'_, '_>) {}

/// Which file a path leads to, as far as the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileIdentity(Option<(u64, u64)>);

impl FileIdentity {
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino())))
    }

    #[cfg(not(unix))]
    pub(crate) fn of(_path: &Path) -> Self {
        Self(None)
    }
}
