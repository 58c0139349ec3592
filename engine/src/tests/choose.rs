//! The number of clusters from the data, and starts that find groups which lie apart.

use super::fixtures::*;
use super::kmeans::{DIMENSION, assert_is_clustering};
use crate::{Error, KmeansOptions, Start, choose_k, unwatched};

/// Groups around centres that lie 50 apart in every direction, some points of each.
pub(super) fn groups(seed: u64, groups: usize, rows: usize) -> Vec<f32> {
    let mut random = Random(seed);
    let centers: Vec<f32> = (0..groups * DIMENSION)
        .map(|_| f32::from(u8::try_from(random.below(5)).unwrap()) * 50.0 + 1.0)
        .collect();
    (0..rows * DIMENSION)
        .map(|number| {
            let (row, d) = (number / DIMENSION, number % DIMENSION);
            centers[row % groups * DIMENSION + d] + random.unit()
        })
        .collect()
}

#[test]
fn spread_starts_find_every_group_where_random_ones_do_not() {
    let points = groups(60, 20, 1000);
    for seed in 0..20 {
        let spread = KmeansOptions {
            seed,
            redo: 2,
            ..KmeansOptions::default()
        };
        let random = KmeansOptions {
            start: Start::Random,
            ..spread
        };
        let clustering = assert_is_clustering(&points, 20, &spread);
        assert_eq!(clustering.sizes, [50; 20], "seed {seed}");
        let clustering = assert_is_clustering(&points, 20, &random);
        assert_ne!(clustering.sizes, [50; 20], "seed {seed}");
    }
}

#[test]
fn the_number_of_groups_that_lie_apart_is_found() {
    for planted in [2, 3, 5, 7, 13, 30] {
        for spherical in [false, true] {
            let options = KmeansOptions {
                spherical,
                ..KmeansOptions::default()
            };
            let points = groups(61, planted, 2000);
            let choice = choose_k(&points, DIMENSION, &options, &unwatched).unwrap();
            assert_eq!(choice.k, planted, "{choice:?}");
            let best = choice.scores.iter().map(|tried| tried.score);
            let best = best.fold(f32::MIN, f32::max);
            assert!(choice.scores.contains(&crate::Score {
                k: planted,
                score: best
            }));
            assert!(choice.scores.is_sorted_by(|one, two| one.k < two.k));
            assert!(best > 0.9 && choice.sampled == 2000, "{choice:?}");
        }
    }
}

#[test]
fn the_score_is_the_simplified_silhouette() {
    // Two clusters around 1 and 12: the means of (b - a) / b.
    let points = [0.0, 1.0, 2.0, 11.0, 12.0, 13.0];
    let expected = (11.0 / 12.0 + 1.0 + 9.0 / 10.0) / 3.0;
    let choice = choose_k(&points, 1, &KmeansOptions::default(), &unwatched).unwrap();
    assert_eq!(choice.k, 2);
    let [only] = choice.scores[..] else {
        panic!("{choice:?}")
    };
    assert!((only.score - expected).abs() < 1e-5, "{only:?} {expected}");
}

#[test]
fn where_nothing_lies_apart_there_is_one_cluster() {
    for points in [vec![1.0; 3 * DIMENSION], vec![1.0; 100 * DIMENSION]] {
        let choice = choose_k(&points, DIMENSION, &KmeansOptions::default(), &unwatched).unwrap();
        assert_eq!(choice.k, 1, "{choice:?}");
    }
    assert!(matches!(
        choose_k(&[], DIMENSION, &KmeansOptions::default(), &unwatched),
        Err(Error::ParameterRange { .. })
    ));
}
