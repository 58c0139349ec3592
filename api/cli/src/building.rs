//! `vinedb compact` and `vinedb train`: a new sealed index is built beside the live one, with its progress. Ctrl-C ends it
//! before the next step, and everything is as it was.

use std::path::PathBuf;

use anyhow::Result;
use vinedb::{Collection, index::Watch};

use crate::{
    args, commands::stats_text, database::write, exit::Outcome, output::Output, progress::watched,
};

/// Runs `compact`.
pub(crate) fn compact(args: args::Named, home: PathBuf, output: &Output) -> Result<Outcome> {
    build(args, home, output, Collection::compact_with)
}

/// Runs `train`.
pub(crate) fn train(args: args::Named, home: PathBuf, output: &Output) -> Result<Outcome> {
    build(args, home, output, Collection::train_with)
}

fn build(
    args: args::Named,
    home: PathBuf,
    output: &Output,
    work: impl FnOnce(&Collection, Watch<'_>) -> vinedb::Result<()>,
) -> Result<Outcome> {
    let db = write(home, &args.dir)?;
    let collection = db.collection(&args.name)?;
    if watched(|watch| Ok(work(&collection, watch)?))?.is_none() {
        return Ok(Outcome::Interrupted);
    }
    output.result(&collection.stats()?, stats_text)?;
    Ok(Outcome::Done)
}
