//! The links of HNSW, read field by field out of the plain FAISS file of an index (`write_HNSW` in FAISS's
//! index_write.cpp), and what must hold of them however many threads linked the rows.

use std::collections::VecDeque;

use super::fixtures::*;
use crate::{Error, Index, Kind, Metric, Result, unwatched, with_threads};

/// Letters, dimension, rows, two fillers, whether it is trained, metric: of the id map, then of the graph.
const HEADERS: usize = 2 * (4 + 4 + 8 + 16 + 1 + 4);

/// A graph over vectors under L2.
pub(super) struct Links {
    /// How many links a row has on all layers below one.
    below: Vec<i32>,
    levels: Vec<i32>,
    offsets: Vec<u64>,
    links: Vec<i32>,
    entry_point: i32,
    max_level: i32,
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn number<const N: usize>(&mut self) -> [u8; N] {
        self.at += N;
        self.bytes[self.at - N..self.at].try_into().unwrap()
    }

    fn numbers<const N: usize, T>(&mut self, read: impl Fn([u8; N]) -> T) -> Vec<T> {
        let count = u64::from_le_bytes(self.number());
        (0..count).map(|_| read(self.number())).collect()
    }
}

impl Links {
    pub(super) fn of(index: &Index) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.faiss");
        index.export(&path).unwrap();
        let links = Self::read(&std::fs::read(path).unwrap());
        // A row that is stored and not linked yet has no layers either.
        assert_eq!(links.rows(), index.len());
        links
    }

    fn read(bytes: &[u8]) -> Self {
        assert!(bytes.starts_with(b"IxMp") && bytes[HEADERS / 2..].starts_with(b"IHN"));
        let mut cursor = Cursor { bytes, at: HEADERS };
        let _probabilities = cursor.numbers(f64::from_le_bytes);
        let below = cursor.numbers(i32::from_le_bytes);
        let levels = cursor.numbers(i32::from_le_bytes);
        let offsets = cursor.numbers(u64::from_le_bytes);
        let links = cursor.numbers(i32::from_le_bytes);
        let [entry_point, max_level] = [(); 2].map(|()| i32::from_le_bytes(cursor.number()));
        Self {
            below,
            levels,
            offsets,
            links,
            entry_point,
            max_level,
        }
    }

    fn rows(&self) -> usize {
        self.levels.len()
    }

    /// The places for links that a row has on a layer, among all links.
    fn places(&self, row: usize, layer: usize) -> std::ops::Range<usize> {
        let first = usize::try_from(self.offsets[row]).unwrap();
        let place = |layer: usize| first + usize::try_from(self.below[layer]).unwrap();
        place(layer)..place(layer + 1)
    }

    /// What a row leads to on a layer: -1 behind its links.
    fn list(&self, row: usize, layer: usize) -> &[i32] {
        &self.links[self.places(row, layer)]
    }

    /// The rows that it leads to.
    fn around(&self, row: usize, layer: usize) -> impl Iterator<Item = usize> {
        let links = self.list(row, layer).iter().take_while(|&&to| to >= 0);
        links.map(|&to| usize::try_from(to).unwrap())
    }

    fn layers(&self, row: usize) -> usize {
        usize::try_from(self.levels[row]).unwrap()
    }

    /// What holds of any graph that FAISS and the shim may have made, however it was interrupted.
    pub(super) fn assert_sound(&self, context: &str) {
        if self.rows() == 0 {
            return assert_eq!((self.entry_point, self.max_level), (-1, -1), "{context}");
        }
        self.assert_entered_at_the_top(context);
        self.assert_lists_are_sound(context);
        // A row that was stored and not linked leads nowhere.
        let alone = (0..self.rows()).filter(|&row| self.around(row, 0).next().is_none());
        assert!(
            self.rows() == 1 || alone.count() == 0,
            "rows without links: {context}"
        );
    }

    /// Walks come to every row on the lowest layer, once those that they missed were looked for, and to nearly all before and
    /// above; no row is led to by so many others that it is lost among their links, or leads to too many.
    fn assert_connected(&self, looked_for: bool, context: &str) {
        for layer in 0..=usize::try_from(self.max_level).unwrap() {
            let (reached, all) = self.reached(layer);
            let least = match layer {
                0 if looked_for => all,
                0 => all - all / 1_000,
                _ => all - all / 5,
            };
            assert!(
                reached >= least,
                "{reached} of {all} on layer {layer}: {context}"
            );
        }
        let to = self.links_to();
        let (alone, most) = (
            to.iter().filter(|&&links| links == 0).count(),
            to.iter().max(),
        );
        let capacity = self.list(0, 0).len();
        assert!(
            alone <= if looked_for { 0 } else { self.rows() / 1_000 },
            "{alone} without links to them: {context}"
        );
        assert!(
            most < Some(&(5 * capacity)),
            "{most:?} links to one row: {context}"
        );
    }

    /// Every list by itself: rows that exist, on that layer, each once, never itself, and no hole before a link.
    fn assert_lists_are_sound(&self, context: &str) {
        for row in 0..self.rows() {
            for layer in 0..self.layers(row) {
                let list = self.list(row, layer);
                let context = format!("{context}, row {row} on layer {layer}: {list:?}");
                let links: Vec<usize> = self.around(row, layer).collect();
                assert!(
                    list[links.len()..].iter().all(|&to| to == -1),
                    "a hole: {context}"
                );
                assert!(
                    links
                        .iter()
                        .all(|&to| to < self.rows() && self.layers(to) > layer),
                    "no such row there: {context}"
                );
                assert!(!links.contains(&row), "to itself: {context}");
                let mut once = links.clone();
                once.sort_unstable();
                once.dedup();
                assert_eq!(once.len(), links.len(), "twice: {context}");
            }
        }
    }

    /// Walks begin at a row of the highest layer.
    fn assert_entered_at_the_top(&self, context: &str) {
        let entry = usize::try_from(self.entry_point).unwrap();
        let highest = *self.levels.iter().max().unwrap();
        assert_eq!(
            (self.levels[entry], self.max_level + 1),
            (highest, highest),
            "{context}"
        );
        assert!(self.levels.iter().all(|&levels| levels >= 1), "{context}");
    }

    /// How many of a layer's rows links lead to from the entry point, by breadth first; and how many there are.
    fn reached(&self, layer: usize) -> (usize, usize) {
        let entry = usize::try_from(self.entry_point).unwrap();
        let mut seen = vec![false; self.rows()];
        seen[entry] = true;
        let mut queue = VecDeque::from([entry]);
        let mut reached = 0;
        while let Some(row) = queue.pop_front() {
            reached += 1;
            for to in self.around(row, layer) {
                if !std::mem::replace(&mut seen[to], true) {
                    queue.push_back(to);
                }
            }
        }
        let all = (0..self.rows()).filter(|&row| self.layers(row) > layer);
        (reached, all.count())
    }

    /// How many links lead to each row on the lowest layer.
    fn links_to(&self) -> Vec<usize> {
        let mut counts = vec![0; self.rows()];
        for row in 0..self.rows() {
            self.around(row, 0).for_each(|to| counts[to] += 1);
        }
        counts
    }
}

const DIMENSION: usize = 16;
const ROWS: usize = 6_000;

/// A third of the rows added at once, the others in pieces behind them.
fn grown(kind: &Kind, points: &[f32]) -> Index {
    let all = ids(ROWS);
    let (first, rest) = all.split_at(ROWS / 3);
    let (one, more) = points.split_at(first.len() * DIMENSION);
    let mut index = Index::new(DIMENSION, Metric::L2, kind).unwrap();
    index.train(points).unwrap();
    index.add(first, one).unwrap();
    let mut pieces = rest.chunks(700).zip(more.chunks(700 * DIMENSION));
    let next = || {
        let piece = pieces.next();
        Ok::<_, Error>(piece.map(|(ids, vectors)| (ids.to_vec(), vectors.to_vec())))
    };
    let added: Result<()> = index.add_pieces(rest.len(), &unwatched, next);
    added.unwrap();
    index
}

#[test]
fn links_are_sound_however_many_threads_make_them() {
    let points = clustered(81, ROWS, DIMENSION, 30);
    for kind in ["HNSW4", "HNSW16", "HNSW8,SQ8"] {
        let kind: Kind = kind.parse().unwrap();
        for threads in [1, 2, 5] {
            let mut index = with_threads(threads, || grown(&kind, &points));
            for looked_for in [false, true] {
                if looked_for {
                    with_threads(threads, || index.reach(0, &unwatched)).unwrap();
                }
                let context = format!("{kind} by {threads} threads, looked for: {looked_for}");
                let links = Links::of(&index);
                assert_eq!(links.rows(), ROWS, "{context}");
                links.assert_sound(&context);
                links.assert_connected(looked_for, &context);
            }
        }
    }
}
