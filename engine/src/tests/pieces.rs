//! Indexes whose vectors come in pieces and in an order: what HNSW links does not depend on the pieces, and finds every vector.
//! The truth is each vector itself, and brute force.

use std::ops::ControlFlow;

use super::fixtures::*;
use crate::{Error, Index, Kind, Metric, Result, SearchParams, Select, Stamp, unwatched};

const DIMENSION: usize = 16;
const ROWS: usize = 20_000;
const PIECE: usize = 1_000;

/// Clusters one after the other, as words come by frequency and records by date.
fn in_order(seed: u64) -> Vec<f32> {
    let mut points: Vec<Vec<f32>> = clustered(seed, ROWS, DIMENSION, 40)
        .chunks(DIMENSION)
        .map(<[f32]>::to_vec)
        .collect();
    points.sort_by(|one, other| one[0].total_cmp(&other[0]));
    points.concat()
}

fn empty(kind: &Kind, points: &[f32]) -> Index {
    let mut index = Index::new(DIMENSION, Metric::L2, kind).unwrap();
    index.train(points).unwrap();
    index
}

fn add_pieces(index: &mut Index, points: &[f32]) -> Result<()> {
    let all = ids(ROWS);
    let mut pieces = all
        .chunks(PIECE)
        .zip(points.chunks(PIECE * DIMENSION))
        .map(|(ids, vectors)| (ids.to_vec(), vectors.to_vec()));
    index.add_pieces(ROWS, &unwatched, || Ok::<_, Error>(pieces.next()))
}

/// Vectors that do not come first when they are searched for, by the shortest walk there is.
fn lost(index: &Index, points: &[f32]) -> usize {
    let params = SearchParams {
        ef_search: Some(10),
        ..SearchParams::default()
    };
    let found = index.search(points, 10, &params, Select::All).unwrap();
    let itself =
        |(row, hits): (usize, &Vec<crate::Hit>)| hits.iter().any(|hit| hit.id == index.ids()[row]);
    ROWS - found
        .iter()
        .enumerate()
        .filter(|&found| itself(found))
        .count()
}

#[test]
fn a_graph_does_not_depend_on_the_pieces() {
    let points = in_order(61);
    let kind = Kind::hnsw(16);
    let (mut whole, mut pieces) = (empty(&kind, &points), empty(&kind, &points));
    crate::with_threads(1, || {
        whole.add(&ids(ROWS), &points).unwrap();
        add_pieces(&mut pieces, &points).unwrap();
    });
    let queries = clustered(62, 200, DIMENSION, 40);
    let answers = |index: &Index| {
        let params = SearchParams {
            ef_search: Some(12),
            ..SearchParams::default()
        };
        index.search(&queries, 10, &params, Select::All).unwrap()
    };
    assert_eq!(answers(&whole), answers(&pieces));
}

#[test]
fn vectors_that_walks_miss_are_found() {
    let points = in_order(63);
    for kind in ["HNSW8", "HNSW16,SQ8", "PCA12,HNSW16"] {
        let kind: Kind = kind.parse().unwrap();
        let mut index = empty(&kind, &points);
        for (ids, vectors) in ids(ROWS)
            .chunks(PIECE)
            .zip(points.chunks(PIECE * DIMENSION))
        {
            index.add(ids, vectors).unwrap();
        }
        let before = lost(&index, &points);
        index.reach(0, &unwatched).unwrap();
        assert!(before > 20, "{kind}: there is nothing to mend, {before}");
        // A link that one walk needs turns others aside, and walks go to codes, which may be nearer to each other.
        let most = before / if kind.is_lossless() { 50 } else { 20 };
        let after = lost(&index, &points);
        assert!(after <= most, "{kind}: {before} before, {after} after");
    }
}

#[test]
fn an_index_knows_up_to_where_it_was_looked_through() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let stamp = Stamp::default();
    let points = in_order(65);
    let some = &points[..PIECE * DIMENSION];
    let more = &points[PIECE * DIMENSION..2 * PIECE * DIMENSION];
    let all = ids(2 * PIECE);
    let mut graph = empty(&Kind::hnsw(8), some);
    graph.add(&all[..PIECE], some).unwrap();
    assert_eq!(graph.reached(), 0);
    graph.reach(0, &unwatched).unwrap();
    assert_eq!(graph.reached(), PIECE);
    graph.add(&all[PIECE..], more).unwrap();
    graph.reach(PIECE, &unwatched).unwrap();
    assert_eq!(graph.reached(), PIECE, "only the new ones were looked for");
    graph.save(&path, &stamp).unwrap();
    for mut index in [
        graph.try_clone().unwrap(),
        Index::load(&path, &stamp).unwrap(),
    ] {
        assert_eq!(index.reached(), PIECE);
        index.reach(0, &unwatched).unwrap();
        assert_eq!(index.reached(), 2 * PIECE);
    }
    assert_eq!(Index::load_mapped(&path, &stamp).unwrap().reached(), PIECE);

    let mut flat = empty(&Kind::flat(), some);
    flat.add(&all[..PIECE], some).unwrap();
    assert_eq!(flat.reached(), PIECE, "nothing is missed in it");
}

#[test]
fn what_is_stopped_leaves_an_index_as_new() {
    let points = in_order(64);
    let kind: Kind = "HNSW16,SQ8".parse().unwrap();
    let mut index = empty(&kind, &points);
    let mut piece = Some((ids(ROWS), points.clone()));
    let stop = |progress: crate::Progress| match progress.done > ROWS / 2 {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let stopped = index.add_pieces(ROWS, &stop, || Ok::<_, Error>(piece.take()));
    assert!(matches!(stopped, Err(Error::Cancelled)), "{stopped:?}");
    assert!(index.is_empty() && !index.is_trained());
    index.train(&points).unwrap();
    add_pieces(&mut index, &points).unwrap();
    assert_eq!(index.len(), ROWS);
    let stopped = index.reach(0, &stop);
    assert!(matches!(stopped, Err(Error::Cancelled)), "{stopped:?}");
    assert_eq!((index.len(), index.reached()), (ROWS, 0));
}
