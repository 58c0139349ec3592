//! FAISS's k-means: the iterations alone. What points take part, where they start and which run is the best is decided by
//! [`crate::kmeans`].

use std::ops::ControlFlow;

use super::steps::{Watched, go_on};
use super::{failure, initialize, native, native::vinedb_faiss_kmeans, status};
use crate::error::Result;
use crate::kmeans::KmeansSettings;

/// Lloyd's iterations over the points, finite and of this dimension, 1 <= k <= points: the centroids and the objective
/// before each of their moves. They start from `start` (k × dimension), or from random points where that is empty. `step`
/// is called before each iteration, and ends the work with [`Error::Cancelled`].
pub(crate) fn kmeans(
    points: &[f32],
    dimension: usize,
    k: usize,
    settings: KmeansSettings,
    start: &[f32],
    step: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<(Vec<f32>, Vec<f32>)> {
    const OPERATION: &str = "cluster vectors";
    initialize()?;
    let n = crate::vectors::count(points, dimension)?;
    let Some(mut centroids) = room(n, dimension, k, start) else {
        return Err(failure(
            OPERATION,
            "the numbers of points or clusters are out of range",
        ));
    };
    let mut objective = vec![0.0; usize::from(settings.iterations)];
    let mut steps = 0;
    let mut watched = Watched::new(step);
    let settings = native::KmeansSettings {
        seed: settings.seed.max(0),
        iterations: settings.iterations.into(),
        spherical: settings.spherical,
    };
    // SAFETY: n × dimension numbers in; k × dimension in and out; room for one objective per iteration; `go_on` gets the
    // `Watched` that it expects, which outlives the call.
    let code = unsafe {
        vinedb_faiss_kmeans(
            super::native(dimension),
            super::native(n),
            points.as_ptr(),
            super::native(k),
            &raw const settings,
            go_on,
            (&raw mut watched).cast(),
            !start.is_empty(),
            centroids.as_mut_ptr(),
            objective.as_mut_ptr(),
            &raw mut steps,
        )
    };
    watched.outcome()?;
    status(OPERATION, code)?;
    objective.truncate(steps);
    Ok((centroids, objective))
}

/// Room for the centroids, with those in it that are given; `None` where the numbers are not what FAISS asks for.
fn room(points: usize, dimension: usize, k: usize, start: &[f32]) -> Option<Vec<f32>> {
    let numbers = k.checked_mul(dimension)?;
    let fits = (1..=points).contains(&k) && i32::try_from(points).is_ok();
    if !fits || !(start.is_empty() || start.len() == numbers) {
        return None;
    }
    let mut centroids = start.to_vec();
    centroids.resize(numbers, 0.0);
    Some(centroids)
}
