//! A whole model folder made from another: its settings and its tokenizer, with a model file of the wanted precision.
//!
//! Invariant: the new folder appears complete, under a name that was free, or not at all. The source is not changed. Settings
//! and tokenizer are copied; weights in other formats are not.

use super::{Precision, from_safetensors, quantize, share};
use crate::error::{Error, Result};
use crate::settings::contradiction;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Extensions of settings and tokenizer files.
const KEPT: [&str; 3] = ["json", "txt", "model"];

/// Makes the model folder `target`, which must not exist, from the folder `source`, in the layout of sentence-transformers
/// or Hugging Face: from `model.safetensors` and `config.json`, or where those are missing from a `model.onnx` in 32-bit
/// floats.
///
/// # Errors
/// [`Error::Exists`] if there is something at `target`; else as [`from_safetensors`] and [`quantize`]. Nothing is left at
/// `target` then.
pub fn folder(source: &Path, target: &Path, precision: Precision) -> Result<()> {
    if fs::symlink_metadata(target).is_ok() {
        return Err(Error::Exists {
            path: target.to_owned(),
        });
    }
    let parent = target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let write = |source: io::Error| Error::Write {
        path: target.to_owned(),
        source,
    };
    fs::create_dir_all(parent).map_err(write)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".converting.");
    share(&mut builder, 0o777);
    let made = builder.tempdir_in(parent).map_err(write)?;
    copy(source, made.path())?;
    model(source, &made.path().join("model.onnx"), precision)?;
    fs::rename(made.path(), target).map_err(write)
}

/// The model file, of the best source that the folder has.
fn model(source: &Path, target: &Path, precision: Precision) -> Result<()> {
    for dir in [source.to_owned(), source.join("0_Transformer")] {
        let has = |file: &str| dir.join(file).is_file();
        if has("model.safetensors") || has("model.safetensors.index.json") {
            return from_safetensors(&dir, target, precision);
        }
    }
    let files =
        ["model.onnx", "0_Transformer/model.onnx", "onnx/model.onnx"].map(|file| source.join(file));
    let Some(file) = files.iter().find(|file| file.is_file()) else {
        let found = "has neither model.safetensors nor model.onnx";
        return Err(contradiction(
            source,
            found,
            "name the folder that the model was published as",
        ));
    };
    match precision {
        Precision::Int8 => quantize(file, target).map(drop),
        Precision::Fp32 => {
            let expected = "a model in 32-bit floats needs no conversion: put its folder among the models as it is";
            Err(contradiction(
                file,
                "is an ONNX model already, without its weights beside it",
                expected,
            ))
        }
    }
}

/// Copies settings and tokenizer, from the folder and from its modules' folders.
fn copy(source: &Path, target: &Path) -> Result<()> {
    let read = |error: io::Error| Error::Io {
        path: source.to_owned(),
        source: error,
    };
    for entry in fs::read_dir(source).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && is_module(&path) {
            let inner = target.join(name);
            fs::create_dir(&inner).map_err(|source| Error::Write {
                path: inner.clone(),
                source,
            })?;
            copy(&path, &inner)?;
        } else if path.is_file() && is_kept(&path, source) {
            fs::copy(&path, target.join(name)).map_err(|source| Error::Io {
                path: path.clone(),
                source,
            })?;
        }
    }
    Ok(())
}

/// Modules lie in folders that start with their number.
fn is_module(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split_once('_')
        .is_some_and(|(number, _)| number.parse::<u16>().is_ok())
}

/// Settings and tokenizer, and the weights of a layer behind the pooling.
fn is_kept(path: &Path, dir: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let is_index = path.to_string_lossy().ends_with(".index.json");
    let is_layer =
        ending == "safetensors" && is_module(dir) && !dir.ends_with(PathBuf::from("0_Transformer"));
    is_layer || (KEPT.contains(&&*ending) && !is_index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(dir: &Path) -> Vec<String> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                names.extend(
                    tree(&path)
                        .into_iter()
                        .map(|inner| format!("{name}/{inner}")),
                );
            } else {
                names.push(name);
            }
        }
        names.sort();
        names
    }

    fn source() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/tiny/distilbert");
        for entry in fs::read_dir(tiny).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
        }
        for file in [
            "README.md",
            "vocab.txt",
            "tf_model.h5",
            "1_Pooling/config.json",
            "2_Dense/model.safetensors",
            "openvino/config.json",
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        }
        dir
    }

    #[test]
    fn a_folder_has_its_settings_and_one_model_file() {
        let (source, home) = (source(), tempfile::tempdir().unwrap());
        let target = home.path().join("models/small");
        folder(source.path(), &target, Precision::Int8).unwrap();
        let expected = [
            "1_Pooling/config.json",
            "2_Dense/model.safetensors",
            "config.json",
            "model.onnx",
            "states.json",
            "vocab.txt",
        ];
        assert_eq!(tree(&target), expected);
        let before = fs::read(target.join("model.onnx")).unwrap();
        let error = folder(source.path(), &target, Precision::Fp32).unwrap_err();
        assert!(matches!(error, Error::Exists { .. }), "{error}");
        assert_eq!(fs::read(target.join("model.onnx")).unwrap(), before);
    }

    #[test]
    fn nothing_is_left_of_a_folder_that_cannot_be_made() {
        let (source, home) = (source(), tempfile::tempdir().unwrap());
        fs::write(source.path().join("config.json"), r#"{"model_type": "t5"}"#).unwrap();
        folder(source.path(), &home.path().join("small"), Precision::Int8).unwrap_err();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        let empty = tempfile::tempdir().unwrap();
        let error = folder(empty.path(), &home.path().join("small"), Precision::Int8).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("neither model.safetensors nor model.onnx"),
            "{error}"
        );
    }
}
