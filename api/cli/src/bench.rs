//! `vinedb bench`: searches in process, measured: recall, queries per second, latency. What is measured are whole answers,
//! as `search` gives them; opening, reading files and finding the truth are not. Nothing is written.

mod report;
mod timing;
mod truth;

use std::path::PathBuf;

use anyhow::{Result, bail};
use vinedb::{Collection, Key, Query, SearchParams, with_threads};

use super::{
    Outcome, args, commands, interrupt::Interrupt, output::Output, progress::Steps, vectors,
};
use report::Measured;
use timing::{Timing, side_by_side};

/// Queries in a batch.
const BATCH: usize = 256;

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
    let collection = commands::read(home, &args.at.dir)?.collection(&args.at.name)?;
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
    let measured = bench.run(&settings);
    bench.steps.finish();
    match measured {
        Ok(measured) => report::print(&bench, measured, output)?,
        Err(error) if error.is::<Stopped>() => return Ok(Outcome::Interrupted),
        Err(error) => return Err(error),
    }
    Ok(Outcome::Done)
}

/// The user asked to stop.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
struct Stopped;

/// Parameters that are measured.
struct Setting {
    name: String,
    params: SearchParams,
}

fn settings(args: &args::Bench) -> Result<Vec<Setting>> {
    let mut settings = Vec::new();
    for given in &args.params {
        settings.push(Setting {
            name: given.text().to_owned(),
            params: super::params::together(std::slice::from_ref(given))?,
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

struct Bench<'a> {
    args: &'a args::Bench,
    collection: Collection,
    queries: Vec<Vec<f32>>,
    interrupt: Interrupt,
    steps: Steps,
}

impl Bench<'_> {
    fn run(&self, settings: &[Setting]) -> Result<Vec<Measured>> {
        // Parameters that do not fit are told before anything takes long.
        for setting in settings {
            self.collection.search(&self.query(0, setting.params))?;
        }
        let truth = truth::of(self)?;
        let mut measured = Vec::new();
        for setting in settings {
            // Nothing is timed yet: what the system reads for the first time, it reads now.
            measured.push(Measured::new(self, setting, self.recall(setting, &truth)?));
        }
        let total = self.args.passes * settings.len();
        for pass in 0..self.args.passes {
            for (number, setting) in settings.iter().enumerate() {
                self.step("searching", pass * settings.len() + number, total)?;
                measured[number].add(self.single(setting)?, self.batches(setting)?);
            }
        }
        Ok(measured)
    }

    fn query(&self, number: usize, params: SearchParams) -> Query {
        Query::vector(self.queries[number].clone())
            .top_k(self.args.top_k)
            .params(params)
    }

    /// The share of the true nearest that the setting finds.
    fn recall(&self, setting: &Setting, truth: &[Vec<Key>]) -> Result<f64> {
        let (mut found, mut there) = (0, 0);
        for (number, batch) in self.in_batches(setting).iter().enumerate() {
            self.step("comparing", number * BATCH, self.queries.len())?;
            let answers = with_threads(self.args.threads, || self.collection.search_batch(batch))?;
            for (answer, truth) in answers.iter().zip(&truth[number * BATCH..]) {
                let matches = answer.matches.iter();
                found += matches.filter(|found| truth.contains(&found.key)).count();
                there += truth.len();
            }
        }
        Ok(found as f64 / f64::max(there as f64, 1.0))
    }

    /// One query at a time on each thread.
    fn single(&self, setting: &Setting) -> Result<Timing> {
        let queries: Vec<Query> = (0..self.queries.len())
            .map(|number| self.query(number, setting.params))
            .collect();
        Timing::of(self.queries.len(), |timed| {
            side_by_side(self.args.threads, queries.len(), |number| {
                self.check()?;
                timed.measure(|| Ok(self.collection.search(&queries[number])?))
            })
        })
    }

    /// Batch after batch.
    fn batches(&self, setting: &Setting) -> Result<Timing> {
        let batches = self.in_batches(setting);
        Timing::of(self.queries.len(), |timed| {
            with_threads(self.args.threads, || {
                side_by_side(1, batches.len(), |number| {
                    self.check()?;
                    timed.measure(|| Ok(self.collection.search_batch(&batches[number])?))
                })
            })
        })
    }

    fn in_batches(&self, setting: &Setting) -> Vec<Vec<Query>> {
        let numbers: Vec<usize> = (0..self.queries.len()).collect();
        let batch = |numbers: &[usize]| {
            let query = |&number| self.query(number, setting.params);
            numbers.iter().map(query).collect()
        };
        numbers.chunks(BATCH).map(batch).collect()
    }

    fn step(&self, stage: &str, done: usize, total: usize) -> Result<()> {
        match self.steps.step(stage, done, total).is_break() {
            true => Err(Stopped.into()),
            false => Ok(()),
        }
    }

    fn check(&self) -> Result<()> {
        match self.interrupt.is_asked() {
            true => Err(Stopped.into()),
            false => Ok(()),
        }
    }
}
