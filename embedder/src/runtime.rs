//! The ONNX Runtime library, loaded once per process.
//!
//! Invariant: a process has one library and one environment; asking for another library is an error, not a silent
//! change. The environment lives as long as the process: ONNX Runtime does not take a second one.

use crate::error::{Error, Result};
use ort::environment::Environment;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

struct Loaded {
    path: PathBuf,
    environment: Environment,
}

static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

/// The environment of the library at `path`, which is loaded if this is the first call.
pub(crate) fn environment(path: &Path) -> Result<Environment> {
    let asked = path.canonicalize().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::MissingRuntime {
            path: path.to_owned(),
        },
        _ => Error::Io {
            path: path.to_owned(),
            source,
        },
    })?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    match &*loaded {
        Some(Loaded { path, environment }) if *path == asked => Ok(environment.clone()),
        Some(Loaded { path, .. }) => Err(Error::RuntimeConflict {
            loaded: path.clone(),
            asked,
        }),
        None => {
            let environment = load(&asked)?;
            *loaded = Some(Loaded {
                path: asked,
                environment: environment.clone(),
            });
            Ok(environment)
        }
    }
}

fn load(path: &Path) -> Result<Environment> {
    let refuse = |source| Error::RuntimeLoad {
        path: path.to_owned(),
        source,
    };
    let builder = ort::init_from(path).map_err(|error| refuse(error.into()))?;
    builder
        .with_name("vinedb")
        .with_telemetry(false)
        .build()
        .map_err(|error| refuse(error.into()))
}
