//! Whether this processor has what FAISS was compiled for (x86-64-v3), asked once, before FAISS is first called.

use std::sync::OnceLock;

use crate::{Error, Result};

/// # Errors
/// [`Error::UnsupportedCpu`] naming what is missing.
pub(crate) fn check() -> Result<()> {
    static MISSING: OnceLock<String> = OnceLock::new();
    let missing = MISSING.get_or_init(missing);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::UnsupportedCpu {
            missing: missing.clone(),
        })
    }
}

#[cfg(target_arch = "x86_64")]
fn missing() -> String {
    let features = [
        ("AVX2", is_x86_feature_detected!("avx2")),
        ("FMA", is_x86_feature_detected!("fma")),
        ("F16C", is_x86_feature_detected!("f16c")),
        ("BMI1", is_x86_feature_detected!("bmi1")),
        ("BMI2", is_x86_feature_detected!("bmi2")),
        ("LZCNT", is_x86_feature_detected!("lzcnt")),
        ("MOVBE", is_x86_feature_detected!("movbe")),
    ];
    let missing: Vec<&str> = features
        .iter()
        .filter(|(_, present)| !present)
        .map(|(name, _)| *name)
        .collect();
    missing.join(", ")
}

#[cfg(not(target_arch = "x86_64"))]
fn missing() -> String {
    String::new()
}
