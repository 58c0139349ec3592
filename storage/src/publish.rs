//! New files appear under their names whole, and on the disk.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::error::io;

/// Lets `make` write a file under a passing name, and gives it the name `path` once it is whole and on the disk.
pub(crate) fn whole(path: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    let unfinished = PathBuf::from(name);
    let _ = fs::remove_file(&unfinished);
    let made = make(&unfinished).and_then(|()| publish(&unfinished, path));
    if made.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    made
}

fn publish(unfinished: &Path, path: &Path) -> Result<()> {
    sync(unfinished)?;
    fs::rename(unfinished, path).map_err(io("rename a file to", path))?;
    path.parent().map_or(Ok(()), sync)
}

fn sync(path: &Path) -> Result<()> {
    fs::File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(io("sync", path))
}
