//! Extreme values under every kind: a search yields min(k, n) hits whose distances are numbers, or the vectors are refused
//! by name when they come.

use super::fixtures::*;
use crate::{Error, Index, Kind, Metric, SearchParams, Select};

const DIMENSION: usize = 16;
const ROWS: usize = 1_050;
const K: usize = 10;

/// Vectors whose components are made of a random number and their place.
fn made(component: impl Fn(f32, usize, usize) -> f32) -> Vec<f32> {
    let mut random = Random(11);
    let rows = (0..ROWS).flat_map(|row| (0..DIMENSION).map(move |place| (row, place)));
    rows.map(|(row, place)| component(random.unit(), row, place))
        .collect()
}

/// Names, and vectors that have broken something in one kind or another.
fn extremes() -> Vec<(&'static str, Vec<f32>)> {
    vec![
        ("huge", made(|x, _, _| x * 2e17)),
        (
            "one huge among small",
            made(|x, row, _| if row == 500 { 2e17 } else { x }),
        ),
        (
            "one large component",
            made(|x, row, place| if row % 97 == 0 && place == 3 { 1e5 } else { x }),
        ),
        ("tiny", made(|x, _, _| x * 1e-20)),
        ("denormal", made(|x, _, _| x * 1e-40)),
        ("zero", made(|_, _, _| 0.0)),
        (
            "zero and others",
            made(|x, row, _| if row % 3 == 0 { 0.0 } else { x }),
        ),
        ("all the same", made(|_, _, place| place as f32)),
        (
            "two that differ",
            made(|_, row, place| if row % 2 == 0 { 1.0 } else { place as f32 }),
        ),
        (
            "of rank 2",
            made(|_, row, place| ((row % 31) * place) as f32 + (row % 7) as f32),
        ),
        (
            "one component",
            made(|x, _, place| if place == 0 { x } else { 0.0 }),
        ),
        (
            "both ends",
            made(|x, _, _| if x > 0.0 { 2e17 } else { 1e-30 }),
        ),
    ]
}

/// Whether an error names what is wrong with the vectors, and what to do.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::NormTooLarge { .. }
            | Error::ComponentTooLarge { .. }
            | Error::DegenerateSample { .. }
    )
}

fn built(metric: Metric, kind: &Kind, vectors: &[f32]) -> crate::Result<Index> {
    let mut index = Index::new(DIMENSION, metric, kind)?;
    index.train(vectors)?;
    index.add(&ids(ROWS), vectors)?;
    Ok(index)
}

fn assert_finds(index: &Index, queries: &[f32], context: &str) {
    let none = crate::IdSet::new();
    for params in [SearchParams::DEFAULT, SearchParams::EXACT] {
        for select in [Select::All, Select::Except(&none)] {
            for hits in index.search(queries, K, &params, select).unwrap() {
                assert_eq!(hits.len(), K, "{context}");
                assert!(
                    hits.iter().all(|hit| hit.distance.is_finite()),
                    "{context}: {hits:?}"
                );
            }
        }
    }
}

#[test]
fn extreme_values_are_found_or_refused_by_every_kind() {
    let ordinary = made(|x, _, _| x);
    for (number, (name, vectors)) in extremes().into_iter().enumerate() {
        for (place, kind) in catalogue().into_iter().enumerate() {
            // Kinds that have every metric are tried with each, the others by turns.
            let turn = METRICS[(number + place) % METRICS.len()];
            let is_whole = ["Flat", "HNSW8"].contains(&kind.to_string().as_str());
            let metrics = if is_whole { all_metrics() } else { vec![turn] };
            for metric in metrics {
                let context = format!("{name}, {kind}, {metric}");
                if kind.check(DIMENSION, metric).is_err() {
                    continue;
                }
                let vectors = suited(metric, &vectors);
                match built(metric, &kind, &vectors) {
                    Err(error) => assert!(is_refusal(&error), "{context}: {error}"),
                    Ok(index) => {
                        assert_finds(&index, &vectors[..8 * DIMENSION], &context);
                        assert_finds(
                            &index,
                            &suited(metric, &ordinary[..4 * DIMENSION]),
                            &context,
                        );
                        assert_finds(&index, &[0.0; DIMENSION], &context);
                    }
                }
            }
        }
    }
}

#[test]
fn half_precision_refuses_what_it_cannot_hold_and_says_what_can() {
    for (kind, most) in [
        ("SQfp16", 65_504.0),
        ("HNSW8,SQfp16", 65_504.0),
        ("SQ8,Refine(SQfp16)", 65_504.0),
        ("IVF16,SQfp16", 32_752.0),
    ] {
        let kind: Kind = kind.parse().unwrap();
        if !kind.is_built_in() {
            continue;
        }
        let mut vectors = made(|x, _, _| x);
        let mut index = built(Metric::L2, &kind, &vectors).unwrap();
        let mut held = vec![0.0; DIMENSION];
        held[5] = -most;
        index.add(&[1_000_000], &held).unwrap();
        let found = index
            .search(&held, 1, &SearchParams::EXACT, Select::All)
            .unwrap();
        assert_eq!(found[0][0].id, 1_000_000, "{kind}");
        held[5] = -most * 1.001;
        let refused = index.add(&[1_000_001], &held).unwrap_err();
        assert!(
            matches!(
                refused,
                Error::ComponentTooLarge {
                    row: 0,
                    component: 5,
                    ..
                }
            ),
            "{kind}"
        );
        assert!(refused.to_string().contains("SQbf16"), "{refused}");
        assert_eq!(index.len(), ROWS + 1);
        vectors[17 * DIMENSION + 2] = 1e6;
        let refused = built(Metric::L2, &kind, &vectors).unwrap_err();
        assert!(
            matches!(
                refused,
                Error::ComponentTooLarge {
                    row: 17,
                    component: 2,
                    ..
                }
            ),
            "{kind}"
        );
        // Cosine keeps vectors of length 1, and other kinds have room.
        built(Metric::Cosine, &kind, &vectors).unwrap();
    }
}

#[test]
fn whitening_refuses_a_sample_of_lower_rank_and_takes_it_with_fewer_components() {
    let flat = made(|x, row, place| if place < 4 { x } else { (row % 2) as f32 });
    for (kind, fits) in [
        ("PCAW8,Flat", false),
        ("PCAW8,HNSW8", false),
        ("PCAWR8,IVF16,SQ8", false),
        ("PCAW4,Flat", true),
        ("PCA8,Flat", true),
    ] {
        let kind: Kind = kind.parse().unwrap();
        if !kind.is_built_in() {
            continue;
        }
        let outcome = built(Metric::L2, &kind, &flat);
        match (fits, outcome) {
            (true, Ok(index)) => assert_finds(&index, &flat[..8 * DIMENSION], &kind.to_string()),
            (false, Err(Error::DegenerateSample { .. })) => {}
            (_, other) => panic!("{kind}: {other:?}"),
        }
    }
}
