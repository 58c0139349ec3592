//! The edge of what can be given: nothing panics or aborts, what is refused changes nothing and says why.

use proptest::prelude::*;

use super::fixtures::*;
use crate::{
    Error, IdSet, Index, Kind, MAX_DIMENSION, MAX_ID, MAX_NORM, Metric, SearchParams, Select,
};

const DEFAULT: SearchParams = SearchParams::DEFAULT;

#[test]
fn indexes_that_cannot_be_are_refused() {
    for dimension in [0, MAX_DIMENSION + 1, 70_000, usize::MAX] {
        for kind in kinds() {
            assert!(matches!(
                Index::new(dimension, Metric::L2, &kind),
                Err(Error::DimensionRange { .. })
            ));
        }
    }
    for kind in [
        Kind::hnsw(0),
        Kind::hnsw(1).sq8(),
        Kind::hnsw(5000),
        Kind::hnsw(usize::MAX),
        Kind::ivf(0),
        Kind::ivf(1 << 32),
        Kind::ivf(usize::MAX),
    ] {
        assert!(
            matches!(Index::new(8, Metric::L2, &kind), Err(Error::BadSpec { .. })),
            "{kind}"
        );
    }
}

#[test]
fn the_smallest_and_largest_indexes_work() {
    for dimension in [1, 7, MAX_DIMENSION] {
        for kind in had([
            Kind::flat(),
            Kind::hnsw_rs(2, 8),
            Kind::hnsw(2),
            Kind::hnsw(512).sq8(),
            Kind::ivf(1),
        ]) {
            let points = clustered(51, 40, dimension, 2);
            let index = build(Metric::L2, &kind, dimension, &points);
            let hits = index
                .search(&points[..dimension], 1, &DEFAULT, Select::All)
                .unwrap();
            assert_eq!(hits[0].len(), 1, "{kind} of {dimension}");
            assert!(index.memory_bytes() >= 40 * dimension);
        }
    }
    for kind in had([Kind::ivf(262_144), Kind::hnsw_rs(255, 4096)]) {
        Index::new(2, Metric::L2, &kind).unwrap();
    }
}

#[test]
fn an_empty_index_finds_nothing() {
    let set = IdSet::from_sorted(&[1, 2]);
    for metric in METRICS {
        for kind in kinds() {
            let index = Index::new(4, metric, &kind).unwrap();
            assert!(index.is_empty() && index.last_id().is_none() && index.ids().is_empty());
            for select in [Select::All, Select::Only(&set), Select::Except(&set)] {
                for k in [0, 1, usize::MAX] {
                    assert_eq!(
                        index.search(&[0.5; 8], k, &DEFAULT, select).unwrap(),
                        [[], []]
                    );
                    assert_eq!(index.search(&[], k, &DEFAULT, select).unwrap().len(), 0);
                }
            }
            let scanned = index.scan(&[0.5; 4], 3, &[1, 2]).unwrap();
            assert_eq!(scanned, kind.is_lossless().then(Vec::new));
            assert!(index.try_clone().unwrap().is_empty());
        }
    }
}

#[test]
fn any_effort_and_any_k_is_bounded() {
    let points = clustered(52, 3000, 8, 5);
    let everything = SearchParams {
        ef_search: Some(usize::MAX),
        nprobe: Some(usize::MAX),
        exact: false,
        ..SearchParams::DEFAULT
    };
    let nothing = SearchParams {
        ef_search: Some(0),
        nprobe: Some(0),
        exact: false,
        ..SearchParams::DEFAULT
    };
    for kind in kinds() {
        let index = build(Metric::InnerProduct, &kind, 8, &points);
        for params in [everything, nothing] {
            for (k, expected) in [
                (0, 0),
                (1, 1),
                (3000, 3000),
                (3001, 3000),
                (usize::MAX, 3000),
            ] {
                let found = index
                    .search(&points[..80], k, &params, Select::All)
                    .unwrap();
                assert!(
                    found.len() == 10 && found.iter().all(|hits| hits.len() == expected),
                    "{kind} k={k}"
                );
            }
        }
    }
}

#[cfg(feature = "faiss")]
#[test]
fn training_needs_enough_and_comes_before_adding() {
    let points = clustered(53, 8 * 39, 4, 5);
    let ivf = Kind::ivf(8);
    let mut index = Index::new(4, Metric::L2, &ivf).unwrap();
    assert!(!index.is_trained());
    assert!(matches!(index.add(&[1], &[0.0; 4]), Err(Error::NotTrained { kind }) if kind == ivf));
    let outcome = index.train(&points[4..]);
    assert!(
        matches!(
            outcome,
            Err(Error::TooFewTrainingVectors {
                given: 311,
                minimum: 312,
                ..
            })
        ),
        "{outcome:?}"
    );
    assert!(!index.is_trained());
    index.train(&points).unwrap();
    index.add(&[1], &points[..4]).unwrap();
    // Training again changes nothing: what is inside stays where it is found.
    index.train(&clustered(54, 400, 4, 5)).unwrap();
    assert_eq!(
        index
            .search(
                &points[..4],
                1,
                &SearchParams {
                    nprobe: Some(1),
                    ..DEFAULT
                },
                Select::All
            )
            .unwrap()[0][0]
            .distance,
        0.0
    );

    let mut bytes = Index::new(4, Metric::L2, &Kind::hnsw(8).sq8()).unwrap();
    assert!(matches!(
        bytes.add(&[1], &[0.0; 4]),
        Err(Error::NotTrained { .. })
    ));
    assert!(matches!(
        bytes.train(&[]),
        Err(Error::TooFewTrainingVectors { minimum: 1, .. })
    ));
    bytes.train(&[0.5; 4]).unwrap();
    bytes
        .add(&[1, 2], &[0.5, 0.5, 0.5, 0.5, 9.0, -9.0, 0.0, 1.0])
        .unwrap();
    assert_eq!(
        bytes.search(&[0.5; 4], 5, &DEFAULT, Select::All).unwrap()[0].len(),
        2
    );
    for kind in [Kind::flat(), Kind::hnsw(8)] {
        let mut untrained = Index::new(4, Metric::L2, &kind).unwrap();
        assert!(untrained.is_trained());
        untrained.train(&[]).unwrap();
    }
}

#[test]
fn what_is_wrong_with_vectors_is_said_and_changes_nothing() {
    for metric in METRICS {
        for kind in kinds() {
            let points = clustered(55, 320, 4, 5);
            let mut index = build(metric, &kind, 4, &points);
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let two = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, bad, 0.0];
                for outcome in [
                    index.add(&[9000, 9001], &two),
                    index.train(&two),
                    index.search(&two, 3, &DEFAULT, Select::All).map(drop),
                    index.scan(&two[4..], 3, &[10]).map(drop),
                ] {
                    assert!(
                        matches!(outcome, Err(Error::NotFinite { component: 2, .. })),
                        "{metric} {kind}: {outcome:?}"
                    );
                }
            }
            assert!(matches!(
                index.add(&[9000], &[0.0; 5]),
                Err(Error::RaggedVectors {
                    length: 5,
                    dimension: 4
                })
            ));
            assert!(matches!(
                index.add(&[9000], &[0.0; 3]),
                Err(Error::DimensionMismatch {
                    expected: 4,
                    actual: 3
                })
            ));
            assert!(matches!(
                index.search(&[0.0; 3], 1, &DEFAULT, Select::All),
                Err(Error::DimensionMismatch { .. })
            ));
            assert!(matches!(
                index.search(&[0.0; 9], 1, &DEFAULT, Select::All),
                Err(Error::RaggedVectors { .. })
            ));
            assert!(matches!(
                index.scan(&[0.0; 8], 1, &[10]),
                Err(Error::DimensionMismatch {
                    expected: 4,
                    actual: 8
                })
            ));
            assert!(matches!(
                index.scan(&[], 1, &[10]),
                Err(Error::DimensionMismatch { .. })
            ));
            for (ids, vectors) in [
                (vec![], 1),
                (vec![9000], 0),
                (vec![9000, 9001], 1),
                (vec![9000], 2),
            ] {
                let outcome = index.add(&ids, &vec![0.0; vectors * 4]);
                assert!(matches!(outcome, Err(Error::IdCount { .. })), "{outcome:?}");
            }
            let last = index.last_id().unwrap();
            for ids in [
                [last, last + 1],
                [last + 1, last + 1],
                [last + 2, last + 1],
                [0, last + 1],
            ] {
                assert!(matches!(
                    index.add(&ids, &[0.0; 8]),
                    Err(Error::IdOrder { .. })
                ));
            }
            for ids in [[-1, last + 1], [last + 1, MAX_ID + 1], [i64::MIN, i64::MAX]] {
                assert!(matches!(
                    index.add(&ids, &[0.0; 8]),
                    Err(Error::IdRange { .. })
                ));
            }
            index.add(&[], &[]).unwrap();
            assert_eq!(index.len(), 320);
            index.add(&[MAX_ID], &[1.0; 4]).unwrap();
            let set = IdSet::from_sorted(&[10]);
            assert_eq!(
                index
                    .search(&[1.0; 4], 400, &DEFAULT, Select::Except(&set))
                    .unwrap()[0]
                    .len(),
                320
            );
        }
    }
}

#[test]
fn vectors_as_long_as_allowed_have_distances_and_longer_ones_are_refused() {
    for metric in [Metric::L2, Metric::InnerProduct] {
        for kind in kinds() {
            let sign = |row: usize| if row.is_multiple_of(2) { 1.0 } else { -1.0 };
            let points: Vec<f32> = (0..400)
                .flat_map(|row| [sign(row) * MAX_NORM * 0.999, row as f32])
                .collect();
            let mut index = build(metric, &kind, 2, &points);
            for queries in [&points[..2], &points[..100]] {
                for hits in index.search(queries, 400, &DEFAULT, Select::All).unwrap() {
                    assert_eq!(hits.len(), 400, "{metric} {kind}");
                    assert!(hits.iter().all(|hit| hit.distance.is_finite()));
                }
            }
            for long in [MAX_NORM * 1.001, f32::MAX, -f32::MAX] {
                let outcome = index.add(&[9000], &[0.0, long]);
                assert!(
                    matches!(outcome, Err(Error::NormTooLarge { row: 0, .. })),
                    "{outcome:?}"
                );
                assert!(
                    index
                        .search(&[long, 0.0], 1, &DEFAULT, Select::All)
                        .is_err()
                );
            }
        }
    }
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::flat()),
        (2_usize..20).prop_map(|m| Kind::hnsw_rs(m, 40)),
        (2_usize..20, any::<bool>()).prop_map(|(m, sq8)| if sq8 {
            Kind::hnsw(m).sq8()
        } else {
            Kind::hnsw(m)
        }),
        (1_usize..4).prop_map(Kind::ivf),
    ]
    .prop_filter("not in this build", Kind::is_built_in)
}

fn any_metric() -> impl Strategy<Value = Metric> {
    prop_oneof![
        Just(Metric::L2),
        Just(Metric::Cosine),
        Just(Metric::InnerProduct)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is asked: min(k, allowed) hits, all of them allowed, each once, in order, and for exact searches over
    /// whole vectors the right distances.
    #[test]
    fn every_search_answers_what_was_asked(
        (metric, kind) in (any_metric(), any_kind()),
        (seed, dimension, rows) in (any::<u64>(), 1_usize..12, 0_usize..150),
        (asked, k) in (0_usize..30, 0_usize..200),
        (ef_search, nprobe, exact) in (proptest::option::of(0_usize..300), proptest::option::of(0_usize..6), any::<bool>()),
        chosen in proptest::collection::btree_set(0_i64..600, 0..80),
        selection in 0..3,
    ) {
        let mut index = Index::new(dimension, metric, &kind).unwrap();
        let points = clustered(seed, rows.max(200), dimension, 4);
        index.train(&points).unwrap();
        let points = &points[..rows * dimension];
        index.add(&ids(rows), points).unwrap();
        let queries = clustered(!seed, asked, dimension, 4);
        let set: IdSet = chosen.into_iter().collect();
        let select = [Select::All, Select::Only(&set), Select::Except(&set)][usize::try_from(selection).unwrap()];
        let params = SearchParams { ef_search, nprobe, exact, ..SearchParams::DEFAULT };
        let found = index.search(&queries, k, &params, select).unwrap();
        prop_assert_eq!(found.len(), asked);
        for (query, hits) in queries.chunks(dimension).zip(&found) {
            let expected = brute_force(metric, points, dimension, query, k, select);
            prop_assert_eq!(hits.len(), expected.len());
            prop_assert!(hits.iter().all(|hit| select.allows(hit.id) && hit.id % 3 == 1));
            prop_assert!(hits.is_sorted_by(|one, two| metric.score(one.distance) >= metric.score(two.distance)));
            if exact && kind.is_lossless() {
                assert_same(hits, &expected, dimension as f64 * 8.0, "exact");
            }
        }
    }

    /// No string makes the parser or FAISS's factory stumble.
    #[test]
    fn any_specification_is_an_index_or_an_error(given in "(HNSW|IVF|Flat|SQ8|PQ|auto|,|[0-9]{1,20}|.){0,5}") {
        if let Ok(crate::IndexSpec::Fixed(kind)) = crate::IndexSpec::parse(&given)
            && kind.is_built_in()
        {
            match Index::new(3, Metric::L2, &kind) {
                Ok(index) => prop_assert_eq!(index.kind(), &kind),
                Err(error) => prop_assert!(matches!(error, Error::BadSpec { .. }), "{}", error),
            }
        }
    }
}
