//! A panic of the caller's at every step of a build, one after the other: what is left is an index that answers soundly and
//! takes vectors, or an empty one; and it grows into what it would have been.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fixtures::*;
use super::links::Links;
use crate::{Error, Index, Kind, Metric, Progress, Result, SearchParams, Select};

const DIMENSION: usize = 16;
const ROWS: usize = 1_500;
const PIECE: usize = 400;

/// One kind of each way to be built.
const KINDS: &str = "Flat PQ8x4 HNSW8 HNSW8,SQ8 PCA8,HNSW8,RFlat NSG8 IVF16,Flat IVF16_HNSW8,PQ8x4fs \
                     hnsw_rs(m=8,ef_construction=40)";

fn kinds_to_build() -> impl Iterator<Item = Kind> {
    let kinds = KINDS.split_whitespace();
    kinds
        .map(|kind| kind.parse().unwrap())
        .filter(Kind::is_built_in)
}

/// Counts its calls and panics at one of them.
struct Fuse {
    calls: AtomicUsize,
    at: usize,
}

impl Fuse {
    fn new(at: usize) -> Self {
        Self {
            calls: AtomicUsize::new(0),
            at,
        }
    }

    fn burn(&self) {
        let calls = 1 + self.calls.fetch_add(1, Ordering::Relaxed);
        // Not panic!, whose message and backtrace would be printed for each of thousands.
        if calls == self.at {
            std::panic::resume_unwind(Box::new("a panic of the caller's"));
        }
    }

    fn watch(&self) -> impl Fn(Progress) -> ControlFlow<()> {
        |_| {
            self.burn();
            ControlFlow::Continue(())
        }
    }
}

/// Does `work` with an index of `before`, once for each call that it makes of what it is given, which panics at that one;
/// each time `after` looks at what is left.
fn at_every_step(
    before: impl Fn() -> Index,
    work: impl Fn(&mut Index, &Fuse) -> Result<()>,
    after: impl Fn(Index, usize),
) -> usize {
    for at in 1.. {
        let mut index = before();
        let fuse = Fuse::new(at);
        match catch_unwind(AssertUnwindSafe(|| work(&mut index, &fuse))) {
            Ok(done) => {
                done.unwrap();
                assert!(
                    fuse.calls.load(Ordering::Relaxed) < at,
                    "a panic came back as success"
                );
                return at - 1;
            }
            Err(_) => after(index, at),
        }
    }
    unreachable!("work ends")
}

/// What is in the index can be searched for, and it can grow: into one that has everything.
fn assert_useful(mut index: Index, points: &[f32], context: &str) {
    let answers = |index: &Index| {
        let query = &points[..DIMENSION];
        for params in [SearchParams::DEFAULT, SearchParams::EXACT] {
            let found = index.search(query, 10, &params, Select::All);
            let hits = found
                .unwrap_or_else(|error| panic!("{context}: {error}"))
                .remove(0);
            assert_sound(index, &hits, index.len().min(10), context);
        }
    };
    let sound = |index: &Index| {
        answers(index);
        if index.kind().to_string().starts_with("HNSW") {
            Links::of(index).assert_sound(context);
        }
    };
    sound(&index);
    index.train(points).unwrap();
    let all = ids(ROWS);
    let (ids, rest) = match index.len() {
        0 => (&all[..], points),
        _ if !index.kind().can_grow() => return,
        rows => (&all[rows..], &points[rows * DIMENSION..]),
    };
    index
        .add(ids, rest)
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(index.ids(), all, "{context}");
    sound(&index);
    index.reach(0, &crate::unwatched).unwrap();
    sound(&index);
}

fn empty(kind: &Kind) -> Index {
    Index::new(DIMENSION, Metric::L2, kind).unwrap()
}

#[test]
fn a_panic_while_training_leaves_an_untrained_index() {
    let points = clustered(91, ROWS, DIMENSION, 20);
    let mut steps = 0;
    for kind in kinds_to_build() {
        steps += at_every_step(
            || empty(&kind),
            |index, fuse| index.train_with(&points, &fuse.watch()),
            |index, at| {
                let context = format!("{kind}, panic at step {at} of training");
                assert_eq!((index.len(), index.trained_on()), (0, 0), "{context}");
                assert_useful(index, &points, &context);
            },
        );
    }
    assert!(steps > 20, "there is little to interrupt: {steps} steps");
}

fn add_pieces(index: &mut Index, from: usize, points: &[f32], fuses: [&Fuse; 2]) -> Result<()> {
    let all = ids(ROWS);
    let mut pieces = all[from..]
        .chunks(PIECE)
        .zip(points[from * DIMENSION..].chunks(PIECE * DIMENSION));
    index.add_pieces(ROWS - from, &fuses[0].watch(), || {
        fuses[1].burn();
        let piece = pieces.next();
        Ok::<_, Error>(piece.map(|(ids, vectors)| (ids.to_vec(), vectors.to_vec())))
    })
}

/// Pieces added behind so many rows, with a panic of `watch` or, else, of what gives the pieces.
fn interrupt_pieces(kind: &Kind, from: usize, points: &[f32], of_watch: bool) -> usize {
    let begun = || {
        let mut index = empty(kind);
        index.train(points).unwrap();
        index
            .add(&ids(ROWS)[..from], &points[..from * DIMENSION])
            .unwrap();
        index
    };
    let never = Fuse::new(usize::MAX);
    at_every_step(
        begun,
        |index, fuse| {
            let fuses = if of_watch {
                [fuse, &never]
            } else {
                [&never, fuse]
            };
            add_pieces(index, from, points, fuses)
        },
        |index, at| {
            let context =
                format!("{kind}, {from} rows and more, of watch {of_watch}, panic at {at}");
            assert_useful(index, points, &context);
        },
    )
}

#[test]
fn a_panic_between_pieces_or_while_they_are_linked_leaves_no_row_unlinked() {
    let points = clustered(92, ROWS, DIMENSION, 20);
    for kind in kinds_to_build().filter(Kind::can_grow) {
        for from in [0, 500] {
            for of_watch in [false, true] {
                let steps = interrupt_pieces(&kind, from, &points, of_watch);
                assert!(steps >= (ROWS - from) / PIECE, "{kind}: {steps} steps");
            }
        }
    }
}

#[test]
fn a_panic_while_every_row_is_looked_for_leaves_a_graph() {
    let points = clustered(93, ROWS, DIMENSION, 20);
    for kind in ["HNSW8", "PCA8,HNSW8,SQ8,RFlat"] {
        let kind: Kind = kind.parse().unwrap();
        let steps = at_every_step(
            || build(Metric::L2, &kind, DIMENSION, &points),
            |index, fuse| index.reach(0, &fuse.watch()),
            |index, at| {
                let context = format!("{kind}, panic at step {at}");
                assert_eq!((index.len(), index.reached()), (ROWS, 0), "{context}");
                assert_useful(index, &points, &context);
            },
        );
        assert!(steps >= 2, "{kind}: {steps} steps");
    }
}
