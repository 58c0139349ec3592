//! The weights of a Hugging Face folder: `model.safetensors`, or the files that `model.safetensors.index.json` lists.
//!
//! Invariant: a tensor is returned only with the sizes that were asked for, in 32-bit floats; it may hold NaN or infinity.
//! Names have the prefix that a model with a head puts before its encoder's, such as `bert.`, or none.

use crate::error::{Error, Result};
use crate::onnx::{Element, from_raw};
use crate::settings::{contradiction, read_json};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

const WHOLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The files of one model.
pub(crate) struct Weights {
    shards: Vec<Shard>,
    /// Put before every name.
    prefix: String,
}

struct Shard {
    path: PathBuf,
    bytes: Vec<u8>,
    metadata: Metadata,
    /// Where the values begin.
    start: usize,
}

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

impl Weights {
    /// Opens the files in the folder `dir`. `anchor` is a tensor that every model of its kind has: what stands before its
    /// name, nothing or one of `prefixes`, stands before all.
    pub(crate) fn open(dir: &Path, anchor: &str, prefixes: &[&str]) -> Result<Self> {
        let shards = files(dir)?.into_iter().map(Shard::open);
        let mut weights = Self {
            shards: shards.collect::<Result<_>>()?,
            prefix: String::new(),
        };
        let candidates = [""].iter().chain(prefixes);
        let found = candidates
            .map(|prefix| (*prefix).to_owned())
            .find(|prefix| {
                let name = format!("{prefix}{anchor}");
                weights
                    .shards
                    .iter()
                    .any(|shard| shard.metadata.info(&name).is_some())
            });
        weights.prefix = found.ok_or_else(|| weights.missing(anchor))?;
        Ok(weights)
    }

    /// Whether there is a tensor of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// A vector of that length.
    pub(crate) fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        self.get(name, &[Some(length)]).map(|(_, values)| values)
    }

    /// A matrix of those sizes, row by row.
    pub(crate) fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Vec<f32>> {
        self.get(name, &[Some(rows), Some(columns)])
            .map(|(_, values)| values)
    }

    /// A matrix of that width, with as many rows as there are.
    pub(crate) fn table(&self, name: &str, columns: usize) -> Result<(usize, Vec<f32>)> {
        let (shape, values) = self.get(name, &[None, Some(columns)])?;
        Ok((shape[0], values))
    }

    fn find(&self, name: &str) -> Option<(&Shard, &TensorInfo)> {
        let name = format!("{}{name}", self.prefix);
        self.shards
            .iter()
            .find_map(|shard| Some((shard, shard.metadata.info(&name)?)))
    }

    fn get(&self, name: &str, sizes: &[Option<usize>]) -> Result<(Vec<usize>, Vec<f32>)> {
        let (shard, info) = self.find(name).ok_or_else(|| self.missing(name))?;
        let fits = info.shape.len() == sizes.len()
            && sizes
                .iter()
                .zip(&info.shape)
                .all(|(wanted, size)| wanted.is_none_or(|wanted| wanted == *size));
        if !fits {
            let wanted: Vec<String> = sizes
                .iter()
                .map(|size| size.map_or("any".to_owned(), |size| size.to_string()))
                .collect();
            let found = format!(
                "has the tensor `{}{name}` with the sizes {:?}",
                self.prefix, info.shape
            );
            let expected = format!(
                "config.json beside it calls for [{}]: put the two files of one model there",
                wanted.join(", ")
            );
            return Err(contradiction(&shard.path, found, expected));
        }
        let values = shard.values(info).ok_or_else(|| {
            let found = format!(
                "has the tensor `{}{name}` in the type {:?}",
                self.prefix, info.dtype
            );
            contradiction(
                &shard.path,
                found,
                "take the model's weights as floats of 16, 32 or 64 bits",
            )
        })?;
        Ok((info.shape.clone(), values))
    }

    fn missing(&self, name: &str) -> Error {
        let path = self
            .shards
            .first()
            .map_or(PathBuf::from(WHOLE), |shard| shard.path.clone());
        let found = format!("has no tensor `{}{name}`", self.prefix);
        contradiction(
            &path,
            found,
            "config.json beside it calls for that tensor: put the files of one model there",
        )
    }
}

impl Shard {
    fn open(path: PathBuf) -> Result<Self> {
        let bytes = fs::read(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::MissingModelFile {
                file: WHOLE,
                path: path.clone(),
            },
            _ => Error::Io {
                path: path.clone(),
                source,
            },
        })?;
        let (header, metadata) =
            SafeTensors::read_metadata(&bytes).map_err(|source| Error::Unreadable {
                path: path.clone(),
                source: source.into(),
            })?;
        Ok(Self {
            path,
            bytes,
            metadata,
            start: header + size_of::<u64>(),
        })
    }

    /// The values of a tensor; `None` for types that no weight has.
    fn values(&self, info: &TensorInfo) -> Option<Vec<f32>> {
        let (from, to) = info.data_offsets;
        let raw = self.bytes.get(self.start + from..self.start + to)?;
        let element = match info.dtype {
            Dtype::F32 => Element::F32,
            Dtype::F16 => Element::F16,
            Dtype::BF16 => Element::BF16,
            Dtype::F64 => Element::F64,
            _ => return None,
        };
        Some(from_raw(element, raw))
    }
}

/// The files that hold the weights.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let index = dir.join(INDEX);
    if dir.join(WHOLE).is_file() || !index.is_file() {
        return Ok(vec![dir.join(WHOLE)]);
    }
    let listed: Index = read_json(INDEX, &index)?;
    let names: BTreeSet<String> = listed.weight_map.into_values().collect();
    match names
        .iter()
        .find(|name| Path::new(name).file_name() != Some(name.as_ref()))
    {
        Some(name) => Err(contradiction(
            &index,
            format!("names the file `{name}`"),
            "only files of the same folder are taken",
        )),
        None => Ok(names.iter().map(|name| dir.join(name)).collect()),
    }
}
