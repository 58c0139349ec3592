//! `vinedb bench`: searches in process, measured: recall, queries per second, latency. What is measured are whole answers,
//! as `search` gives them; opening, reading files and finding the truth are not. Nothing is written.

mod report;
mod searches;
mod timing;
mod truth;

use std::path::PathBuf;

use anyhow::{Result, bail};
use vinedb::SearchParams;

use crate::{
    args, database::read, exit::Outcome, interrupt::Interrupt, output::Output, params,
    progress::Steps, vectors,
};
use report::Measured;
use searches::{Bench, Setting, Stopped};

/// Runs the command.
pub(crate) fn run(args: args::Bench, home: PathBuf, output: &Output) -> Result<Outcome> {
    let queries = vectors::read_all(&args.queries)?;
    if queries.is_empty() {
        bail!("{} holds no vectors to search by", args.queries.display());
    }
    if let Some(row) = queries
        .iter()
        .position(|query| !query.iter().all(|x| x.is_finite()))
    {
        bail!(
            "{}: the vector of query {} holds NaN or infinity: give finite numbers only",
            args.queries.display(),
            row + 1
        );
    }
    let settings = settings(&args)?;
    let collection = read(home, &args.at.dir)?.collection(&args.at.name)?;
    if collection.count(None)? == 0 {
        bail!("collection {} has no documents to search", args.at.name);
    }
    let interrupt = Interrupt::listen()?;
    let bench = Bench {
        steps: Steps::new(interrupt.clone()),
        args: &args,
        collection,
        queries,
        interrupt,
    };
    let measured = measure(&bench, &settings);
    bench.steps.finish();
    match measured {
        Ok(measured) => report::print(&bench, measured, output)?,
        Err(error) if error.is::<Stopped>() => return Ok(Outcome::Interrupted),
        Err(error) => return Err(error),
    }
    Ok(Outcome::Done)
}

fn settings(args: &args::Bench) -> Result<Vec<Setting>> {
    let mut settings = Vec::new();
    for given in &args.params {
        settings.push(Setting {
            name: given.text().to_owned(),
            params: params::together(std::slice::from_ref(given))?,
        });
    }
    if settings.is_empty() && !args.exact {
        settings.push(Setting {
            name: "default".to_owned(),
            params: SearchParams::DEFAULT,
        });
    }
    if args.exact {
        settings.push(Setting {
            name: "exact=true".to_owned(),
            params: SearchParams::EXACT,
        });
    }
    Ok(settings)
}

fn measure(bench: &Bench<'_>, settings: &[Setting]) -> Result<Vec<Measured>> {
    // Parameters that do not fit are told before anything takes long.
    for setting in settings {
        bench.collection.search(&bench.query(0, setting.params))?;
    }
    let truth = truth::of(bench)?;
    let mut measured = Vec::new();
    for setting in settings {
        // Nothing is timed yet: what the system reads for the first time, it reads now.
        measured.push(Measured::new(
            bench,
            setting,
            bench.recall(setting, &truth)?,
        ));
    }
    let total = bench.args.passes * settings.len();
    for pass in 0..bench.args.passes {
        for (number, setting) in settings.iter().enumerate() {
            bench.step("searching", pass * settings.len() + number, total)?;
            measured[number].add(bench.single(setting)?, bench.batches(setting)?);
        }
    }
    Ok(measured)
}
