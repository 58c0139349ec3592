//! What is kept of each cluster while documents are assigned page by page: how many there are, the few nearest, and a few
//! drawn evenly, whose words are counted later. So memory does not grow with the collection.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    hash::{DefaultHasher, Hash, Hasher},
};

use engine::Nearest;

/// A cluster so far.
pub(super) struct Tally {
    pub(super) size: usize,
    nearest: Smallest,
    drawn: Smallest,
}

/// How many of each cluster are kept.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    pub(super) nearest: usize,
    pub(super) drawn: usize,
}

impl Tally {
    pub(super) fn new(kept: Kept) -> Self {
        Self {
            size: 0,
            nearest: Smallest::new(kept.nearest),
            drawn: Smallest::new(kept.drawn),
        }
    }

    pub(super) fn add(&mut self, id: i64, near: Nearest, larger_is_closer: bool, seed: u64) {
        self.size += 1;
        let away = if larger_is_closer {
            -near.distance
        } else {
            near.distance
        };
        self.nearest.offer(ascending(away), id, near.distance);
        self.drawn.offer(lot(id, seed), id, near.distance);
    }

    /// Ids and distances of those nearest to the centroid, nearest first.
    pub(super) fn nearest(&self) -> Vec<(i64, f32)> {
        self.nearest.sorted()
    }

    /// Ids of those drawn, ascending.
    pub(super) fn drawn(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.drawn.sorted().iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }
}

/// The few with the smallest rank, of equals those with the smallest id.
struct Smallest {
    most: usize,
    heap: BinaryHeap<(u64, i64, Reverse<u32>)>,
}

impl Smallest {
    fn new(most: usize) -> Self {
        Self {
            most,
            heap: BinaryHeap::new(),
        }
    }

    fn offer(&mut self, rank: u64, id: i64, distance: f32) {
        if self.heap.len() == self.most {
            match self.heap.peek() {
                Some(&(last, other, _)) if (rank, id) < (last, other) => self.heap.pop(),
                _ => return,
            };
        }
        self.heap.push((rank, id, Reverse(distance.to_bits())));
    }

    fn sorted(&self) -> Vec<(i64, f32)> {
        let mut all: Vec<_> = self.heap.iter().collect();
        all.sort_unstable();
        let pair = |(_, id, Reverse(bits)): &(u64, i64, Reverse<u32>)| (*id, f32::from_bits(*bits));
        all.into_iter().map(pair).collect()
    }
}

/// A number that is the larger the larger the float is.
fn ascending(x: f32) -> u64 {
    let bits = x.to_bits();
    let turned = if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    };
    turned.into()
}

/// A document's lot: the smallest are drawn. So every document is as likely as any other, in whatever order they come.
fn lot(id: i64, seed: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, id).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Kept = Kept {
        nearest: 3,
        drawn: 2,
    };

    fn tally(distances: &[f32], larger_is_closer: bool) -> Tally {
        let mut tally = Tally::new(KEPT);
        for (id, &distance) in (0..).zip(distances) {
            let near = Nearest {
                cluster: 0,
                distance,
            };
            tally.add(id, near, larger_is_closer, 7);
        }
        tally
    }

    #[test]
    fn the_nearest_are_kept_by_either_order() {
        let distances = [3.0, -1.0, 0.0, 2.5, -1.0, 9.0];
        let near = tally(&distances, false);
        assert_eq!(near.size, 6);
        assert_eq!(near.nearest(), [(1, -1.0), (4, -1.0), (2, 0.0)]);
        let near = tally(&distances, true);
        assert_eq!(near.nearest(), [(5, 9.0), (0, 3.0), (3, 2.5)]);
    }

    #[test]
    fn draws_do_not_depend_on_the_order() {
        let mut drawn = Vec::new();
        for backwards in [false, true] {
            let mut tally = Tally::new(KEPT);
            let mut ids: Vec<i64> = (0..100).collect();
            if backwards {
                ids.reverse();
            }
            for id in ids {
                let near = Nearest {
                    cluster: 0,
                    distance: 0.0,
                };
                tally.add(id, near, false, 7);
            }
            drawn.push(tally.drawn());
        }
        assert_eq!(drawn[0].len(), 2);
        assert_eq!(drawn[0], drawn[1]);
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_wanted() {
        let mut tally = Tally::new(Kept {
            nearest: 0,
            drawn: 0,
        });
        let near = Nearest {
            cluster: 0,
            distance: 1.0,
        };
        tally.add(1, near, false, 7);
        assert!(tally.size == 1 && tally.nearest().is_empty() && tally.drawn().is_empty());
    }
}
