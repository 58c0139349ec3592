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

/// Recall@10 of every kind without any parameters: the least that is accepted on these vectors, two hundredths below what
/// was seen. Compressed kinds are judged by their codes alone; a collection compares again by the vectors themselves.
#[cfg(feature = "faiss")]
const FLOORS: &str = "
    Flat@0.98 SQ8@0.97 SQ6@0.93 SQ4@0.81 SQfp16@0.98 SQbf16@0.97 PQ8x4@0.61 PQ8x4fs@0.61 RaBitQ@0.30 LSH@0.25
    LSH64r@0.51 LSH32rt@0.36 HNSW8@0.98 HNSW8,SQ8@0.97 HNSW8,SQ6@0.93 HNSW8,SQ4@0.81 HNSW8,SQfp16@0.98
    HNSW8,SQbf16@0.97 HNSW8,PQ8x4@0.61 NSG8@0.98 NSG8,SQ8@0.97 NSG8,PQ8x4@0.61 IVF16,Flat@0.98 IVF16,SQ8@0.97
    IVF16,SQ6@0.94 IVF16,SQ4@0.85 IVF16,SQfp16@0.98 IVF16,SQbf16@0.98 IVF16,PQ8x4@0.69 IVF16,PQ8x4fs@0.61
    IVF16,PQ8x4fsr@0.69 IVF16,RaBitQ@0.39 IVF16_HNSW8,Flat@0.98 IVF16_HNSW8,SQ8@0.97 IVF16_HNSW8,PQ8x4@0.69
    PCA8,Flat@0.54 PCAW8,Flat@0.55 L2norm,Flat@0.81 PCAR8,HNSW8@0.54 RR16,IVF16,RaBitQ@0.40 ITQ,LSH@0.23
    Pad24,SQ8@0.97 PCA8,IVF16,PQ8x4@0.52 SQ4,RFlat@0.98 PQ8x4,RFlat@0.96 RaBitQ,Refine(SQ8)@0.73
    HNSW8,SQ4,RFlat@0.98 IVF16,PQ8x4fs,RFlat@0.96 IVF16,RaBitQ,Refine(SQfp16)@0.85
    hnsw_rs(m=8,ef_construction=100)@0.98
";

#[cfg(feature = "faiss")]
#[test]
fn every_kind_finds_what_it_is_known_to_find() {
    const DIMENSION: usize = 16;
    let points = clustered(23, 6_000 + QUERIES, DIMENSION, 40);
    let (points, queries) = points.split_at(6_000 * DIMENSION);
    let truth: Vec<_> = queries
        .chunks(DIMENSION)
        .map(|query| brute_force(Metric::L2, points, DIMENSION, query, 10, Select::All))
        .collect();
    let floors: Vec<(Kind, f64)> = FLOORS
        .split_whitespace()
        .map(|line| line.rsplit_once('@').unwrap())
        .map(|(kind, floor)| (kind.parse().unwrap(), floor.parse().unwrap()))
        .collect();
    assert!(
        catalogue()
            .iter()
            .all(|kind| floors.iter().any(|(other, _)| other == kind))
    );
    for (kind, floor) in floors {
        let index = build(Metric::L2, &kind, DIMENSION, points);
        let found = index
            .search(queries, 10, &SearchParams::DEFAULT, Select::All)
            .unwrap();
        let found = recall(&found, &truth);
        assert!(found >= floor, "{kind}: {found}");
    }
}
