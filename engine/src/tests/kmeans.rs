//! Clusters: their definition holds, they are found where they are, and the same seed finds the same.

use super::choose::groups;
use super::fixtures::*;
use std::ops::ControlFlow;
use std::sync::Mutex;

use crate::{
    Centroids, Clustering, Error, KmeansOptions, Metric, Progress, Stage, choose_k, default_sample,
    kmeans as watched, sample_rows, unwatched, with_threads,
};

pub(super) const DIMENSION: usize = 16;

fn kmeans(
    points: &[f32],
    dimension: usize,
    k: usize,
    options: &KmeansOptions,
) -> crate::Result<Clustering> {
    watched(points, dimension, k, options, &unwatched)
}

/// Every point is with the centroid nearest to it, at the distance that is claimed; sizes add up.
pub(super) fn assert_is_clustering(
    points: &[f32],
    k: usize,
    options: &KmeansOptions,
) -> Clustering {
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
    for sample in [0, 1] {
        let sample = Some(sample);
        let outcome = kmeans(&points, DIMENSION, 2, &KmeansOptions { sample, ..plain });
        range(outcome, if sample == Some(0) { "sample" } else { "k" });
    }
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

#[test]
fn every_iteration_is_told_and_the_last_says_that_all_is_done() {
    let points = clustered(46, 500, DIMENSION, 5);
    let options = KmeansOptions {
        iterations: 4,
        redo: 3,
        ..KmeansOptions::default()
    };
    let told = Mutex::new(Vec::new());
    let watch = |progress: Progress| {
        told.lock().unwrap().push(progress);
        ControlFlow::Continue(())
    };
    watched(&points, DIMENSION, 5, &options, &watch).unwrap();
    let expected = (0..=12).map(|done| Progress {
        stage: Stage::Clustering,
        done,
        total: 12,
    });
    assert_eq!(told.into_inner().unwrap(), expected.collect::<Vec<_>>());
}

#[test]
fn it_stops_at_once_wherever_it_is_told_to() {
    let points = clustered(47, 500, DIMENSION, 5);
    let options = KmeansOptions {
        iterations: 4,
        redo: 2,
        ..KmeansOptions::default()
    };
    for last in 0..=8 {
        let told = Mutex::new(0);
        let watch = |progress: Progress| {
            *told.lock().unwrap() += 1;
            if progress.done == last {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let outcome = watched(&points, DIMENSION, 5, &options, &watch);
        assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
        assert_eq!(told.into_inner().unwrap(), last + 1);
    }
    let stop = |progress: Progress| match progress.done {
        3 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let outcome = choose_k(&points, DIMENSION, &options, &stop);
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
}

#[test]
fn a_panic_in_the_watch_comes_through() {
    let points = clustered(48, 100, DIMENSION, 5);
    let panics = |_| -> ControlFlow<()> { panic!("the watch fell asleep") };
    let caught = std::panic::catch_unwind(|| {
        watched(&points, DIMENSION, 5, &KmeansOptions::default(), &panics).map(drop)
    });
    let caught = caught.unwrap_err();
    assert_eq!(caught.downcast_ref(), Some(&"the watch fell asleep"));
}

#[test]
fn a_sample_decides_and_all_are_assigned() {
    let points = groups(62, 8, 6000);
    let options = KmeansOptions {
        sample: Some(400),
        ..KmeansOptions::default()
    };
    let sampled = assert_is_clustering(&points, 8, &options);
    assert_eq!((sampled.sampled, &sampled.sizes[..]), (400, &[750; 8][..]));
    let rows = sample_rows(6000, 400, options.seed);
    let chosen: Vec<f32> = rows
        .iter()
        .flat_map(|row| &points[row * DIMENSION..][..DIMENSION])
        .copied()
        .collect();
    let alone = kmeans(&chosen, DIMENSION, 8, &KmeansOptions::default()).unwrap();
    assert_eq!(
        (alone.centroids, alone.objective),
        (sampled.centroids, sampled.objective)
    );
    assert_eq!(
        (default_sample(12), default_sample(1000)),
        (65_536, 256_000)
    );
}

#[test]
fn a_bad_point_is_named_by_its_own_row_whether_sampled_or_not() {
    let mut points = clustered(49, 100, DIMENSION, 5);
    points[77 * DIMENSION + 3] = f32::INFINITY;
    for sample in [50, 60, 70, 80, 90] {
        for spherical in [false, true] {
            let options = KmeansOptions {
                sample: Some(sample),
                spherical,
                ..KmeansOptions::default()
            };
            let outcome = kmeans(&points, DIMENSION, 3, &options);
            let Err(Error::NotFinite { row, component }) = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!((row, component), (77, 3), "sample {sample}");
        }
    }
}

#[test]
fn pages_are_assigned_as_the_whole_is() {
    let points = clustered(50, 5000, DIMENSION, 20);
    let options = KmeansOptions::default();
    let whole = kmeans(&points, DIMENSION, 20, &options).unwrap();
    let centroids = Centroids::train(&points, DIMENSION, 20, &options, &unwatched).unwrap();
    assert_eq!(centroids.vectors(), whole.centroids);
    let mut assigned = Vec::new();
    for page in points.chunks(DIMENSION * 700) {
        let nearest = centroids.assign(page).unwrap();
        assigned.extend(nearest.into_iter().map(|near| near.cluster));
    }
    assert_eq!(assigned, whole.assignments);
    assert!(matches!(
        centroids.assign(&points[1..]),
        Err(Error::RaggedVectors { .. })
    ));
}

#[test]
fn centroids_come_back_from_a_file_as_they_were() {
    let points: Vec<f32> = (0..300_u16)
        .map(|i| f32::from(i % 50) + f32::from(i) / 7.0)
        .collect();
    for spherical in [false, true] {
        let options = KmeansOptions {
            spherical,
            ..KmeansOptions::default()
        };
        let mut centroids = Centroids::train(&points, 3, 5, &options, &unwatched).unwrap();
        assert!(centroids.set_name(3, "reds") && !centroids.set_name(5, "none"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("centroids");
        centroids.save(&path).unwrap();
        let json = serde_json::to_string(&centroids).unwrap();
        for read in [
            Centroids::load(&path).unwrap(),
            serde_json::from_str(&json).unwrap(),
        ] {
            assert_eq!(
                read.assign(&points).unwrap(),
                centroids.assign(&points).unwrap()
            );
            assert_eq!(read.vectors(), centroids.vectors());
            assert_eq!(read.objective(), centroids.objective());
            assert_eq!((read.sampled(), read.is_spherical()), (100, spherical));
            assert_eq!((read.name(3), read.name(0)), (Some("reds"), None));
        }
    }
}

#[test]
fn a_damaged_file_of_centroids_is_refused_at_every_byte() {
    let points = [0.0, 1.0, 2.0, 9.0, 8.0, 7.0];
    let centroids = Centroids::train(&points, 1, 2, &KmeansOptions::default(), &unwatched);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("centroids");
    centroids.unwrap().save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        assert!(
            matches!(Centroids::load(&path), Err(Error::CorruptIndex { .. })),
            "{at}"
        );
        std::fs::write(&path, &whole[..at]).unwrap();
        assert!(
            matches!(Centroids::load(&path), Err(Error::CorruptIndex { .. })),
            "{at}"
        );
    }
}

#[test]
fn what_are_no_centroids_is_refused() {
    assert!(matches!(
        Centroids::new(vec![], 2, false),
        Err(Error::ParameterRange { .. })
    ));
    assert!(Centroids::new(vec![1.0, f32::NAN], 2, false).is_err());
    assert!(Centroids::new(vec![1.0], 0, true).is_err());
    let short = r#"{"dimension":1,"spherical":false,"vectors":[1.0,2.0],"names":[""],"objective":[],"sampled":0}"#;
    assert!(serde_json::from_str::<Centroids>(short).is_err());
}
