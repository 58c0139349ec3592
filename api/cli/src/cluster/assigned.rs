//! The collection that a clustering is of, and the texts that are assigned to its clusters.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use vinedb::{
    Collection,
    cluster::{Assignment, Clustering, Point},
};

use crate::{
    args,
    database::{Writing, read, write},
    output::excerpt,
};

/// The collection, and the database it is in where the command writes.
pub(super) fn open(
    args: &args::Cluster,
    writes: bool,
    home: PathBuf,
) -> Result<(Option<Writing>, Collection)> {
    let args::Named { dir, name } = &args.at;
    if writes {
        let database = write(home, dir)?;
        let collection = database.collection(name)?;
        return Ok((Some(database), collection));
    }
    Ok((None, read(home, dir)?.collection(name)?))
}

/// A text and the cluster it belongs to.
#[derive(Serialize)]
pub(super) struct Assigned<'a> {
    text: &'a str,
    #[serde(flatten)]
    to: Assignment,
}

pub(super) fn assigned<'a>(
    clustering: &Clustering,
    texts: &'a [String],
) -> Result<Vec<Assigned<'a>>> {
    let points: Vec<Point> = texts.iter().map(|text| text.as_str().into()).collect();
    let found = texts.iter().zip(clustering.assign_all(&points)?);
    Ok(found.map(|(text, to)| Assigned { text, to }).collect())
}

pub(super) fn placed(assigned: &[Assigned<'_>]) -> Vec<String> {
    let line = |one: &Assigned<'_>| {
        let name = one.to.name.iter().map(|name| format!(" ({name})"));
        let name = name.collect::<String>();
        format!(
            "{:.4}  cluster {}{name}  {}",
            one.to.distance,
            one.to.cluster,
            excerpt(one.text)
        )
    };
    assigned.iter().map(line).collect()
}
