//! The graph of `hnsw_rs`: it finds what brute force finds, never what is not allowed, and is the same after a journey
//! through bytes.

use super::fixtures::*;
use crate::backend::hnsw_rs::{Graph, Shape};
use crate::backend::scan::Rows;
use crate::{IdSet, Metric, Select, vectors};

const DIMENSION: usize = 24;
const SHAPE: Shape = Shape {
    m: 16,
    ef_construction: 100,
};

fn graph(metric: Metric, points: &[f32], threads: usize) -> Graph {
    let points = vectors::prepare(points, DIMENSION, metric).unwrap();
    let ids = ids(points.len() / DIMENSION);
    let mut graph = Graph::new(DIMENSION, metric, SHAPE);
    let (first, rest) = ids.split_at(ids.len() / 3);
    let (one, two) = points.split_at(first.len() * DIMENSION);
    graph.add(first, one, threads).unwrap();
    graph.add(rest, two, threads).unwrap();
    graph
}

fn find(
    graph: &Graph,
    metric: Metric,
    query: &[f32],
    k: usize,
    select: Select<'_>,
) -> Vec<crate::Hit> {
    let query = vectors::prepare(query, DIMENSION, metric).unwrap();
    graph.search(&query, k, 100, select).unwrap()
}

#[test]
fn it_finds_the_nearest_in_every_metric_whatever_the_threads() {
    let points = clustered(61, 1560, DIMENSION, 20);
    let (points, queries) = points.split_at(1500 * DIMENSION);
    for metric in all_metrics() {
        let (points, queries) = (&suited(metric, points)[..], &suited(metric, queries)[..]);
        let truth: Vec<_> = queries
            .chunks(DIMENSION)
            .map(|query| brute_force(metric, points, DIMENSION, query, 10, Select::All))
            .collect();
        for threads in [1, 3] {
            let graph = graph(metric, points, threads);
            let found: Vec<_> = queries
                .chunks(DIMENSION)
                .map(|query| find(&graph, metric, query, 10, Select::All))
                .collect();
            for (hits, query) in found.iter().zip(queries.chunks(DIMENSION)) {
                assert_eq!(hits.len(), 10);
                assert!(hits.is_sorted_by(
                    |one, two| metric.score(one.distance) >= metric.score(two.distance)
                ));
                for hit in hits {
                    let row = usize::try_from((hit.id - 10) / 3).unwrap();
                    let truth = distance(metric, query, &points[row * DIMENSION..][..DIMENSION]);
                    assert!(
                        (truth - f64::from(hit.distance)).abs() < 1e-3,
                        "{metric} {hit:?} is {truth}"
                    );
                }
            }
            let recall = recall(&found, &truth);
            assert!(recall > 0.95, "{metric} on {threads} threads: {recall}");
        }
    }
}

#[test]
fn it_finds_only_what_is_allowed_and_stops_with_nothing() {
    let points = clustered(62, 2000, DIMENSION, 40);
    let graph = graph(Metric::L2, &points, 2);
    let all = ids(2000);
    let half: IdSet = all.iter().copied().step_by(2).collect();
    let mut most: IdSet = all.iter().copied().collect();
    most.remove(all[7]);
    let none = IdSet::new();
    for query in points.chunks(DIMENSION).take(50) {
        for (select, least) in [
            (Select::Only(&half), 5),
            (Select::Except(&half), 5),
            (Select::Except(&none), 5),
            (Select::Except(&most), 0),
            (Select::Only(&none), 0),
        ] {
            for ef in [0, 1, 5, 100, 1999] {
                let hits = graph.search(query, 5, ef, select).unwrap();
                assert!(hits.iter().all(|hit| select.allows(hit.id)));
                assert!(
                    hits.len() <= 5 && (ef < 100 || hits.len() >= least),
                    "{select:.30?} {ef}"
                );
            }
            assert_eq!(graph.search(query, 0, 10, select).unwrap(), []);
        }
    }
    let all = graph
        .search(&points[..DIMENSION], usize::MAX, 2000, Select::All)
        .unwrap();
    assert!(all.len() > 1950, "{}", all.len());
}

#[test]
fn small_and_equal_and_extreme_vectors_are_fine() {
    for metric in all_metrics() {
        // A component of the longest vectors there can be.
        let most = vectors::longest(metric, DIMENSION) / 6.0;
        let mut none = Graph::new(DIMENSION, metric, SHAPE);
        assert_eq!(find(&none, metric, &[1.0; DIMENSION], 3, Select::All), []);
        none.add(&[], &[], 2).unwrap();
        let copy = none.try_clone().unwrap();
        assert!(copy.ids().is_empty());

        for rows in [1, 2, 300] {
            for value in [0.0, -1.0, 1e-30, most] {
                if value < 0.0 && metric.is_for_nonnegative() {
                    continue;
                }
                let equal = graph(metric, &[value; DIMENSION].repeat(rows), 2);
                let hits = find(
                    &equal,
                    metric,
                    &[value; DIMENSION],
                    rows.min(5),
                    Select::All,
                );
                assert_eq!(hits.len(), rows.min(5), "{metric} {rows} × {value}");
            }
        }
        let far: Vec<f32> = (0..500 * DIMENSION)
            .map(|i| if i % 3 == 0 { most / 7.0 } else { -1e-17 } * (i % 7) as f32)
            .collect();
        let far = suited(metric, &far);
        assert_eq!(
            find(
                &graph(metric, &far, 1),
                metric,
                &far[..DIMENSION],
                5,
                Select::All
            )
            .len(),
            5
        );
    }
}

#[test]
fn one_thread_makes_the_same_graph_every_time() {
    let points = clustered(63, 2000, DIMENSION, 10);
    let bytes = || {
        let mut bytes = Vec::new();
        graph(Metric::Cosine, &points, 1).write(&mut bytes).unwrap();
        bytes
    };
    assert_eq!(bytes(), bytes());
}

#[test]
fn what_was_written_is_read_and_grows_as_if_nothing_had_been() {
    let points = clustered(64, 2040, DIMENSION, 40);
    let queries = &points[2000 * DIMENSION..];
    let (first, rest) = points[..2000 * DIMENSION].split_at(900 * DIMENSION);
    for metric in METRICS {
        let original = graph(metric, first, 2);
        let mut bytes = Vec::new();
        original.write(&mut bytes).unwrap();
        let read = |bytes: &[u8]| Graph::read(&mut &bytes[..], 900, DIMENSION, metric, SHAPE);
        let mut grown = read(&bytes).unwrap();
        for query in queries.chunks(DIMENSION) {
            let search = |graph: &Graph| find(graph, metric, query, 10, Select::All);
            assert_eq!(search(&original), search(&grown));
        }
        let rest = vectors::prepare(rest, DIMENSION, metric).unwrap();
        for (ids, vectors) in ids(2000)[900..]
            .chunks(500)
            .zip(rest.chunks(500 * DIMENSION))
        {
            grown = grown.try_clone().unwrap();
            grown.add(ids, vectors, 2).unwrap();
        }
        assert_eq!(original.ids().len(), 900);
        let (mut found, mut truth) = (Vec::new(), Vec::new());
        for query in queries.chunks(DIMENSION) {
            found.push(find(&grown, metric, query, 10, Select::All));
            truth.push(brute_force(
                metric,
                &points[..2000 * DIMENSION],
                DIMENSION,
                query,
                10,
                Select::All,
            ));
        }
        let recall = recall(&found, &truth);
        assert!(recall > 0.95, "{metric}: {recall}");
    }
}

#[test]
fn bytes_that_are_not_a_graph_are_errors() {
    let points = clustered(65, 200, DIMENSION, 4);
    let mut bytes = Vec::new();
    graph(Metric::L2, &points, 1).write(&mut bytes).unwrap();
    let read = |bytes: &[u8], rows, dimension, shape| {
        Graph::read(&mut &bytes[..], rows, dimension, Metric::L2, shape).map(drop)
    };
    read(&bytes, 200, DIMENSION, SHAPE).unwrap();
    for length in [
        0,
        1,
        1599,
        1600,
        1610,
        1700,
        bytes.len() / 2,
        bytes.len() - 1,
    ] {
        read(&bytes[..length], 200, DIMENSION, SHAPE).unwrap_err();
    }
    read(&bytes, 199, DIMENSION, SHAPE).unwrap_err();
    read(&bytes, 200, DIMENSION + 1, SHAPE).unwrap_err();
    let mut random = Random(66);
    let mut refused = 0;
    for _ in 0..1000 {
        let mut damaged = bytes.clone();
        let place = random.below(damaged.len());
        damaged[place] ^= 1 << random.below(8);
        let read = Graph::read(&mut &damaged[..], 200, DIMENSION, Metric::L2, SHAPE);
        let Ok(graph) = read else {
            refused += 1;
            continue;
        };
        // A damaged distance may have changed the order of links; what was made of it is read as it is.
        let written = |graph: &Graph| {
            let mut bytes = Vec::new();
            graph.write(&mut bytes).unwrap();
            bytes
        };
        let once = written(&graph);
        let again = Graph::read(&mut &once[..], 200, DIMENSION, Metric::L2, SHAPE).unwrap();
        assert!(
            written(&again) == once,
            "byte {place}: not what was written"
        );
        let hits = graph
            .search(&points[..DIMENSION], 10, 100, Select::All)
            .unwrap();
        assert!(!hits.is_empty() && hits.iter().all(|hit| graph.ids().contains(&hit.id)));
        assert!(hits.is_sorted_by(|one, two| one.distance <= two.distance));
    }
    assert!((100..900).contains(&refused), "{refused}");
}
