//! k-means' iterations are FAISS's: the numbers that it gave in Python.

use serde::Deserialize;

use super::fixtures::*;
use crate::{KmeansOptions, Start, kmeans, unwatched};

/// What FAISS found in Python: `kmeans.py` writes `kmeans.json`.
#[derive(Deserialize)]
struct Golden {
    name: String,
    objective: Vec<f32>,
    centroids: Vec<f32>,
    assignment: Vec<u32>,
    distances: Vec<f32>,
}

/// Integers from -500 to 500, those of `kmeans.py`.
fn integers(seed: u64, rows: usize, dimension: usize) -> Vec<f32> {
    let mut random = Random(seed);
    (0..rows * dimension)
        .map(|_| i16::try_from(random.below(1001)).unwrap() - 500)
        .map(f32::from)
        .collect()
}

#[test]
fn objective_centroids_and_assignment_are_those_of_faiss_in_python() {
    let golden: Vec<Golden> = serde_json::from_str(include_str!("kmeans.json")).unwrap();
    let points = integers(1, 1000, 8);
    let plain = KmeansOptions {
        iterations: 8,
        start: Start::Random,
        ..KmeansOptions::default()
    };
    let spherical = KmeansOptions {
        spherical: true,
        ..plain
    };
    let cases = [
        ("plain", plain),
        ("spherical", spherical),
        ("plain, best of 4", KmeansOptions { redo: 4, ..plain }),
        (
            "spherical, best of 4",
            KmeansOptions {
                redo: 4,
                ..spherical
            },
        ),
    ];
    assert_eq!(golden.len(), cases.len());
    for ((name, options), expected) in cases.into_iter().zip(golden) {
        assert_eq!(name, expected.name);
        let found = kmeans(&points, 8, 6, &options, &unwatched).unwrap();
        assert_eq!(found.assignments, expected.assignment, "{name}");
        for (what, found, expected) in [
            ("objective", &found.objective, &expected.objective),
            ("centroids", &found.centroids, &expected.centroids),
            ("distances", &found.distances, &expected.distances),
        ] {
            assert_eq!(found.len(), expected.len(), "{name}: {what}");
            for (one, two) in found.iter().zip(expected) {
                let tolerance = 1e-4 * two.abs().max(0.1);
                assert!((one - two).abs() <= tolerance, "{name}: {what} {one} {two}");
            }
        }
    }
}
