//! Files that appear whole or not at all: temporary file, fsync, rename, fsync of the folder. A crash in between can leave
//! a file named `.<name>.….tmp`, which nothing reads.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};

/// Puts a file in the place of one that may be there, once `write` has filled it.
///
/// # Errors
/// [`Error::Io`] naming the path, and what `write` says; what was there before is then untouched.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&File) -> Result<()>) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut builder = tempfile::Builder::new();
    let prefix = format!(".{name}.");
    builder.prefix(&prefix).suffix(".tmp");
    share(&mut builder);
    let temporary = builder
        .tempfile_in(folder)
        .map_err(|source| Error::io(path, source))?;
    write(temporary.as_file())?;
    temporary
        .as_file()
        .sync_all()
        .map_err(|source| Error::io(path, source))?;
    temporary
        .persist(path)
        .map_err(|failed| Error::io(path, failed.error))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| Error::io(folder, source))
}

/// New files are as readable as any the process makes; a temporary file's default is the owner only.
#[cfg(unix)]
fn share(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(std::fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn share(_: &mut tempfile::Builder<'_, '_>) {}
