//! `vinedb compact` and `vinedb train`: a new sealed index is built beside the live one, with its progress. Ctrl-C ends it
//! before the next step, and everything is as it was.

use std::path::PathBuf;

use anyhow::Result;
use vinedb::{Collection, Options, Watch};

use super::{
    Outcome, args, commands::stats_text, interrupt::Interrupt, output::Output, progress::Steps,
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
    let db = Options::default()
        .home(home)
        .create(false)
        .open(&args.dir)?;
    let collection = db.collection(&args.name)?;
    let interrupt = Interrupt::listen()?;
    let steps = Steps::new(interrupt.clone());
    let done = work(&collection, &|progress| steps.tell(progress));
    steps.finish();
    match done {
        Ok(()) => output.result(&collection.stats()?, stats_text)?,
        Err(error) if error.is_cancelled() && interrupt.is_asked() => {
            return Ok(Outcome::Interrupted);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Outcome::Done)
}
