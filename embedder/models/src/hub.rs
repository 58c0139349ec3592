//! A model's files from a Hugging Face hub.
//!
//! Every file is checked by the hash that the hub names for it. What was read before an interruption is kept beside the
//! models and not read again.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use hf_hub::{
    Cache, Repo, RepoType,
    api::sync::{Api, ApiBuilder, ApiError, ApiRepo},
};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::{
    digest::of_file,
    error::{Error, Result},
    home::models_folder,
    installed::Origin,
    request::{ONNX, PARTS, Pull},
    source::HubSource,
};

const RETRIES: usize = 3;

/// Files that say how a model is to be used, wherever they lie.
const SETTINGS: [&str; 8] = [
    "config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
];

/// A repository at one commit.
pub(crate) struct Repository<'a> {
    pull: &'a Pull,
    parts: PathBuf,
    folder: PathBuf,
    repository: ApiRepo,
    files: Vec<String>,
    revision: String,
}

impl<'a> Repository<'a> {
    pub(crate) fn open(home: &Path, pull: &'a Pull) -> Result<Self> {
        let hub = &pull.sources.hub;
        let folder = models_folder(home);
        let parts = folder.join(PARTS).join(pull.repository.replace('/', "--"));
        let refused = |reason: String| pull.refused(reason);
        if pull.sources.offline {
            let put = by_hand(&folder);
            return Err(refused(format!(
                "HF_HUB_OFFLINE is set: unset it, or {put}"
            )));
        }
        let api = api(hub, &parts, pull.progress)
            .map_err(|error| refused(reason(&error, hub, &folder)))?;
        let asked = pull.revision.as_deref().unwrap_or("main");
        let at = |revision: &str| {
            let id = pull.repository.clone();
            api.repo(Repo::with_revision(
                id,
                RepoType::Model,
                revision.to_owned(),
            ))
        };
        let info = at(asked)
            .info()
            .map_err(|error| refused(reason(&error, hub, &folder)))?;
        let all: Vec<String> = info.siblings.into_iter().map(|one| one.rfilename).collect();
        let files = wanted(&all).map_err(refused)?;
        let repository = at(&info.sha);
        Ok(Self {
            pull,
            parts,
            folder,
            repository,
            files,
            revision: info.sha,
        })
    }

    fn refused(&self, reason: String) -> Error {
        self.pull.refused(reason)
    }

    /// Puts the files into the folder.
    pub(crate) fn fetch(&self, target: &Path) -> Result<Origin> {
        for file in &self.files {
            let got = self.repository.get(file);
            let got = got.map_err(|error| {
                self.refused(format!(
                    "{file}: {}",
                    reason(&error, &self.pull.sources.hub, &self.folder)
                ))
            })?;
            let whole = got.canonicalize().map_err(|error| Error::io(&got, error))?;
            self.verify(file, &whole)?;
            place(&whole, &target.join(file))?;
        }
        Ok(Origin {
            source: format!(
                "{}/{}",
                self.pull.sources.hub.endpoint, self.pull.repository
            ),
            revision: self.revision.clone(),
        })
    }

    /// The hub names a file by its hash: SHA-256 for what is large, Git's for the rest.
    fn verify(&self, file: &str, path: &Path) -> Result<()> {
        let expected = path.file_name().unwrap_or_default().to_string_lossy();
        let found = match expected.len() {
            64 => of_file(Sha256::new(), path),
            40 => git_digest(path).and_then(|digest| of_file(digest, path)),
            _ => {
                return Err(self.refused(format!(
                    "the hub names no hash for {file}, only {expected:?}"
                )));
            }
        };
        let (found, _) = found.map_err(|error| Error::io(path, error))?;
        if found == *expected {
            return Ok(());
        }
        // Read anew the next time.
        let _ = fs::remove_dir_all(&self.parts);
        Err(self.refused(format!(
            "{file} has the hash {found} where the hub says {expected}: it was damaged on the way, so pull it again"
        )))
    }

    pub(crate) fn clear(&self) {
        // What stays costs room alone.
        let _ = fs::remove_dir_all(&self.parts);
    }
}

fn api(hub: &HubSource, parts: &Path, progress: bool) -> std::result::Result<Api, ApiError> {
    ApiBuilder::from_cache(Cache::new(parts.to_owned()))
        .with_endpoint(hub.endpoint.clone())
        .with_token(hub.token.clone())
        .with_retries(RETRIES)
        .with_progress(progress)
        .with_user_agent("vinedb", env!("CARGO_PKG_VERSION"))
        .build()
}

fn by_hand(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "put the repository's ONNX model, tokenizer.json, config.json and module folders into {folder}/NAME"
    )
}

/// What the hub's answer means, and what to do.
fn reason(error: &ApiError, hub: &HubSource, folder: &Path) -> String {
    let endpoint = &hub.endpoint;
    match error {
        ApiError::TooManyRetries(error) => reason(error, hub, folder),
        ApiError::RequestError(request) => match **request {
            ureq::Error::StatusCode(code @ (401 | 403)) => format!(
                "{endpoint} answers {code}: it is private, gated or absent; check the name, or set HF_TOKEN to a token that may read it"
            ),
            ureq::Error::StatusCode(404) => {
                format!("{endpoint} has none such: check name and revision")
            }
            ureq::Error::StatusCode(code) => format!("{endpoint} answers {code}: try again later"),
            ref other => format!(
                "{endpoint} cannot be reached ({other}): check the network, or {}",
                by_hand(folder)
            ),
        },
        ApiError::LockAcquisition(_) => {
            "another process is pulling it: wait for that one".to_owned()
        }
        ApiError::InvalidResume => format!(
            "what was read of it before does not fit: delete {} and pull it again",
            folder.join(PARTS).display()
        ),
        other => format!("{other}: pull it again, and it goes on where it stopped"),
    }
}

/// The files to be read of those that a repository has.
fn wanted(all: &[String]) -> std::result::Result<Vec<String>, String> {
    let has = |name: &str| all.iter().any(|file| file == name);
    let onnx = ONNX.into_iter().find(|name| has(name));
    if onnx.is_none() && !all.iter().any(|file| is_of_weights(file)) {
        return Err("it has no ONNX export and no model.safetensors to make one of".to_owned());
    }
    if !has("tokenizer.json") {
        return Err(
            "it has no tokenizer.json: name a repository that has a fast tokenizer".to_owned(),
        );
    }
    let is_of_model = |file: &str| match onnx {
        Some(onnx) => file
            .strip_prefix(onnx)
            .is_some_and(|rest| ["", "_data", ".data"].contains(&rest)),
        None => is_of_weights(file),
    };
    let is_wanted = |file: &&String| is_of_model(file) || is_setting(file) || is_of_layer(file);
    Ok(all.iter().filter(is_wanted).cloned().collect())
}

/// Whether it is of the weights, which may lie in several files: `model-00001-of-00002.safetensors`.
pub(crate) fn is_of_weights(file: &str) -> bool {
    let parts = file
        .strip_prefix("model")
        .filter(|rest| !rest.contains('/'));
    parts.is_some_and(|rest| rest.ends_with(".safetensors") || rest == ".safetensors.index.json")
}

/// Whether it is one of the settings, in the repository's own folder.
fn is_setting(file: &str) -> bool {
    SETTINGS.contains(&file)
}

/// Whether it is of a layer after the transformer: `1_Pooling/config.json`, `2_Dense/model.safetensors`.
fn is_of_layer(file: &str) -> bool {
    let parts: Vec<Component<'_>> = Path::new(file).components().collect();
    let [Component::Normal(folder), Component::Normal(name)] = parts.as_slice() else {
        return false;
    };
    let numbered = folder
        .to_string_lossy()
        .starts_with(|c: char| c.is_ascii_digit());
    numbered && (*name == "config.json" || *name == "model.safetensors")
}

/// Has a file lie in a second place too.
fn place(file: &Path, at: &Path) -> Result<()> {
    let failed = |error| Error::io(at, error);
    if let Some(folder) = at.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    match fs::hard_link(file, at) {
        Ok(()) => Ok(()),
        Err(_) => fs::copy(file, at).map(drop).map_err(failed),
    }
}

/// As `git hash-object` has it.
fn git_digest(path: &Path) -> io::Result<Sha1> {
    let length = fs::metadata(path)?.len();
    Ok(Sha1::new_with_prefix(format!("blob {length}\0")))
}
