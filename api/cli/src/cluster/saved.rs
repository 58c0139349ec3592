//! `vinedb cluster --list`, and what is done with a clustering named by `--saved`: shown, renamed, dropped, applied.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use vinedb::{Collection, cluster::SavedClustering};

use super::{
    assigned::{Assigned, assigned, open, placed},
    labels::{self, Target},
};
use crate::{
    args,
    exit::Outcome,
    output::{Output, thousands},
};

/// The JSON answer of `--list`.
#[derive(Serialize)]
struct List {
    clusterings: Vec<SavedClustering>,
}

/// The JSON answer of `--saved`.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    clustering: SavedClustering,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    assigned: Vec<Assigned<'a>>,
}

/// Runs the command without `-k`.
pub(super) fn run(
    args: &args::Cluster,
    target: Option<&Target>,
    home: PathBuf,
    output: &Output,
) -> Result<Outcome> {
    let writes = args.drop || !args.rename.is_empty();
    let (_database, collection) = open(args, writes, home)?;
    let Some(name) = &args.saved else {
        let clusterings = collection.clusterings()?;
        output.result(&List { clusterings }, |list| {
            let lines = list.clusterings.iter().map(headline);
            lines.collect::<Vec<_>>().join("\n")
        })?;
        return Ok(Outcome::Done);
    };
    if args.drop {
        collection.drop_clusters(name)?;
        let dropped = serde_json::json!({ "dropped": name });
        output.result(&dropped, |_| format!("dropped clustering {name}"))?;
        return Ok(Outcome::Done);
    }
    if !args.rename.is_empty() {
        collection.rename_clusters(name, args.rename.iter().cloned())?;
    }
    apply(&collection, name, args, target, output)
}

/// Shows the clustering, or what its texts and documents belong to.
fn apply(
    collection: &Collection,
    name: &str,
    args: &args::Cluster,
    target: Option<&Target>,
    output: &Output,
) -> Result<Outcome> {
    let clustering = collection.clusters(name)?;
    let shown = Shown {
        assigned: assigned(&clustering, &args.assign)?,
        clustering: collection.clustering(name)?,
    };
    if !matches!(target, Some(Target::Output)) {
        output.result(&shown, |shown| {
            if shown.assigned.is_empty() {
                described(&shown.clustering)
            } else {
                placed(&shown.assigned).join("\n")
            }
        })?;
    }
    match target {
        Some(target) => labels::write(collection, &clustering, args.filter.as_ref(), target),
        None => Ok(Outcome::Done),
    }
}

fn headline(clustering: &SavedClustering) -> String {
    let documents = thousands(clustering.documents);
    let (name, k) = (&clustering.name, clustering.k);
    format!("{name}: {k} clusters of {documents} documents")
}

fn described(clustering: &SavedClustering) -> String {
    let mut lines = vec![headline(clustering)];
    for cluster in &clustering.clusters {
        let name = cluster.name.iter().map(|name| format!(" ({name})"));
        lines.push(format!(
            "cluster {}{}: {} documents ({:.1} %)",
            cluster.cluster,
            name.collect::<String>(),
            thousands(cluster.size),
            100.0 * cluster.share
        ));
    }
    lines.join("\n")
}
