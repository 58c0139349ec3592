//! `vinedb cluster`: k-means over a collection, with its progress; Ctrl-C ends it before the next step, and nothing is printed.

mod plot;

use std::path::PathBuf;

use anyhow::Result;
use vinedb::cluster::{Choice, Cluster, ClusterOptions, Clusters, Member};

use crate::{
    args,
    database::read,
    exit::Outcome,
    output::{Output, excerpt, fields, thousands},
    progress::watched,
};

/// Documents that a plot shows.
const PLOTTED: usize = 2000;

/// Runs the command.
pub(crate) fn run(args: args::Cluster, home: PathBuf, output: &Output) -> Result<Outcome> {
    let plot = args.plot.clone();
    plot.as_deref().map_or(Ok(()), plot::check)?;
    let collection = read(home, &args.at.dir)?.collection(&args.at.name)?;
    let options = options(args);
    let found = watched(|watch| Ok(collection.cluster_with(&options, watch)?))?;
    let Some(found) = found else {
        return Ok(Outcome::Interrupted);
    };
    output.result(&found, text)?;
    if let Some(file) = plot {
        let headlines: Vec<String> = found.clusters.iter().map(headline).collect();
        plot::draw(&found, &headlines, &file)?;
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
