//! The flat index of our own against brute force.

use super::fixtures::*;
use crate::backend::flat::Exact;
use crate::backend::scan::{Rows, Scan};
use crate::{IdSet, Metric, Select, vectors};

const ROWS: usize = 700;

fn exact(metric: Metric, dimension: usize, points: &[f32]) -> Exact {
    let mut exact = Exact::new(dimension, metric);
    let points = vectors::prepare(points, dimension, metric).unwrap();
    exact.add(&ids(points.len() / dimension), &points);
    exact
}

#[test]
fn it_finds_what_brute_force_finds() {
    for dimension in [1, 15, 16, 17, 33] {
        let points = clustered(71, ROWS, dimension, 9);
        let queries = clustered(72, 7, dimension, 9);
        let set: IdSet = ids(ROWS).into_iter().step_by(3).collect();
        for metric in all_metrics() {
            let (points, queries) = (suited(metric, &points), suited(metric, &queries));
            let rows = exact(metric, dimension, &points);
            let prepared = vectors::prepare(&queries, dimension, metric).unwrap();
            for select in [Select::All, Select::Only(&set), Select::Except(&set)] {
                let scan = Scan {
                    metric,
                    dimension,
                    select,
                };
                for k in [0, 1, 10, ROWS + 1] {
                    let found = scan.nearest(&rows, &prepared, k);
                    for (query, hits) in queries.chunks(dimension).zip(found) {
                        let expected = brute_force(metric, &points, dimension, query, k, select);
                        let largest = expected
                            .iter()
                            .fold(dimension as f64, |most, (_, x)| most.max(x.abs()));
                        assert_same(
                            &hits,
                            &expected,
                            largest,
                            &format!("{metric} {dimension} k={k}"),
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn all_within_a_radius_are_found_and_no_more() {
    let dimension = 20;
    let points = clustered(73, ROWS, dimension, 9);
    let query = clustered(74, 1, dimension, 9);
    let set: IdSet = ids(ROWS).into_iter().step_by(4).collect();
    for metric in all_metrics() {
        let (points, query) = (suited(metric, &points), suited(metric, &query));
        let rows = exact(metric, dimension, &points);
        let prepared = vectors::prepare(&query, dimension, metric).unwrap();
        let scan = Scan {
            metric,
            dimension,
            select: Select::Except(&set),
        };
        let nearest = scan.nearest(&rows, &prepared, 100).remove(0);
        let radius = nearest[49].distance;
        let within = scan.within(&rows, &prepared, radius, usize::MAX);
        assert_eq!(within[..50], nearest[..50]);
        assert!(within[50..].iter().all(|hit| hit.distance == radius));
        assert_eq!(scan.within(&rows, &prepared, radius, 7), nearest[..7]);
    }
}

#[test]
fn rows_are_removed_copied_written_and_read() {
    let dimension = 5;
    let points = clustered(75, ROWS, dimension, 3);
    let mut rows = exact(Metric::L2, dimension, &points);
    let gone: IdSet = ids(ROWS)
        .into_iter()
        .step_by(2)
        .chain([11, 1_000_000])
        .collect();
    let before = rows.clone();
    assert_eq!(rows.remove(&gone), ROWS / 2);
    assert_eq!((rows.ids().len(), before.ids().len()), (ROWS / 2, ROWS));
    for (row, &id) in rows.ids().iter().enumerate() {
        let place = usize::try_from((id - 10) / 3).unwrap();
        assert!(place % 2 == 1 && rows.row(row) == &points[place * dimension..][..dimension]);
    }
    assert_eq!(rows.remove(&gone), 0);
    rows.add(&[1_000_001], &[1.0; 5]);

    assert!(rows.memory_bytes() >= rows.ids().len() * (8 + 4 * dimension));
    let mut bytes = Vec::new();
    rows.write(&mut bytes).unwrap();
    let read = Exact::read(&mut &bytes[..], ROWS / 2 + 1, dimension, Metric::L2).unwrap();
    assert_eq!(read.ids(), rows.ids());
    assert!((0..read.ids().len()).all(|row| read.row(row) == rows.row(row)));
    for (bytes, count) in [
        (&bytes[1..], ROWS / 2 + 1),
        (&bytes[..], ROWS),
        (&bytes[..], usize::MAX),
    ] {
        Exact::read(&mut &*bytes, count, dimension, Metric::L2).unwrap_err();
    }
}
