//! `config_sentence_transformers.json`: what goes before queries and documents, and how much is kept of a vector.
//!
//! Prompts are found as sentence-transformers' `encode_query` and `encode_document` find them (5.7,
//! `sentence_transformer/model.py`).

use super::file::{contradiction, read_json};
use super::options::Given;
use crate::error::Result;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const FILE: &str = "config_sentence_transformers.json";

#[derive(Deserialize, Default)]
struct File {
    #[serde(default)]
    prompts: HashMap<String, Option<String>>,
    default_prompt_name: Option<String>,
    truncate_dim: Option<usize>,
}

/// What the file says; nothing when there is none.
pub(crate) struct Prompts {
    pub(crate) path: PathBuf,
    file: File,
}

impl Prompts {
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let file: File = if path.is_file() {
            read_json(FILE, &path)?
        } else {
            File::default()
        };
        match &file.default_prompt_name {
            Some(name) if !file.prompts.contains_key(name) => {
                let mut known: Vec<_> = file.prompts.keys().collect();
                known.sort_unstable();
                let found = format!("has `default_prompt_name` {name:?} and the prompts {known:?}");
                Err(contradiction(
                    &path,
                    found,
                    "name one of its prompts, or none",
                ))
            }
            _ => Ok(Self { path, file }),
        }
    }

    /// Query and document prefix.
    pub(crate) fn prefixes(&self, given: &Given) -> Result<(String, String)> {
        let options = &given.options;
        let query = (&["query"][..], options.query_prefix.clone());
        let document = (
            &["document", "passage", "corpus"][..],
            options.document_prefix.clone(),
        );
        let settle = |field, (names, option)| {
            let folder = self.first(names).map(|prompt| (prompt, FILE));
            given
                .settle(field, option, folder)
                .map(Option::unwrap_or_default)
        };
        Ok((
            settle("query_prefix", query)?,
            settle("document_prefix", document)?,
        ))
    }

    /// How many components of a vector the model's authors keep.
    pub(crate) fn kept(&self) -> Option<(usize, &Path)> {
        self.file
            .truncate_dim
            .map(|kept| (kept, self.path.as_path()))
    }

    /// The first prompt of these names, else the default one. An empty one is none, as far as options go.
    fn first(&self, names: &[&str]) -> Option<String> {
        let names = names.iter().copied();
        let names = names.chain(self.file.default_prompt_name.as_deref());
        let prompt = names
            .filter_map(|name| self.file.prompts.get(name))
            .next()?;
        prompt.clone().filter(|prompt| !prompt.is_empty())
    }
}
