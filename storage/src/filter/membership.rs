//! The clusters that a filter names, and which documents are in them.
//!
//! Invariant: labels are read once for each clustering, however often a filter names it, so memory is bounded by the number of
//! documents and of clusterings.

use std::collections::BTreeSet;

use rusqlite::Connection;
use serde_json::Value;

use crate::error::Fault;
use crate::{Error, clusterings};

/// The clusterings that a filter names.
#[derive(Debug, Default)]
pub(super) struct Memberships(Vec<Labels>);

/// The documents of one clustering that are in a cluster named by the filter.
#[derive(Debug)]
struct Labels {
    clustering: i64,
    wanted: BTreeSet<u32>,
    /// ids and clusters, ascending
    labels: Vec<(i64, u32)>,
}

/// Being in one of these clusters of a clustering.
#[derive(Debug)]
pub(super) struct Membership {
    /// its place among [`Memberships`]
    place: usize,
    clusters: BTreeSet<u32>,
}

impl Memberships {
    /// What `operand`, a cluster or an array of clusters, means in the clustering of this name, or in the only one.
    pub(super) fn find(
        &mut self,
        connection: &Connection,
        clustering: Option<&str>,
        operand: &Value,
    ) -> Result<Membership, Fault> {
        let (id, name) = resolve(connection, clustering)?;
        let given = operand
            .as_array()
            .map_or(std::slice::from_ref(operand), Vec::as_slice);
        let clusters: BTreeSet<u32> = given
            .iter()
            .map(|cluster| number(connection, id, &name, cluster))
            .collect::<Result<_, Fault>>()?;
        let place = self.place(id);
        self.0[place].wanted.extend(&clusters);
        Ok(Membership { place, clusters })
    }

    fn place(&mut self, clustering: i64) -> usize {
        let known = self
            .0
            .iter()
            .position(|labels| labels.clustering == clustering);
        known.unwrap_or_else(|| {
            self.0.push(Labels {
                clustering,
                wanted: BTreeSet::new(),
                labels: Vec::new(),
            });
            self.0.len() - 1
        })
    }

    /// Reads the labels of the documents with ids above `after`.
    pub(super) fn load(&mut self, connection: &Connection, after: i64) -> rusqlite::Result<()> {
        // A file of an earlier format has no labels to read.
        if self.0.is_empty() {
            return Ok(());
        }
        let mut statement = connection.prepare_cached(
            "SELECT id FROM labels WHERE clustering = ?1 AND cluster = ?2 AND id > ?3 ORDER BY id",
        )?;
        for labels in &mut self.0 {
            for &cluster in &labels.wanted {
                let mut rows = statement.query((labels.clustering, cluster, after))?;
                while let Some(row) = rows.next()? {
                    labels.labels.push((row.get(0)?, cluster));
                }
            }
            labels.labels.sort_unstable();
        }
        Ok(())
    }

    /// Whether the document `id` is a member.
    pub(super) fn has(&self, membership: &Membership, id: i64) -> bool {
        let labels = &self.0[membership.place].labels;
        let found = labels.binary_search_by_key(&id, |(id, _)| *id);
        found.is_ok_and(|at| membership.clusters.contains(&labels[at].1))
    }

    /// The members' ids, ascending.
    pub(super) fn ids(&self, membership: &Membership) -> Vec<i64> {
        let labels = self.0[membership.place].labels.iter();
        labels
            .filter(|(_, cluster)| membership.clusters.contains(cluster))
            .map(|(id, _)| *id)
            .collect()
    }
}

/// The clustering's internal id and its name.
fn resolve(connection: &Connection, clustering: Option<&str>) -> Result<(i64, String), Fault> {
    if let Some(name) = clustering {
        return Ok((clusterings::id_of(connection, name)?, name.to_owned()));
    }
    let mut names = clusterings::names(connection)?;
    match names.len() {
        0 => Err(Error::NoClustering.into()),
        1 => Ok(names.remove(0)),
        _ => {
            let mut known: Vec<String> = names.into_iter().map(|(_, name)| name).collect();
            known.sort_unstable();
            Err(Error::SeveralClusterings { known }.into())
        }
    }
}

/// The number of the cluster that is given by its number or its name.
fn number(
    connection: &Connection,
    clustering: i64,
    name: &str,
    given: &Value,
) -> Result<u32, Fault> {
    let number = match given.as_str() {
        Some(text) => clusterings::number_of(connection, clustering, text)?,
        None => {
            let count = clusterings::count(connection, clustering)?;
            let number = given.as_u64().and_then(|number| u32::try_from(number).ok());
            number.filter(|number| *number < count)
        }
    };
    match number {
        Some(number) => Ok(number),
        None => Err(clusterings::unknown_cluster(connection, clustering, name, given)?.into()),
    }
}
