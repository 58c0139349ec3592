//! `vinedb models`: what is in the cache folder, and what comes into it and goes.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use vinedb::{ModelInfo, Precision, Pull};

use super::{
    Outcome,
    commands::bytes,
    output::{Output, stderr_is_terminal},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    /// List the models in the cache folder
    List,
    /// Read a model from a Hugging Face hub
    ///
    /// HF_ENDPOINT names the hub, HF_TOKEN opens what is private, HF_HUB_OFFLINE=1 forbids it. Every file is checked by its
    /// hash; a pull that was interrupted goes on where it stopped. A repository without an ONNX export gets one made from its
    /// model.safetensors, where it is a BERT-family encoder.
    Pull(PullArgs),
    /// Make a model of a BERT-family encoder's config.json and model.safetensors, or of its model.onnx in 32-bit floats
    Convert(ConvertArgs),
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
    /// The repository, such as BAAI/bge-small-en-v1.5
    repository: String,
    /// A branch, tag or commit [default: main]
    #[arg(long)]
    revision: Option<String>,
    /// The name that it gets here [default: that of the repository]
    #[arg(long)]
    name: Option<String>,
    /// In what it computes; their vectors do not mix, and collections tell them apart [default: int8, unless it is quantized already]
    #[arg(long)]
    quantize: Option<Quantize>,
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

#[derive(Serialize)]
struct Removed {
    removed: String,
}

/// Runs the command.
pub(crate) fn run(command: Option<Models>, home: &Path, output: &Output) -> Result<Outcome> {
    match command.unwrap_or(Models::List) {
        Models::List => {
            let models = vinedb::list_models(home)?;
            output.result(&models, |models| list_text(models, home))?;
        }
        Models::Pull(args) => {
            let model = vinedb::pull_model(home, &pull(args))?;
            output.result(&model, text)?;
        }
        Models::Convert(args) => {
            let precision = args.quantize.into();
            let model = vinedb::convert_model(home, &args.source, &args.name, precision)?;
            output.result(&model, text)?;
        }
        Models::Info { name } => {
            let model = vinedb::model_info(home, &name)?;
            output.result(&model, text)?;
        }
        Models::Remove { name } => {
            vinedb::remove_model(home, &name)?;
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
        progress: stderr_is_terminal(),
        ..Pull::new(args.repository)
    }
}

fn list_text(models: &[ModelInfo], home: &Path) -> String {
    if models.is_empty() {
        return format!(
            "no models in {}; `make setup` fetches the default one, `vinedb models pull` others",
            home.display()
        );
    }
    models.iter().map(text).collect::<Vec<_>>().join("\n")
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
