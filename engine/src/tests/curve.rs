//! Curves: measured recall against that of queries which were not measured with, what is taken for a target, what is kept.

use super::fixtures::*;
use crate::{
    Curve, Error, Hit, Index, Kind, Metric, Rung, SearchParams, Select, Stage, Trial, sample_rows,
    unwatched, with_threads,
};
use std::ops::ControlFlow;
use std::sync::Mutex;

const DIMENSION: usize = 32;
const ROWS: usize = 8_000;
const HELD_OUT: usize = 150;
const MEASURED_WITH: usize = 200;

fn kind(factory: &str) -> Kind {
    factory.parse().unwrap()
}

/// A trial's queries, ids and truth: stored vectors, and the exact answers without themselves.
struct Sample {
    queries: Vec<f32>,
    own: Vec<i64>,
    truth: Vec<Vec<i64>>,
}

fn sample(metric: Metric, points: &[f32]) -> Sample {
    let exact = build(metric, &Kind::flat(), DIMENSION, points);
    let rows = sample_rows(points.len() / DIMENSION, MEASURED_WITH, 5);
    let queries: Vec<f32> = rows
        .iter()
        .flat_map(|row| points[row * DIMENSION..(row + 1) * DIMENSION].to_vec())
        .collect();
    let own: Vec<i64> = rows.iter().map(|row| exact.ids()[*row]).collect();
    let nearest = exact
        .search(&queries, 11, &SearchParams::EXACT, Select::All)
        .unwrap();
    let truth = nearest.iter().zip(&own).map(|(hits, own)| {
        let others = hits.iter().map(|hit| hit.id).filter(|id| id != own);
        others.take(10).collect()
    });
    let truth = truth.collect();
    Sample {
        queries,
        own,
        truth,
    }
}

impl Sample {
    fn trial(&self) -> Trial<'_> {
        Trial {
            queries: &self.queries,
            own: &self.own,
            truth: &self.truth,
            select: Select::All,
            candidate_micros: 4.0,
            watch: &unwatched,
        }
    }
}

/// What queries that are not in the index find by a rung; candidates count as the facade has them count: when a true
/// neighbour is among them, comparing whole vectors brings it up.
fn strangers(index: &Index, rung: &Rung, queries: &[f32], truth: &[Vec<(i64, f64)>]) -> (f64, f64) {
    let lossy = !index.kind().is_lossless() && index.kind().refine.is_none();
    let factor = rung.rescore.filter(|_| lossy).unwrap_or(1);
    let found = index
        .search(queries, 10 * factor, &rung.params(), Select::All)
        .unwrap();
    let shares: Vec<f64> = found
        .iter()
        .zip(truth)
        .map(|(hits, truth)| recall(std::slice::from_ref(hits), std::slice::from_ref(truth)))
        .collect();
    let n = shares.len() as f64;
    let mean = shares.iter().sum::<f64>() / n;
    let variance = shares
        .iter()
        .map(|share| (share - mean).powi(2))
        .sum::<f64>()
        / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn strangers_find_what_was_measured() {
    let kinds = [
        Kind::hnsw(8),
        Kind::hnsw(8).sq8(),
        Kind::ivf(64),
        kind("IVF64,PQ8x4"),
        Kind::flat().sq8(),
    ];
    let points = clustered(31, ROWS + HELD_OUT, DIMENSION, 60);
    let (points, queries) = points.split_at(ROWS * DIMENSION);
    for metric in [Metric::L2, Metric::Cosine] {
        let truth: Vec<_> = queries
            .chunks(DIMENSION)
            .map(|query| brute_force(metric, points, DIMENSION, query, 10, Select::All))
            .collect();
        let sample = sample(metric, points);
        for kind in &kinds {
            // Threads would make another graph each time.
            let mut index = with_threads(1, || build(metric, kind, DIMENSION, points));
            index.calibrate(&sample.trial()).unwrap();
            let curve = index.curve().unwrap();
            assert_eq!((curve.k, curve.queries), (10, MEASURED_WITH));
            for target in [0.8, 0.95, 0.99] {
                let rung = curve.rung(target).unwrap();
                let (found, error) = strangers(&index, rung, queries, &truth);
                let off = 4.0 * (error.powi(2) + f64::from(rung.error).powi(2)).sqrt() + 0.002;
                let claimed = f64::from(rung.recall);
                // No less than measured; a little more does no harm.
                assert!(
                    (claimed - off..=claimed + off + 0.02).contains(&found),
                    "{metric} {kind}: {rung:?} but {found} ± {error}"
                );
                if rung.reaches(target) {
                    assert!(
                        found >= f64::from(target) - off,
                        "{metric} {kind} at {target}: {found}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_target_takes_the_cheapest_rung_that_reaches_it_and_else_the_best() {
    let rung = |recall, micros| Rung {
        ef_search: None,
        nprobe: None,
        rescore: None,
        recall,
        error: 0.01,
        micros,
    };
    let curve = Curve {
        k: 10,
        queries: 100,
        rungs: vec![
            rung(0.8, 10.0),
            rung(0.955, 20.0),
            rung(0.965, 30.0),
            rung(0.98, 90.0),
        ],
    };
    let taken = |target| curve.rung(target).unwrap().micros;
    assert_eq!(
        [0.5, 0.95, 0.97, 0.999].map(taken),
        [10.0, 30.0, 90.0, 90.0]
    );
    assert!(!curve.rung(0.999).unwrap().reaches(0.999));
    let empty = Curve {
        rungs: Vec::new(),
        ..curve
    };
    assert_eq!(empty.rung(0.5), None);
}

#[test]
fn each_rung_costs_more_and_finds_more_than_those_before() {
    let points = clustered(33, ROWS, DIMENSION, 60);
    let sample = sample(Metric::L2, &points);
    for kind in [
        Kind::hnsw(8),
        kind("IVF64,PQ8x4"),
        Kind::ivf(64).pq_fast_scan(16).refine_flat(),
    ] {
        let mut index = build(Metric::L2, &kind, DIMENSION, &points);
        index.calibrate(&sample.trial()).unwrap();
        let rungs = &index.curve().unwrap().rungs;
        assert!(rungs.len() >= 2, "{kind}: {rungs:?}");
        let rises =
            |pair: &[Rung]| pair[0].recall < pair[1].recall && pair[0].micros <= pair[1].micros;
        assert!(rungs.windows(2).all(rises), "{kind}: {rungs:?}");
        assert!(rungs.last().unwrap().recall >= 0.97, "{kind}: {rungs:?}");
    }
}

/// Without clusters the nearest lie in many lists. Whatever the first steps take, the widest is measured.
#[test]
fn the_best_rung_is_no_worse_than_the_widest_setting() {
    let points = clustered(37, 3_000, DIMENSION, 3_000);
    let sample = sample(Metric::L2, &points);
    for (factory, nprobe) in [
        ("IVF16,SQ8", Some(16)),
        ("IVF8,PQ16x4fs", Some(8)),
        ("PCA24,IVF16,SQ8", Some(16)),
        ("IVF16,PQ8x4fs,RFlat", Some(16)),
        ("SQ4,RFlat", None),
    ] {
        let mut index = build(Metric::L2, &kind(factory), DIMENSION, &points);
        index.calibrate(&sample.trial()).unwrap();
        let best = *index.curve().unwrap().rungs.last().unwrap();
        let widest = Rung {
            nprobe,
            rescore: Some(32),
            ..best
        };
        let truth: Vec<Vec<(i64, f64)>> = (sample.truth.iter())
            .map(|ids| ids.iter().map(|&id| (id, 0.0)).collect())
            .collect();
        let (found, _) = strangers(&index, &widest, &sample.queries, &truth);
        assert!(
            f64::from(best.recall) > found - 0.02,
            "{factory}: {best:?} but {found} with {widest:?}"
        );
    }
}

#[test]
fn where_whole_vectors_are_kept_all_can_be_found() {
    let points = clustered(38, 600, DIMENSION, 600);
    let sample = sample(Metric::L2, &points);
    for factory in ["HNSW4", "IVF8,Flat"] {
        let mut index = build(Metric::L2, &kind(factory), DIMENSION, &points);
        index.calibrate(&sample.trial()).unwrap();
        let best = *index.curve().unwrap().rungs.last().unwrap();
        assert!(best.recall > 0.999, "{factory}: {best:?}");
        let ids = |params: &SearchParams| -> Vec<Vec<i64>> {
            let answers = index.search(&sample.queries, 11, params, Select::All);
            let ids = |hits: &Vec<Hit>| hits.iter().map(|hit| hit.id).collect();
            answers.unwrap().iter().map(ids).collect()
        };
        assert_eq!(
            ids(&best.params()),
            ids(&SearchParams::EXACT),
            "{factory}: {best:?}"
        );
    }
}

#[test]
fn a_curve_lives_in_the_file_and_dies_with_a_change() {
    let points = clustered(34, 3_000, DIMENSION, 20);
    let sample = sample(Metric::L2, &points);
    let mut index = build(Metric::L2, &Kind::ivf(16), DIMENSION, &points);
    assert!(index.curve().is_none());
    index.calibrate(&sample.trial()).unwrap();
    let curve = index.curve().unwrap().clone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    index.save(&path, &Default::default()).unwrap();
    let loaded = Index::load(&path, &Default::default()).unwrap();
    assert_eq!(loaded.curve(), Some(&curve));
    let mut copy = loaded.try_clone().unwrap();
    assert_eq!(copy.curve(), Some(&curve));
    copy.add(&[1 << 20], &points[..DIMENSION]).unwrap();
    assert_eq!(copy.curve(), None);
}

#[test]
fn measuring_can_be_stopped_and_says_how_far_it_is() {
    let points = clustered(35, 3_000, DIMENSION, 20);
    let sample = sample(Metric::L2, &points);
    let mut index = build(Metric::L2, &Kind::ivf(16), DIMENSION, &points);
    let told = Mutex::new(Vec::new());
    let watch = |progress: crate::Progress| {
        told.lock().unwrap().push(progress);
        match told.lock().unwrap().len() {
            3 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let trial = Trial {
        watch: &watch,
        ..sample.trial()
    };
    assert!(matches!(index.calibrate(&trial), Err(Error::Cancelled)));
    assert!(index.curve().is_none());
    let told = told.into_inner().unwrap();
    assert_eq!(told.len(), 3);
    assert!(
        told.iter()
            .enumerate()
            .all(|(at, step)| step.stage == Stage::Measuring && step.done == at && step.total == 5)
    );
}

#[test]
fn truth_or_ids_that_are_not_as_many_as_queries_are_refused() {
    let points = clustered(36, 1_000, DIMENSION, 20);
    let sample = sample(Metric::L2, &points);
    let mut index = build(Metric::L2, &Kind::ivf(8), DIMENSION, &points);
    for trial in [
        Trial {
            own: &sample.own[1..],
            ..sample.trial()
        },
        Trial {
            truth: &sample.truth[1..],
            ..sample.trial()
        },
        Trial {
            truth: &[],
            own: &[],
            ..sample.trial()
        },
    ] {
        assert!(matches!(
            index.calibrate(&trial),
            Err(Error::IdCount { .. })
        ));
    }
    let nothing = Trial {
        queries: &[],
        own: &[],
        truth: &[],
        ..sample.trial()
    };
    index.calibrate(&nothing).unwrap();
    assert_eq!(index.curve().unwrap().rungs, []);
}

#[test]
fn whoever_is_left_out_is_neither_found_nor_missed() {
    const K: usize = 10;
    let points = clustered(43, 2_000, DIMENSION, 12);
    for factory in ["HNSW4", "HNSW8,SQ8", "NSG16", "PCAR16,HNSW8", "IVF16,Flat"] {
        let index = build(Metric::L2, &kind(factory), DIMENSION, &points);
        let wide = SearchParams {
            ef_search: (!factory.starts_with("IVF")).then_some(64),
            ..SearchParams::default()
        };
        let few = crate::IdSet::from_iter(index.ids().iter().step_by(100).copied());
        for (row, &own) in index.ids().iter().enumerate() {
            let query = &points[row * DIMENSION..(row + 1) * DIMENSION];
            let selections = [
                (wide, Select::All),
                (SearchParams::EXACT, Select::All),
                (wide, Select::Only(&few)),
            ];
            for (params, select) in selections {
                let hits = index
                    .search_as_stranger(query, K, &params, select, own)
                    .unwrap();
                assert!(hits.iter().all(|hit| hit.id != own), "{factory}: {own}");
                assert_eq!(hits.len(), K, "{factory}, {params:?}: {own}");
            }
        }
    }
}
