//! The nearest kind that works, for error messages: what the caller seems to be after, made possible step by step.

use super::check::{self, EF_CONSTRUCTION, HNSW_RS_M, M, NLIST, PQ_BITS, R, bad_spec};
use super::kind::{Codes, Kind, Scalar, Structure, Transform};
use super::parse::number;
use crate::error::Error;
use crate::metric::Metric;
use crate::vectors::MAX_DIMENSION;

/// About a string that is no kind.
pub(super) fn refusal(given: &str) -> Error {
    let mut nearest = guess(given);
    clamp(&mut nearest);
    let reason = "an index is auto, hnsw_rs, or a factory string: Flat, SQ8, PQ16, LSH, HNSW32, NSG32 or IVF1024 with \
                  Flat, SQ8, PQ16, PQ16x4fs or RaBitQ behind a comma, PCA64, OPQ16, ITQ or L2norm before, RFlat behind";
    bad_spec(given.to_owned(), reason, &nearest)
}

/// About a kind that cannot be had.
pub(super) fn refused(kind: &Kind, reason: &check::Reason, fit: Option<(usize, Metric)>) -> Error {
    let mut nearest = kind.clone();
    clamp(&mut nearest);
    if nearest.combines().is_err() {
        combine(&mut nearest);
    }
    if let Some((dimension, metric)) = fit {
        fit_dimension(&mut nearest, dimension);
        if nearest.fits_metric(metric).is_err() {
            nearest = fit_metric(&nearest, metric);
        }
        if nearest.fits_dimension(dimension).is_err() {
            nearest = Kind::flat();
        }
    }
    bad_spec(kind.to_string(), reason, &nearest)
}

/// The kind that does best what the string seems to be after.
fn guess(given: &str) -> Kind {
    let upper = given.to_ascii_uppercase();
    let after = |prefix: &str| {
        let rest = &upper[upper.find(prefix)? + prefix.len()..];
        number(&rest[..rest.bytes().take_while(u8::is_ascii_digit).count()])
    };
    let codes = if upper.contains("RABITQ") {
        Codes::RaBitQ
    } else if let Some(m) = after("PQ") {
        Codes::Pq { m, bits: 8 }
    } else if upper.contains("SQ") || upper.contains("PQ") {
        Codes::Scalar(Scalar::Sq8)
    } else {
        Codes::Flat
    };
    let structure = if upper.contains("IVF") {
        Kind::ivf(after("IVF").unwrap_or(1024)).structure
    } else if upper.contains("NSG") {
        Kind::nsg(after("NSG").unwrap_or(32)).structure
    } else if upper.contains("HNSW") {
        Kind::hnsw(after("HNSW").unwrap_or(32)).structure
    } else {
        Structure::Scan
    };
    let mut kind = Kind::flat().codes(codes);
    kind.structure = structure;
    if kind.combines().is_err() {
        kind.codes = Codes::Scalar(Scalar::Sq8);
    }
    kind
}

/// Every number into its range.
fn clamp(kind: &mut Kind) {
    let into = |value: &mut usize, range: &std::ops::RangeInclusive<usize>| {
        *value = (*value).clamp(*range.start(), *range.end());
    };
    match &mut kind.structure {
        Structure::Scan => {}
        Structure::Hnsw { m } => into(m, &M),
        Structure::Nsg { r } => into(r, &R),
        Structure::Ivf { nlist, hnsw_m } => {
            into(nlist, &NLIST);
            if let Some(m) = hnsw_m {
                into(m, &M);
            }
        }
        Structure::HnswRs { m, ef_construction } => {
            into(m, &HNSW_RS_M);
            into(ef_construction, &EF_CONSTRUCTION);
        }
    }
    match &mut kind.codes {
        Codes::Pq { m, bits } => {
            into(m, &(1..=MAX_DIMENSION));
            into(bits, &PQ_BITS);
        }
        Codes::PqFastScan { m, .. } => into(m, &(1..=MAX_DIMENSION)),
        Codes::Lsh {
            bits: Some(bits), ..
        } => into(bits, &(1..=MAX_DIMENSION)),
        Codes::Flat | Codes::Scalar(_) | Codes::RaBitQ | Codes::Lsh { bits: None, .. } => {}
    }
}

/// Codes that the structure takes.
fn combine(kind: &mut Kind) {
    if matches!(kind.structure, Structure::HnswRs { .. }) {
        kind.codes = Codes::Flat;
        kind.transforms.clear();
        kind.refine = None;
        return;
    }
    kind.transforms.truncate(1);
    kind.codes = match kind.codes {
        Codes::PqFastScan { m, .. } => Codes::Pq { m, bits: 8 },
        _ => Codes::Scalar(Scalar::Sq8),
    };
}

fn fit_dimension(kind: &mut Kind, dimension: usize) {
    let mut d = dimension;
    for transform in &mut kind.transforms {
        match transform {
            Transform::Pca { d: output, .. } => *output = (*output).clamp(1, d),
            Transform::Opq { m, d: output } => {
                if let Some(output) = output {
                    *output = (*output).clamp(1, d);
                }
                *m = divisor(output.unwrap_or(d), *m);
            }
            Transform::Itq { d: output } | Transform::RandomRotation { d: output } => {
                if let Some(output) = output {
                    *output = (*output).clamp(1, d);
                }
            }
            Transform::Pad { d: output } => *output = (*output).clamp(d, MAX_DIMENSION.max(d)),
            Transform::L2norm => {}
        }
        d = transform.output(d);
    }
    match &mut kind.codes {
        Codes::Pq { m, .. } | Codes::PqFastScan { m, .. } => *m = divisor(d, *m),
        Codes::Lsh { bits, rotate, .. } => *rotate |= bits.is_some_and(|bits| bits > d),
        Codes::Flat | Codes::Scalar(_) | Codes::RaBitQ => {}
    }
}

/// The largest divisor of `d` that is no larger than `most`, or 1.
fn divisor(d: usize, most: usize) -> usize {
    (1..=most.min(d))
        .rev()
        .find(|m| d.is_multiple_of(*m))
        .unwrap_or(1)
}

/// The same structure over whole vectors, or the usual graph.
fn fit_metric(kind: &Kind, metric: Metric) -> Kind {
    let mut whole = kind.clone();
    whole.transforms.clear();
    whole.codes = Codes::Flat;
    if whole.supports(metric) {
        return whole;
    }
    Kind::hnsw(32)
}
