//! Clusters: their definition holds, they are found where they are, and the same seed finds the same.

use super::fixtures::*;
use crate::{Error, KmeansOptions, Metric, kmeans, with_threads};

const DIMENSION: usize = 16;

/// Every point is with the centroid nearest to it, at the distance that is claimed; sizes add up.
fn assert_is_clustering(points: &[f32], k: usize, options: &KmeansOptions) -> crate::Clustering {
    let clustering = kmeans(points, DIMENSION, k, options).unwrap();
    let metric = if options.spherical {
        Metric::Cosine
    } else {
        Metric::L2
    };
    let count = points.len() / DIMENSION;
    assert_eq!(
        (clustering.dimension, clustering.centroids.len()),
        (DIMENSION, k * DIMENSION)
    );
    assert_eq!(
        (clustering.assignments.len(), clustering.distances.len()),
        (count, count)
    );
    let mut sizes = vec![0; k];
    for (row, point) in points.chunks(DIMENSION).enumerate() {
        let to = |cluster: usize| {
            distance(
                metric,
                point,
                &clustering.centroids[cluster * DIMENSION..][..DIMENSION],
            )
        };
        let cluster = clustering.assignments[row] as usize;
        sizes[cluster] += 1;
        let claimed = f64::from(clustering.distances[row]);
        let sign = if options.spherical { -1.0 } else { 1.0 };
        let nearest = (0..k)
            .map(|cluster| sign * to(cluster))
            .fold(f64::MAX, f64::min);
        let tolerance = 1e-4 * claimed.abs().max(1.0);
        assert!(
            (to(cluster) - claimed).abs() < tolerance,
            "row {row}: {} is {claimed}",
            to(cluster)
        );
        assert!(
            sign * to(cluster) - nearest < tolerance,
            "row {row} has a nearer centroid"
        );
    }
    assert_eq!(clustering.sizes, sizes);
    clustering
}

#[test]
fn points_are_with_their_nearest_centroid_and_the_objective_improves() {
    let points = clustered(41, 3000, DIMENSION, 9);
    for spherical in [false, true] {
        let options = KmeansOptions {
            spherical,
            iterations: 15,
            ..KmeansOptions::default()
        };
        let clustering = assert_is_clustering(&points, 9, &options);
        assert_eq!(clustering.objective.len(), 15);
        let improves = |steps: &[f32]| {
            if spherical {
                steps[1] >= steps[0] * 0.9999
            } else {
                steps[1] <= steps[0] * 1.0001
            }
        };
        assert!(
            clustering.objective.windows(2).all(improves),
            "{:?}",
            clustering.objective
        );
        let total: f64 = clustering.distances.iter().map(|d| f64::from(*d)).sum();
        let last = f64::from(*clustering.objective.last().unwrap());
        assert!((total - last).abs() < 0.01 * last, "{total} {last}");
        if spherical {
            assert!(
                clustering.centroids.chunks(DIMENSION).all(|c| (distance(
                    Metric::InnerProduct,
                    c,
                    c
                ) - 1.0)
                    .abs()
                    < 1e-4)
            );
        }
    }
}

#[test]
fn groups_that_lie_apart_are_found() {
    let mut random = Random(42);
    let group = |row: usize| (row % 5) as f32 * 50.0;
    let points: Vec<f32> = (0..500)
        .flat_map(|row| (0..DIMENSION).map(move |_| group(row)))
        .map(|x| x + random.unit())
        .collect();
    let clustering = assert_is_clustering(
        &points,
        5,
        &KmeansOptions {
            redo: 10,
            ..KmeansOptions::default()
        },
    );
    assert_eq!(clustering.sizes, [100; 5]);
    for row in 5..500 {
        assert_eq!(clustering.assignments[row], clustering.assignments[row % 5]);
    }
    assert_eq!(clustering.objective.len(), 25, "the best run's alone");
}

#[test]
fn the_same_seed_gives_the_same_clusters_on_any_number_of_threads() {
    let points = clustered(43, 5000, DIMENSION, 30);
    let run = |seed| {
        kmeans(
            &points,
            DIMENSION,
            30,
            &KmeansOptions {
                seed,
                iterations: 5,
                ..KmeansOptions::default()
            },
        )
        .unwrap()
    };
    let first = run(5);
    assert_eq!(first, run(5));
    assert_eq!(first, with_threads(1, || run(5)));
    for other in [6, u64::MAX, 1 << 31, 5 | 1 << 40] {
        assert_ne!(first.centroids, run(other).centroids, "seed {other}");
    }
}

#[test]
fn as_many_clusters_as_points_and_equal_points_are_fine() {
    for spherical in [false, true] {
        let options = KmeansOptions {
            spherical,
            ..KmeansOptions::default()
        };
        let points = clustered(44, 7, DIMENSION, 7);
        let own = assert_is_clustering(&points, 7, &options);
        assert_eq!((own.sizes, own.objective), (vec![1; 7], vec![0.0]));
        assert_is_clustering(&points, 6, &options);
        assert_is_clustering(&points, 1, &options);
        assert_is_clustering(&[1.0; DIMENSION].repeat(50), 7, &options);
        assert_is_clustering(&[0.0; DIMENSION].repeat(50), 7, &options);
        assert_is_clustering(&points[..DIMENSION], 1, &options);
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let points = clustered(45, 10, DIMENSION, 2);
    let plain = KmeansOptions::default();
    let range = |outcome: Result<_, Error>, name: &str| match outcome {
        Err(Error::ParameterRange { parameter, .. }) => assert_eq!(parameter, name),
        other => panic!("{other:?}"),
    };
    for k in [0, 11, usize::MAX] {
        range(kmeans(&points, DIMENSION, k, &plain), "k");
    }
    range(kmeans(&[], DIMENSION, 1, &plain), "k");
    for iterations in [0, 1001, usize::MAX] {
        range(
            kmeans(
                &points,
                DIMENSION,
                2,
                &KmeansOptions {
                    iterations,
                    ..plain
                },
            ),
            "iterations",
        );
    }
    for redo in [0, 101, usize::MAX] {
        range(
            kmeans(&points, DIMENSION, 2, &KmeansOptions { redo, ..plain }),
            "redo",
        );
    }
    assert!(matches!(
        kmeans(&points, 0, 2, &plain),
        Err(Error::DimensionRange { given: 0, .. })
    ));
    assert!(matches!(
        kmeans(&points, 70_000, 2, &plain),
        Err(Error::DimensionRange { .. })
    ));
    assert!(matches!(
        kmeans(&points[1..], DIMENSION, 2, &plain),
        Err(Error::RaggedVectors { .. })
    ));
    let nan = [&points[1..], &[f32::NAN]].concat();
    assert!(matches!(
        kmeans(&nan, DIMENSION, 2, &plain),
        Err(Error::NotFinite {
            row: 9,
            component: 15
        })
    ));
}

#[test]
fn points_so_long_that_sums_overflow_are_refused_unless_spherical() {
    let points: Vec<f32> = (0..400).map(|row: u16| f32::from(row % 7) * 1e17).collect();
    for redo in [1, 3] {
        let options = KmeansOptions {
            redo,
            ..KmeansOptions::default()
        };
        let shorter: Vec<f32> = points.iter().map(|x| x * 0.2).collect();
        assert!(
            kmeans(&shorter, 1, 5, &options)
                .unwrap()
                .objective
                .iter()
                .all(|step| step.is_finite())
        );
        let longer: Vec<f32> = points.iter().map(|x| x * 1.6).collect();
        assert!(matches!(
            kmeans(&longer, 1, 5, &options),
            Err(Error::NormTooLarge { .. })
        ));
        kmeans(
            &longer,
            2,
            5,
            &KmeansOptions {
                spherical: true,
                ..options
            },
        )
        .unwrap();
    }
}
