//! Recall@10 of the approximate kinds on clustered data, against brute force.

use super::fixtures::*;
use crate::{Kind, Metric, SearchParams, Select};

const DIMENSION: usize = 32;
const ROWS: usize = 20_000;
const QUERIES: usize = 100;

fn measured(metric: Metric, kind: Kind, ladder: &[SearchParams]) -> Vec<f64> {
    let points = clustered(21, ROWS + QUERIES, DIMENSION, 60);
    let (points, queries) = points.split_at(ROWS * DIMENSION);
    let truth: Vec<_> = queries
        .chunks(DIMENSION)
        .map(|query| brute_force(metric, points, DIMENSION, query, 10, Select::All))
        .collect();
    let index = build(metric, &kind, DIMENSION, points);
    ladder
        .iter()
        .map(|params| {
            recall(
                &index.search(queries, 10, params, Select::All).unwrap(),
                &truth,
            )
        })
        .collect()
}

#[test]
fn graphs_find_nearly_all_by_default_and_more_with_effort() {
    let graphs = METRICS.map(|metric| (metric, Kind::hnsw(32)));
    let one = (Metric::Cosine, Kind::hnsw_rs(24, 100));
    let graphs = graphs.into_iter().chain([one]);
    for (metric, kind) in graphs.filter(|(_, kind)| kind.is_built_in()) {
        let ladder = [16, 64, 200].map(|ef| SearchParams {
            ef_search: Some(ef),
            ..SearchParams::default()
        });
        let found = measured(metric, kind.clone(), &ladder);
        assert!(found[1] >= 0.97, "{metric} {kind}: {found:?}");
        assert!(
            found[0] <= found[1] && found[1] <= found[2] && found[2] >= 0.99,
            "{metric} {kind}: {found:?}"
        );
    }
}

#[cfg(feature = "faiss")]
#[test]
fn hnsw_over_bytes_loses_little() {
    let found = measured(
        Metric::Cosine,
        Kind::hnsw(32).sq8(),
        &[SearchParams::default()],
    );
    assert!(found[0] >= 0.9, "{found:?}");
}

#[cfg(feature = "faiss")]
#[test]
fn ivf_finds_more_the_more_lists_it_reads_and_all_when_exact() {
    for metric in METRICS {
        let mut ladder = [1, 16, 64]
            .map(|nprobe| SearchParams {
                nprobe: Some(nprobe),
                ..SearchParams::default()
            })
            .to_vec();
        ladder.push(SearchParams {
            exact: true,
            ..SearchParams::default()
        });
        let found = measured(metric, Kind::ivf(128), &ladder);
        assert!(found.is_sorted(), "{metric}: {found:?}");
        assert!(
            found[0] < 0.9 && found[1] >= 0.95 && found[3] >= 0.9999,
            "{metric}: {found:?}"
        );
    }
}
