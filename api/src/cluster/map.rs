//! Some documents on the plane in which they differ most, for a picture of the clusters.

use engine::Nearest;
use storage::Record;

use super::plane::Plane;
use super::{Place, TEXTS, Work};
use crate::{collection::Collection, error::Result};

/// The places of those documents that were seen so far.
pub(super) struct Map {
    plane: Plane,
    /// Ascending.
    wanted: Vec<i64>,
    found: Vec<Found>,
}

struct Found {
    id: i64,
    cluster: usize,
    place: [f32; 2],
}

impl Map {
    /// Of as many documents as were asked for, drawn evenly, on the plane of the sample; None where none were.
    pub(super) fn new(work: &Work<'_>, sample: &[f32]) -> Result<Option<Self>> {
        let (ids, options) = (&work.ids, work.options);
        if options.map == 0 {
            return Ok(None);
        }
        let dimension = work.collection.dimension();
        let rows = engine::sample_rows(ids.len(), options.map, options.seed);
        Ok(Some(Self {
            plane: Plane::of(sample, dimension, work.kmeans.spherical)?,
            wanted: rows.into_iter().map(|row| ids[row]).collect(),
            found: Vec::new(),
        }))
    }

    /// Takes note of a page of documents.
    pub(super) fn add(&mut self, ids: &[i64], vectors: &[f32], near: &[Nearest]) -> Result<()> {
        let dimension = vectors.len() / ids.len().max(1);
        for ((&id, vector), near) in ids.iter().zip(vectors.chunks(dimension.max(1))).zip(near) {
            if self.wanted.binary_search(&id).is_ok() {
                let place = self.plane.project(vector)?;
                self.found.extend(place.first().map(|&place| Found {
                    id,
                    cluster: near.cluster as usize,
                    place,
                }));
            }
        }
        Ok(())
    }

    /// The places with their keys, of documents that are still there; clusters are numbered as in `order`.
    pub(super) fn places(self, collection: &Collection, order: &[usize]) -> Result<Vec<Place>> {
        let mut positions = vec![0; order.len()];
        for (position, &number) in order.iter().enumerate() {
            positions[number] = position;
        }
        let mut places = Vec::with_capacity(self.found.len());
        for page in self.found.chunks(TEXTS) {
            let ids: Vec<i64> = page.iter().map(|found| found.id).collect();
            let records = collection.core.read()?.records(&ids, false)?;
            let place = |(found, record): (&Found, Option<Record>)| {
                Some(Place {
                    key: record?.key,
                    cluster: positions[found.cluster],
                    x: found.place[0],
                    y: found.place[1],
                })
            };
            places.extend(page.iter().zip(records).filter_map(place));
        }
        Ok(places)
    }
}
