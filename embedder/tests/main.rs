//! The embedder against the real model: one binary, so that ONNX Runtime is loaded once.

mod architectures;
mod bare;
mod folders;
mod golden;
mod home;
mod model;
mod onnx;
mod passages;
mod texts;

/// In 64-bit floats, so that what is compared is the vectors' own precision.
pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum::<f64>()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
