//! The numbers that FAISS 1.12 gave in Python (`golden.py` writes `golden.json`): every kind with every metric that it
//! knows, id by id. A rank may differ only where the distances tie within rounding. Two things are known to differ: ITQ
//! starts from eigenvectors, whose signs every LAPACK chooses for itself, so that no numbers are kept for it; and fast scan
//! over residuals rounds its tables to bytes, by ranges that depend on how many queries come together.

use std::collections::HashSet;

use serde::Deserialize;

use super::fixtures::{Random, all_metrics, catalogue, ids};
use crate::{
    Codes, Hit, Index, Kind, Metric, SearchParams, Select, Structure, Transform, with_threads,
};

const DIMENSION: usize = 16;
const QUERIES: usize = 3;
const K: usize = 4;

#[derive(Deserialize)]
struct Golden {
    searches: Vec<Search>,
}

#[derive(Deserialize)]
struct Search {
    kind: Kind,
    metric: Metric,
    params: SearchParams,
    rows: usize,
    ids: Vec<Vec<i64>>,
    distances: Vec<Vec<f32>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

/// Integers from -500 to 500.
fn points(seed: u64, rows: usize) -> Vec<f32> {
    let mut random = Random(seed);
    (0..rows * DIMENSION)
        .map(|_| i16::try_from(random.below(1001)).unwrap() - 500)
        .map(f32::from)
        .collect()
}

/// The same for a metric that knows no numbers below 0.
fn points_for(metric: Metric, seed: u64, rows: usize) -> Vec<f32> {
    let mut points = points(seed, rows);
    if metric.is_for_nonnegative() {
        points.iter_mut().for_each(|x| *x = x.abs());
    }
    points
}

/// How far apart the same distance may be.
fn rounding(kind: &Kind) -> f32 {
    // Centroids for a graph are found by L2 there and by the index's own metric here: the same centroids, but for points
    // that lie as near to two of them.
    let by_graph = matches!(
        kind.structure,
        Structure::Ivf {
            hnsw_m: Some(_),
            ..
        }
    );
    // Products of a transform round as the processor adds them up; the centroids that k-means finds behind it follow.
    let behind_products = !kind.transforms.is_empty() && matches!(kind.codes, Codes::Pq { .. });
    match kind.codes {
        Codes::PqFastScan { residual: true, .. } => 0.03,
        _ if by_graph || behind_products => 2e-3,
        _ => 1e-4,
    }
}

fn close(one: f32, two: f32, rounding: f32) -> bool {
    (one - two).abs() <= rounding * two.abs().max(1e-2)
}

/// What differs beyond ties, if anything.
fn difference(found: &[Hit], ids: &[i64], distances: &[f32], rounding: f32) -> Option<String> {
    let same_distances = found.len() == distances.len()
        && (found.iter().zip(distances))
            .all(|(hit, distance)| close(hit.distance, *distance, rounding));
    let tied = |hit: &Hit| {
        let place = ids.iter().position(|id| *id == hit.id);
        close(
            hit.distance,
            distances[place.unwrap_or(distances.len() - 1)],
            rounding,
        )
    };
    (!same_distances || !found.iter().all(tied))
        .then(|| format!("found {found:?}, expected {ids:?} at {distances:?}"))
}

/// OPQ alternates between k-means and singular values in single precision: a last digit decides which rotation it ends at,
/// and two of them are as good as each other. So it is the distances as a whole that are compared.
fn is_chaotic(kind: &Kind) -> bool {
    let turns = |transform: &Transform| matches!(transform, Transform::Opq { .. });
    kind.transforms.iter().any(turns)
}

fn total_difference(found: &[Vec<Hit>], expected: &[Vec<f32>]) -> Option<String> {
    let ours: f32 = found.iter().flatten().map(|hit| hit.distance).sum();
    let theirs: f32 = expected.iter().flatten().sum();
    (!close(ours, theirs, 0.1)).then(|| format!("distances of {ours} in all, expected {theirs}"))
}

/// FAISS's distances as they are reported here: codes such as RaBitQ's estimate cosines above 1, and none is reported.
fn reported(metric: Metric, distances: &[f32]) -> Vec<f32> {
    match metric {
        Metric::Cosine => distances.iter().map(|d| d.clamp(-1.0, 1.0)).collect(),
        _ => distances.to_vec(),
    }
}

#[test]
fn searches_answer_what_faiss_answers_in_python() {
    let mut wrong = Vec::new();
    for search in golden().searches {
        let name = format!("{} {} {:?}", search.kind, search.metric, search.params);
        let data = points_for(search.metric, 1, search.rows);
        let queries = points_for(search.metric, 2, QUERIES);
        let mut index = Index::new(DIMENSION, search.metric, &search.kind).unwrap();
        // A graph's links depend on the order of insertion.
        let added = with_threads(1, || {
            index.train(&data)?;
            index.add(&ids(search.rows), &data)
        });
        added.unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = index.search(&queries, K, &search.params, Select::All);
        let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        if is_chaotic(&search.kind) {
            let total = total_difference(&found, &search.distances);
            wrong.extend(total.map(|what| format!("{name}: {what}")));
            continue;
        }
        for (hits, (ids, distances)) in found.iter().zip(search.ids.iter().zip(&search.distances)) {
            let distances = reported(search.metric, distances);
            wrong.extend(
                difference(hits, ids, &distances, rounding(&search.kind))
                    .map(|what| format!("{name}: {what}")),
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "{} answers:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What FAISS cannot be asked in Python: another graph, a graph of centroids with a metric that FAISS does not train it
/// for; and what was said above.
fn is_left_out(kind: &Kind, metric: Metric) -> bool {
    let products = matches!(metric, Metric::L2 | Metric::Cosine | Metric::InnerProduct);
    let untrained = match kind.structure {
        Structure::HnswRs { .. } => true,
        Structure::Ivf { hnsw_m, .. } => hnsw_m.is_some() && !products,
        Structure::Scan | Structure::Hnsw { .. } | Structure::Nsg { .. } => false,
    };
    let itq = matches!(kind.transforms[..], [Transform::Itq { .. }]);
    untrained || itq || Metric::lp(0.5).is_ok_and(|half| metric == half)
}

#[test]
fn numbers_are_kept_for_every_kind_and_metric() {
    let golden = golden().searches;
    let kept: HashSet<_> = golden
        .into_iter()
        .map(|search| (search.kind, search.metric))
        .collect();
    for kind in catalogue() {
        for metric in all_metrics() {
            let expected = kind.supports(metric) && !is_left_out(&kind, metric);
            let pinned = kept.contains(&(kind.clone(), metric));
            assert_eq!(pinned, expected, "{kind} {metric}");
        }
    }
}
