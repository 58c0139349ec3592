//! Distances to vectors of floats, on the way through a graph, and of one byte per component: against what the index says it
//! keeps, decoded and compared in double precision; for every way a dimension can fall into blocks of eight or sixteen.

use super::fixtures::{Random, build, clustered, distance, ids};
use crate::{Kind, Metric, SearchParams, Select};

const ROWS: usize = 300;

#[test]
fn distances_to_bytes_are_those_to_what_they_stand_for() {
    let mut random = Random(5);
    for dimension in [1, 7, 8, 9, 15, 16, 50, 97, 784] {
        let points: Vec<f32> = (0..ROWS * dimension)
            .map(|_| 3.0 + random.normal())
            .collect();
        let query: Vec<f32> = (0..dimension).map(|_| 3.0 + random.normal()).collect();
        for metric in [Metric::L2, Metric::InnerProduct] {
            for kind in [Kind::flat().sq8(), Kind::hnsw(16).sq8()] {
                let index = build(metric, &kind, dimension, &points);
                let kept = index.reconstruct(&ids(ROWS)).unwrap();
                let context = format!("{kind}, {metric}, {dimension}");
                for params in [SearchParams::EXACT, SearchParams::DEFAULT] {
                    let hits = index
                        .search(&query, 20, &params, Select::All)
                        .unwrap()
                        .remove(0);
                    assert_eq!(hits.len(), 20, "{context}");
                    for hit in hits {
                        let row = usize::try_from((hit.id - 10) / 3).unwrap();
                        let truth = distance(metric, &query, kept[row].as_ref().unwrap());
                        let off = (f64::from(hit.distance) - truth).abs();
                        assert!(
                            off <= 2e-6 * truth.abs().max(1.0) * 4.0,
                            "{context}: {hit:?}, {truth}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_scan_of_bytes_finds_the_nearest_of_what_they_stand_for() {
    let (dimension, mut random) = (50, Random(6));
    let points: Vec<f32> = (0..ROWS * dimension).map(|_| random.normal()).collect();
    let query: Vec<f32> = (0..dimension).map(|_| random.normal()).collect();
    for metric in [Metric::L2, Metric::InnerProduct] {
        let index = build(metric, &Kind::flat().sq8(), dimension, &points);
        let kept = index.reconstruct(&ids(ROWS)).unwrap();
        let mut truth: Vec<f64> = kept
            .iter()
            .map(|vector| distance(metric, &query, vector.as_ref().unwrap()))
            .collect();
        truth.sort_by(f64::total_cmp);
        if metric.is_similarity() {
            truth.reverse();
        }
        let hits = index
            .search(&query, 20, &SearchParams::DEFAULT, Select::All)
            .unwrap()
            .remove(0);
        for (hit, truth) in hits.iter().zip(truth) {
            assert!(
                (f64::from(hit.distance) - truth).abs() < 1e-4,
                "{metric}: {hit:?}, {truth}"
            );
        }
    }
}

#[test]
fn distances_on_the_way_through_a_graph_are_true() {
    let params = SearchParams {
        ef_search: Some(16),
        ..SearchParams::DEFAULT
    };
    let rows = 4_000;
    for dimension in [7, 8, 15, 16, 17, 31, 50, 100] {
        let points = clustered(7, rows, dimension, 20);
        let query = clustered(8, 1, dimension, 20);
        for (kind, metrics) in [
            (
                "HNSW8",
                &[Metric::L2, Metric::InnerProduct, Metric::Cosine][..],
            ),
            ("HNSW8,SQ8", &[Metric::L2, Metric::InnerProduct]),
        ] {
            for &metric in metrics {
                let index = build(metric, &kind.parse().unwrap(), dimension, &points);
                let context = format!("{kind}, {metric}, {dimension}");
                assert!(!index.scans(10, &params, Select::All), "{context}");
                let hits = index
                    .search(&query, 10, &params, Select::All)
                    .unwrap()
                    .remove(0);
                let ids: Vec<i64> = hits.iter().map(|hit| hit.id).collect();
                let kept = index.reconstruct(&ids).unwrap();
                for (hit, kept) in hits.iter().zip(kept) {
                    let truth = distance(metric, &query, &kept.unwrap());
                    let off = (f64::from(hit.distance) - truth).abs();
                    assert!(
                        off <= 1e-5 * truth.abs().max(1.0),
                        "{context}: {hit:?}, {truth}"
                    );
                }
            }
        }
    }
}
