//! A walk through the crate's graph that passes by one row, step for step as the crate walks (`Hnsw::search`, its `hnsw.rs`).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use hnsw_rs::anndists::dist::distances::Distance;

use super::{Graph, Measure};
use crate::metric::distance::Far;

/// A row, and how far it lies by the crate's distance.
type Found = (Far, usize);

pub(super) struct Walk<'a> {
    graph: &'a Graph,
    query: &'a [f32],
    own: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(graph: &'a Graph, query: &'a [f32], own: usize) -> Self {
        Self { graph, query, own }
    }

    /// The rows that a search with so many candidates comes to, in no order.
    pub(super) fn search(&self, ef: usize) -> Vec<usize> {
        let points = self.graph.links.get_point_indexation();
        let first = |layer: u8| {
            let mut rows = points.get_layer_iterator(usize::from(layer));
            rows.find(|point| point.get_origin_id() != self.own)
        };
        let Some(start) = (0..=points.get_max_level_observed()).rev().find_map(first) else {
            return Vec::new();
        };
        let mut nearest = self.measured(start.get_origin_id());
        // One step on each layer.
        for layer in (1..=start.get_point_id().0).rev() {
            let linked = self.linked(nearest.1, layer);
            let closer = linked.map(|row| self.measured(row)).chain([nearest]);
            nearest = closer.min_by_key(|found| found.0).unwrap_or(nearest);
        }
        let around = self.around(nearest, ef);
        around.into_iter().map(|(_, row)| row).collect()
    }

    fn measured(&self, row: usize) -> Found {
        let measure = Measure(self.graph.metric);
        let to = self.graph.points[row].get_v();
        (Far(measure.eval(self.query, to)), row)
    }

    /// Where a row's links on a layer lead to.
    fn linked(&self, row: usize, layer: u8) -> impl Iterator<Item = usize> {
        let mut links = self.graph.points[row].get_neighborhood_id().into_iter();
        let links = links.nth(usize::from(layer)).unwrap_or_default();
        let rows = links.into_iter().map(|link| link.get_origin_id());
        rows.filter(|&row| row != self.own)
    }

    /// The `ef` closest that links on the lowest layer lead to from a row.
    fn around(&self, start: Found, ef: usize) -> BinaryHeap<Found> {
        let mut visited = HashSet::from([start.1]);
        let mut candidates = BinaryHeap::from([Reverse(start)]);
        let mut found = BinaryHeap::from([start]);
        while let Some(Reverse(next)) = candidates.pop() {
            let farthest = |found: &BinaryHeap<Found>| found.peek().map_or(Far(0.0), |far| far.0);
            if next.0 > farthest(&found) {
                break;
            }
            for row in self.linked(next.1, 0) {
                if !visited.insert(row) {
                    continue;
                }
                let other = self.measured(row);
                if found.len() < ef || other.0 < farthest(&found) {
                    candidates.push(Reverse(other));
                    found.push(other);
                    if found.len() > ef {
                        found.pop();
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use crate::backend::hnsw_rs::{Graph, Shape};
    use crate::{Metric, Select};

    #[test]
    fn without_a_row_to_pass_by_it_comes_to_what_the_crate_comes_to() {
        const DIMENSION: usize = 8;
        let number = |i: usize| ((i * 7_919 + i * i % 104_729) % 65_521) as f32 / 65_521.0;
        let vectors: Vec<f32> = (0..2_000 * DIMENSION).map(number).collect();
        let ids: Vec<i64> = (1..=2_000).collect();
        let shape = Shape {
            m: 8,
            ef_construction: 40,
        };
        let mut graph = Graph::new(DIMENSION, Metric::L2, shape);
        graph.add(&ids, &vectors, 1).unwrap();
        for query in vectors.chunks_exact(DIMENSION).step_by(40) {
            let crates = graph.search(query, 10, 24, Select::All).unwrap();
            let ours = graph.search_as_stranger(query, 10, 24, Select::All, usize::MAX);
            assert_eq!(ours, crates);
        }
        let own = graph.search_as_stranger(&vectors[..DIMENSION], 10, 24, Select::All, 0);
        assert!(own.len() == 10 && own.iter().all(|hit| hit.id != 1));
    }
}
