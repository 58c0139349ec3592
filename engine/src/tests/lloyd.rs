//! k-means without FAISS: the iterations alone. What stands on them is tested with either (`kmeans.rs`).

use std::ops::ControlFlow;

use super::fixtures::*;
use crate::backend::lloyd::kmeans;
use crate::kmeans::KmeansSettings;
use crate::{Error, Metric, Result, vectors, with_threads};

const DIMENSION: usize = 12;

fn run(points: &[f32], k: usize, iterations: u16, spherical: bool) -> Result<(Vec<f32>, Vec<f32>)> {
    let settings = KmeansSettings {
        seed: 7,
        iterations,
        spherical,
    };
    kmeans(points, DIMENSION, k, settings, &[], &mut || {
        ControlFlow::Continue(())
    })
}

/// The sum of the distances to the nearest centroid.
fn objective(points: &[f32], centroids: &[f32], metric: Metric) -> f64 {
    let sign = if metric.is_similarity() { -1.0 } else { 1.0 };
    let nearest = |point: &[f32]| {
        let away = centroids
            .chunks(DIMENSION)
            .map(|center| sign * distance(metric, point, center));
        sign * away.fold(f64::MAX, f64::min)
    };
    points.chunks(DIMENSION).map(nearest).sum()
}

#[test]
fn each_iteration_is_lloyds_and_improves_the_objective() {
    let points = clustered(81, 1500, DIMENSION, 8);
    for (spherical, metric) in [(false, Metric::L2), (true, Metric::Cosine)] {
        let points = vectors::prepare(&points, DIMENSION, metric).unwrap();
        let (before, steps) = run(&points, 8, 3, spherical).unwrap();
        let (after, more) = run(&points, 8, 4, spherical).unwrap();
        assert_eq!((steps.len(), &more[..3]), (3, &steps[..]));
        let improves = |pair: &[f32]| {
            if spherical {
                pair[1] >= pair[0]
            } else {
                pair[1] <= pair[0]
            }
        };
        assert!(more.windows(2).all(improves), "{more:?}");
        let truth = objective(&points, &before, metric);
        assert!(
            (f64::from(more[3]) - truth).abs() < 1e-3 * truth,
            "{more:?} {truth}"
        );
        // The middles of the points that were nearest to each centroid before.
        let mut sums = vec![[0.0_f64; DIMENSION + 1]; 8];
        for point in points.chunks(DIMENSION) {
            let score = |cluster: usize| {
                f64::from(metric.score(1.0))
                    * distance(metric, point, &before[cluster * DIMENSION..][..DIMENSION])
            };
            let nearest = (0..8)
                .max_by(|one, two| score(*one).total_cmp(&score(*two)))
                .unwrap();
            sums[nearest][DIMENSION] += 1.0;
            for (sum, x) in sums[nearest].iter_mut().zip(point) {
                *sum += f64::from(*x);
            }
        }
        for (sum, center) in sums.iter().zip(after.chunks(DIMENSION)) {
            let norm = sum[..DIMENSION].iter().map(|x| x * x).sum::<f64>().sqrt();
            let by = if spherical { norm } else { sum[DIMENSION] };
            for (sum, x) in sum.iter().zip(center) {
                assert!((sum / by - f64::from(*x)).abs() < 1e-4);
            }
        }
    }
}

#[test]
fn empty_clusters_are_filled_and_every_count_of_clusters_works() {
    let two = [[0.0; DIMENSION].repeat(40), [9.0; DIMENSION].repeat(10)].concat();
    let start = [[0.0; DIMENSION], [500.0; DIMENSION], [900.0; DIMENSION]].concat();
    let settings = KmeansSettings {
        seed: 0,
        iterations: 10,
        spherical: false,
    };
    let (centroids, steps) = kmeans(&two, DIMENSION, 3, settings, &start, &mut || {
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(steps.last(), Some(&0.0), "{steps:?}");
    assert!(centroids.iter().all(|x| (0.0..=9.0).contains(x)));
    for k in [1, 2, 49] {
        let (centroids, steps) = run(&two, k, 5, false).unwrap();
        assert_eq!((centroids.len(), steps.len()), (k * DIMENSION, 5));
    }
    assert_eq!(run(&two, 50, 5, false).unwrap(), (two.clone(), vec![0.0]));
    assert!(run(&two, 2, 0, false).unwrap().1.is_empty());
}

#[test]
fn threads_change_nothing_and_a_step_can_end_it() {
    let points = clustered(82, 4000, DIMENSION, 30);
    let all = run(&points, 30, 4, false).unwrap();
    assert_eq!(with_threads(1, || run(&points, 30, 4, false)).unwrap(), all);
    assert_eq!(with_threads(3, || run(&points, 30, 4, false)).unwrap(), all);
    let mut steps = 0;
    let settings = KmeansSettings {
        seed: 7,
        iterations: 9,
        spherical: false,
    };
    let outcome = kmeans(&points, DIMENSION, 30, settings, &[], &mut || {
        steps += 1;
        if steps == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(matches!(outcome, Err(Error::Cancelled)) && steps == 3);
}
