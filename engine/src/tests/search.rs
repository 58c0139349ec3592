//! Answers against brute force: every metric and kind, selections, scans, batches.

use super::fixtures::*;
use crate::{IdSet, Index, Kind, Metric, SearchParams, Select, Structure};

const DIMENSION: usize = 24;
const ROWS: usize = 700;

const EXACT: SearchParams = SearchParams::EXACT;

fn scale(metric: Metric) -> f64 {
    if metric == Metric::Cosine {
        1.0
    } else {
        DIMENSION as f64 * 4.0
    }
}

/// About a third of the ids, some of which no index holds.
fn third(seed: u64) -> IdSet {
    let mut random = Random(seed);
    ids(ROWS)
        .into_iter()
        .flat_map(|id| [id, id + 1])
        .filter(|_| random.below(3) == 0)
        .collect()
}

#[test]
fn huge_pages_change_no_answer() {
    let (dimension, rows) = (2_048, 2_600);
    let points = clustered(4, rows, dimension, 12);
    let queries = clustered(5, 20, dimension, 12);
    for kind in had([Kind::flat(), Kind::hnsw_rs(8, 40), Kind::hnsw(8)]) {
        let index = build(Metric::L2, &kind, dimension, &points);
        let search = || index.search(&queries, 10, &SearchParams::default(), Select::All);
        let before = search().unwrap();
        index.use_huge_pages();
        assert_eq!(search().unwrap(), before, "{kind}");
    }
}

#[test]
fn exact_search_is_brute_force_for_every_metric_kind_and_selection() {
    let points = clustered(1, ROWS, DIMENSION, 12);
    let queries = clustered(2, 45, DIMENSION, 12);
    let set = third(3);
    for (metric, kind) in lossless() {
        let index = build(metric, &kind, DIMENSION, &points);
        for select in [Select::All, Select::Only(&set), Select::Except(&set)] {
            // One at a time, and as a batch, which takes FAISS another way.
            let batch = index.search(&queries, 10, &EXACT, select).unwrap();
            for (query, from_batch) in queries.chunks(DIMENSION).zip(&batch) {
                let context = format!("{metric} {kind} {select:.30?}");
                let expected = brute_force(metric, &points, DIMENSION, query, 10, select);
                let alone = index.search(query, 10, &EXACT, select).unwrap();
                assert_same(&alone[0], &expected, scale(metric), &context);
                assert_same(from_batch, &expected, scale(metric), &context);
            }
        }
    }
}

/// Vectors of small whole numbers, so that distances are exact and many are the same.
fn grid(seed: u64, rows: usize) -> Vec<f32> {
    let mut random = Random(seed);
    (0..rows * DIMENSION)
        .map(|_| random.below(3) as f32 - 1.0)
        .collect()
}

#[test]
#[cfg(feature = "faiss")]
fn queries_that_read_lists_together_find_what_each_finds_alone() {
    let points = grid(20, ROWS);
    // Too few for FAISS to compare them with the centroids by a matrix product, which rounds otherwise.
    let queries = grid(21, 19);
    let set = third(22);
    for metric in METRICS {
        let index = build(metric, &Kind::ivf(8), DIMENSION, &points);
        for (nprobe, max_codes) in [
            (1, None),
            (3, None),
            (3, Some(90)),
            (8, Some(301)),
            (8, None),
        ] {
            let params = SearchParams {
                nprobe: Some(nprobe),
                max_codes,
                ..SearchParams::DEFAULT
            };
            for select in [Select::All, Select::Only(&set), Select::Between(100, 1500)] {
                for k in [1, 10, 40] {
                    let together = index.search(&queries, k, &params, select).unwrap();
                    for (query, hits) in queries.chunks(DIMENSION).zip(&together) {
                        let alone = index.search(query, k, &params, select).unwrap();
                        assert_eq!(hits, &alone[0], "{metric} {params:?} {select:.30?} {k}");
                    }
                }
            }
        }
    }
}

#[test]
fn of_vectors_as_near_as_each_other_the_first_are_given() {
    let points = grid(23, ROWS);
    let queries = grid(24, 19);
    for (metric, kind) in lossless().filter(|(metric, _)| *metric != Metric::Cosine) {
        let index = build(metric, &kind, DIMENSION, &points);
        let answers = index.search(&queries, 30, &EXACT, Select::All).unwrap();
        for (query, hits) in queries.chunks(DIMENSION).zip(answers) {
            let expected = brute_force(metric, &points, DIMENSION, query, 30, Select::All);
            let found: Vec<(i64, f64)> = hits
                .iter()
                .map(|hit| (hit.id, f64::from(hit.distance)))
                .collect();
            assert_eq!(found, expected, "{metric} {kind}");
        }
    }
}

#[test]
fn a_search_returns_k_whenever_k_are_allowed() {
    let rows = 4000;
    let points = clustered(4, rows, DIMENSION, 12);
    let query = &points[..DIMENSION];
    let all = ids(rows);
    let few: IdSet = all.iter().copied().step_by(500).collect();
    let most: IdSet = all
        .iter()
        .copied()
        .filter(|id| !few.contains(*id))
        .collect();
    // So little effort that the graph and the lists alone would come back with less.
    let lazy = SearchParams {
        ef_search: Some(1),
        nprobe: Some(1),
        exact: false,
        ..SearchParams::DEFAULT
    };
    for metric in METRICS {
        for kind in had([
            Kind::flat(),
            Kind::hnsw_rs(2, 8),
            Kind::hnsw(2),
            Kind::hnsw(2).sq8(),
            Kind::ivf(64),
        ]) {
            let index = build(metric, &kind, DIMENSION, &points);
            for (select, k, expected) in [
                (Select::Only(&few), 8, 8),
                (Select::Only(&few), 100, 8),
                (Select::Except(&most), 5, 5),
                (Select::Except(&most), 100, 8),
                (Select::All, 300, 300),
                (Select::All, rows + 1, rows),
            ] {
                let hits = index.search(query, k, &lazy, select).unwrap().remove(0);
                assert_eq!(hits.len(), expected, "{metric} {kind} k={k}");
                assert!(hits.iter().all(|hit| select.allows(hit.id)));
                assert!(hits.is_sorted_by(
                    |one, two| metric.score(one.distance) >= metric.score(two.distance)
                ));
            }
        }
    }
}

#[test]
fn selecting_few_gives_just_those_and_their_true_distances() {
    let rows = 3000;
    let points = clustered(5, rows, DIMENSION, 6);
    let query = clustered(6, 1, DIMENSION, 6);
    let few: IdSet = [13, 13 + 3 * 999, 10 + 3 * 2999, 4, 1_000_000]
        .into_iter()
        .collect();
    for (metric, kind) in lossless() {
        let index = build(metric, &kind, DIMENSION, &points);
        let expected = brute_force(metric, &points, DIMENSION, &query, 10, Select::Only(&few));
        assert_eq!(expected.len(), 3);
        let hits = index
            .search(&query, 10, &SearchParams::default(), Select::Only(&few))
            .unwrap();
        assert_same(
            &hits[0],
            &expected,
            scale(metric),
            &format!("{metric} {kind}"),
        );
    }
}

#[test]
fn scan_measures_the_ids_given_and_no_others() {
    let points = clustered(7, ROWS, DIMENSION, 5);
    let query = clustered(8, 1, DIMENSION, 5);
    let mut asked: Vec<i64> = ids(ROWS).into_iter().step_by(3).collect();
    let set: IdSet = asked.iter().copied().collect();
    // Out of order, twice, and not inside.
    asked.reverse();
    asked.extend([-5, 11, 12, i64::MAX, i64::MIN, 10]);
    for (metric, kind) in lossless() {
        let index = build(metric, &kind, DIMENSION, &points);
        for k in [0, 1, 7, 10_000] {
            let expected = brute_force(metric, &points, DIMENSION, &query, k, Select::Only(&set));
            let hits = index.scan(&query, k, &asked).unwrap().unwrap();
            assert_same(
                &hits,
                &expected,
                scale(metric),
                &format!("{metric} {kind} k={k}"),
            );
        }
        assert_eq!(index.scan(&query, 3, &[]).unwrap().unwrap(), []);
    }
    for kind in had([Kind::hnsw(16).sq8()]) {
        let lossy = build(Metric::L2, &kind, DIMENSION, &points);
        assert!(lossy.scan(&query, 3, &asked).unwrap().is_none());
    }
}

#[cfg(feature = "faiss")]
#[test]
fn sq8_keeps_components_to_within_half_a_step() {
    let points = clustered(9, ROWS, DIMENSION, 5);
    let queries = clustered(10, 20, DIMENSION, 5);
    let (low, high) = points.iter().fold((f32::MAX, f32::MIN), |(low, high), &x| {
        (low.min(x), high.max(x))
    });
    let index = build(Metric::L2, &Kind::hnsw(16).sq8(), DIMENSION, &points);
    for (query, hits) in queries
        .chunks(DIMENSION)
        .zip(index.search(&queries, 10, &EXACT, Select::All).unwrap())
    {
        for hit in hits {
            let row = usize::try_from((hit.id - 10) / 3).unwrap();
            let truth = distance(Metric::L2, query, &points[row * DIMENSION..][..DIMENSION]).sqrt();
            // Each component is off by at most a step of the widest range.
            let most = f64::from((high - low) / 255.0) * (DIMENSION as f64).sqrt();
            assert!(
                (f64::from(hit.distance).sqrt() - truth).abs() <= most,
                "{hit:?} is {truth}"
            );
        }
    }
}

#[test]
fn far_from_the_origin_batches_still_rank_by_true_distance() {
    // Norms of 1e8 beside distances of 1: the product formula for L2 has no digit left.
    let offset: Vec<f32> = clustered(11, 400, DIMENSION, 3)
        .iter()
        .map(|x| (x * 8.0).round() + 4096.0)
        .collect();
    let index = build(Metric::L2, &Kind::flat(), DIMENSION, &offset);
    let queries = &offset[..64 * DIMENSION];
    for (query, hits) in queries
        .chunks(DIMENSION)
        .zip(index.search(queries, 5, &EXACT, Select::All).unwrap())
    {
        let expected = brute_force(Metric::L2, &offset, DIMENSION, query, 5, Select::All);
        assert_same(&hits, &expected, 1.0, "offset");
        assert_eq!(hits[0].distance, 0.0);
    }
}

#[test]
fn equal_vectors_all_come_back() {
    for (metric, kind) in lossless() {
        let points = [1.0, 2.0].repeat(500);
        let index = build(metric, &kind, 2, &points);
        for k in [1, 10, 500] {
            let hits = index
                .search(&[1.0, 2.0], k, &SearchParams::default(), Select::All)
                .unwrap()
                .remove(0);
            assert_eq!(hits.len(), k, "{metric} {kind}");
            let batch = index
                .search(
                    &[1.0, 2.0].repeat(30),
                    k,
                    &SearchParams::default(),
                    Select::All,
                )
                .unwrap();
            assert!(batch.iter().all(|hits| hits.len() == k));
        }
    }
}

#[test]
fn a_zero_vector_has_cosine_0_and_length_makes_no_difference() {
    let mut index = Index::new(2, Metric::Cosine, &Kind::flat()).unwrap();
    index
        .add(&[1, 2, 3, 4], &[0.0, 0.0, 3e38, 0.0, 0.0, 1e-45, -5.0, 0.0])
        .unwrap();
    let hits = index
        .search(&[1e-40, 0.0], 4, &SearchParams::default(), Select::All)
        .unwrap()
        .remove(0);
    let found: Vec<(i64, f32)> = hits.iter().map(|hit| (hit.id, hit.distance)).collect();
    assert_eq!(found, [(2, 1.0), (1, 0.0), (3, 0.0), (4, -1.0)]);
    let none = index
        .search(&[0.0, 0.0], 4, &SearchParams::default(), Select::All)
        .unwrap()
        .remove(0);
    assert!(none.len() == 4 && none.iter().all(|hit| hit.distance == 0.0));
}

#[test]
fn what_scans_is_exact_and_what_does_not_is_told_apart() {
    let points = clustered(18, 3000, DIMENSION, 30);
    let few = IdSet::from_sorted(&ids(3000)[..50]);
    let default = SearchParams::default();
    for (metric, kind) in lossless() {
        let index = build(metric, &kind, DIMENSION, &points);
        assert!(index.scans(10, &EXACT, Select::All) && index.scans(0, &default, Select::All));
        assert_eq!(
            index.scans(
                10,
                &SearchParams {
                    ef_search: Some(10),
                    ..default
                },
                Select::All
            ),
            kind == Kind::flat()
        );
        assert_eq!(
            index.scans(10, &default, Select::Only(&few)),
            !matches!(kind.structure, Structure::Ivf { .. })
        );
        for (k, params) in [
            (10, default),
            (2000, default),
            (
                10,
                SearchParams {
                    ef_search: Some(2500),
                    ..default
                },
            ),
        ] {
            if index.scans(k, &params, Select::All) {
                let expected = brute_force(
                    metric,
                    &points,
                    DIMENSION,
                    &points[..DIMENSION],
                    k,
                    Select::All,
                );
                let found = index
                    .search(&points[..DIMENSION], k, &params, Select::All)
                    .unwrap();
                assert_same(
                    &found[0],
                    &expected,
                    scale(metric),
                    &format!("{metric} {kind} k={k}"),
                );
            }
        }
    }
}
