//! Distances as they are reported: cosine within [-1, 1], a vector within any radius of itself, and no -0.

use super::fixtures::*;
use crate::{Index, Kind, Metric, SearchParams, Select};

/// Kinds that keep whole vectors, each by another way of comparing them.
fn whole() -> Vec<Kind> {
    let kinds = [
        "Flat",
        "HNSW8",
        "IVF4,Flat",
        "IVF4_HNSW8,Flat",
        "SQ8,RFlat",
        "NSG8",
        "hnsw_rs",
    ];
    let kinds = kinds.map(|kind| kind.parse::<Kind>().unwrap());
    kinds.into_iter().filter(Kind::is_built_in).collect()
}

/// Vectors of many lengths, with components of both signs, or of one sign alone, where rounding adds up.
fn vectors(rows: usize, dimension: usize, one_sign: bool) -> Vec<f32> {
    let mut random = Random(7);
    let mut vectors: Vec<f32> = (0..rows * dimension).map(|_| random.unit()).collect();
    for (row, vector) in vectors.chunks_exact_mut(dimension).enumerate() {
        let scale = 10_f32.powi(i32::try_from(row % 10).unwrap() - 6);
        vector
            .iter_mut()
            .for_each(|x| *x = if one_sign { x.abs() } else { *x } * scale);
    }
    vectors
}

fn built(metric: Metric, kind: &Kind, dimension: usize, vectors: &[f32]) -> Index {
    let mut index = Index::new(dimension, metric, kind).unwrap();
    index.train(vectors).unwrap();
    let ids: Vec<i64> = (0..).take(vectors.len() / dimension).collect();
    index.add(&ids, vectors).unwrap();
    index
}

fn none_is_right(params: &SearchParams) -> Option<f32> {
    (!params.exact).then_some(1.0)
}

#[test]
fn a_vector_has_a_cosine_of_one_to_itself_and_lies_within_that_radius() {
    for (rows, dimension) in [(1_000, 3), (1_000, 50), (1_000, 384), (200, 4_096)] {
        for one_sign in [false, true] {
            let vectors = vectors(rows, dimension, one_sign);
            for kind in whole()
                .iter()
                .filter(|kind| kind.min_vectors(dimension) <= rows)
            {
                let index = built(Metric::Cosine, kind, dimension, &vectors);
                for row in (0..rows).step_by(10) {
                    let query = &vectors[row * dimension..][..dimension];
                    let id = i64::try_from(row).unwrap();
                    for params in [SearchParams::DEFAULT, SearchParams::EXACT] {
                        let hits = index.range(query, 1.0, rows, &params, Select::All).unwrap();
                        let own = hits.iter().find(|hit| hit.id == id);
                        // A walk may miss it; what it finds is right.
                        let own = own.map(|hit| hit.distance).or(none_is_right(&params));
                        assert_eq!(own, Some(1.0), "{kind} {dimension} {row}");
                    }
                    let opposite: Vec<f32> = query.iter().map(|x| -x).collect();
                    let scanned = index.scan(&opposite, 1, &[id]).unwrap().unwrap();
                    assert_eq!(scanned[0].distance, -1.0, "{kind} {dimension} {row}");
                }
            }
        }
    }
}

#[test]
fn cosines_lie_in_their_range_and_zero_has_no_sign() {
    const DIMENSION: usize = 16;
    let vectors = vectors(1_000, DIMENSION, false);
    for kind in catalogue() {
        for metric in [Metric::Cosine, Metric::L2, Metric::InnerProduct] {
            if kind.check(DIMENSION, metric).is_err() || kind.min_vectors(DIMENSION) > 1_000 {
                continue;
            }
            let index = built(metric, &kind, DIMENSION, &vectors);
            let mut queries = vectors[..50 * DIMENSION].to_vec();
            queries.extend([0.0; DIMENSION]);
            let exact = index.search(&queries, 100, &SearchParams::EXACT, Select::All);
            let found = index.search(&queries, 100, &SearchParams::DEFAULT, Select::All);
            for hit in exact.unwrap().iter().chain(&found.unwrap()).flatten() {
                let distance = hit.distance;
                assert!(
                    distance != 0.0 || distance.is_sign_positive(),
                    "{kind} {metric}"
                );
                assert!(
                    metric != Metric::Cosine || distance.abs() <= 1.0,
                    "{kind} {distance}"
                );
                let score = metric.score(distance);
                assert!(score != 0.0 || score.is_sign_positive(), "{kind} {metric}");
            }
        }
    }
}
