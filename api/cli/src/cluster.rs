//! `vinedb cluster`: k-means over a collection, with its progress; Ctrl-C ends it before the next step, and nothing is printed.

mod plot;

use std::path::PathBuf;

use anyhow::Result;
use vinedb::{Choice, Cluster, ClusterOptions, Clusters, Member};

use super::{
    Outcome, args, commands,
    interrupt::Interrupt,
    output::{Output, excerpt, fields, thousands},
    progress::Steps,
};

/// Documents that a plot shows.
const PLOTTED: usize = 2000;

/// Runs the command.
pub(crate) fn run(args: args::Cluster, home: PathBuf, output: &Output) -> Result<Outcome> {
    let plot = args.plot.clone();
    plot.as_deref().map_or(Ok(()), plot::check)?;
    let collection = commands::read(home, &args.at.dir)?.collection(&args.at.name)?;
    let interrupt = Interrupt::listen()?;
    let steps = Steps::new(interrupt.clone());
    let found = collection.cluster_with(&options(args), &|progress| steps.tell(progress));
    steps.finish();
    match found {
        Ok(found) => {
            output.result(&found, text)?;
            plot.map_or(Ok(()), |file| plot::draw(&found, &file))?;
        }
        Err(error) if error.is_cancelled() && interrupt.is_asked() => {
            return Ok(Outcome::Interrupted);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Outcome::Done)
}

fn options(args: args::Cluster) -> ClusterOptions {
    let default = ClusterOptions::new(args.k);
    ClusterOptions {
        k: args.k,
        seed: args.seed.unwrap_or(default.seed),
        iterations: args.iterations.unwrap_or(default.iterations),
        redo: args.redo.unwrap_or(default.redo),
        spherical: args.spherical,
        sample: args.sample,
        nearest: args.nearest.unwrap_or(default.nearest),
        words: args.words.unwrap_or(default.words),
        map: args
            .map
            .unwrap_or(if args.plot.is_some() { PLOTTED } else { 0 }),
        device: args.device,
        filter: args.filter,
    }
}

fn text(found: &Clusters) -> String {
    let mut lines: Vec<String> = found.choice.iter().map(chosen).collect();
    for (number, cluster) in found.clusters.iter().enumerate() {
        lines.push(format!("cluster {}: {}", number + 1, headline(cluster)));
        lines.extend(cluster.nearest.iter().map(member));
    }
    lines.join("\n")
}

fn chosen(choice: &Choice) -> String {
    let scores: Vec<String> = choice
        .scores
        .iter()
        .map(|tried| format!("{} {:.3}", tried.k, tried.score))
        .collect();
    format!("simplified silhouettes: {}", scores.join(", "))
}

fn headline(cluster: &Cluster) -> String {
    let size = thousands(cluster.size as u64);
    let share = 100.0 * cluster.share;
    let words = match cluster.words.as_slice() {
        [] => String::new(),
        words => format!(": {}", words.join(", ")),
    };
    format!("{size} documents ({share:.1} %){words}")
}

fn member(member: &Member) -> String {
    let text = member.document.text.as_deref().map(excerpt);
    let described = text
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| fields(&member.document.metadata));
    format!("    {:.4}  {}  {described}", member.distance, member.key)
}
