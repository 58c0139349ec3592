//! `vinedb cluster`: k-means over a collection, and its saved clusterings. Ctrl-C ends it before the next step, and nothing is
//! printed or saved.

mod assigned;
mod labels;
mod plot;
mod saved;

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use vinedb::cluster::{Choice, Cluster, ClusterOptions, Clusters, K, Member, Save};

use crate::{
    args,
    exit::{Outcome, Usage},
    output::{Output, excerpt, fields, thousands},
    progress::watched,
};
use assigned::{Assigned, assigned, open, placed};
use labels::Target;

/// Documents that a plot shows.
const PLOTTED: usize = 2000;

/// Runs the command.
pub(crate) fn run(args: args::Cluster, home: PathBuf, output: &Output) -> Result<Outcome> {
    let target = args.labels.as_deref().map(Target::of).transpose()?;
    if output.is_json() && matches!(target, Some(Target::Output)) {
        let message =
            "--labels - and --json both write to standard output: name a file for the labels";
        return Err(Usage(message.to_owned()).into());
    }
    match args.k {
        Some(k) => learn(k, &args, target.as_ref(), home, output),
        None => saved::run(&args, target.as_ref(), home, output),
    }
}

fn learn(
    k: K,
    args: &args::Cluster,
    target: Option<&Target>,
    home: PathBuf,
    output: &Output,
) -> Result<Outcome> {
    args.plot.as_deref().map_or(Ok(()), plot::check)?;
    let (_database, collection) = open(args, args.save.is_some(), home)?;
    if let Some(text) = args.assign.first() {
        // A text that cannot be assigned is refused before clusters are learned.
        collection.embed(&[text])?;
    }
    let options = options(k, args);
    let found = watched(|watch| Ok(collection.cluster_with(&options, watch)?))?;
    let Some(found) = found else {
        return Ok(Outcome::Interrupted);
    };
    let clustering = collection.apply_clusters(&found)?;
    let learned = Learned {
        assigned: assigned(&clustering, &args.assign)?,
        found: &found,
    };
    if !matches!(target, Some(Target::Output)) {
        output.result(&learned, |learned| {
            [vec![text(learned.found)], placed(&learned.assigned)]
                .concat()
                .join("\n")
        })?;
    }
    if let Some(file) = &args.plot {
        let headlines: Vec<String> = found.clusters.iter().map(headline).collect();
        plot::draw(&found, &headlines, file)?;
    }
    match target {
        Some(target) => labels::write(&collection, &clustering, args.filter.as_ref(), target),
        None => Ok(Outcome::Done),
    }
}

/// The JSON answer.
#[derive(Serialize)]
struct Learned<'a> {
    #[serde(flatten)]
    found: &'a Clusters,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    assigned: Vec<Assigned<'a>>,
}

fn options(k: K, args: &args::Cluster) -> ClusterOptions {
    let default = ClusterOptions::new(k);
    ClusterOptions {
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
        filter: args.filter.clone(),
        save: args
            .save
            .as_deref()
            .map(|name| Save::new(name).replace(args.replace)),
        ..default
    }
}

fn text(found: &Clusters) -> String {
    let mut lines: Vec<String> = found.choice.iter().map(chosen).collect();
    for (number, cluster) in found.clusters.iter().enumerate() {
        lines.push(format!("cluster {number}: {}", headline(cluster)));
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
