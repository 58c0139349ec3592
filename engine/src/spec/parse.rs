//! Reading a factory string, as FAISS spells them (`index_factory.cpp`). What is read may still be impossible: `check`.

use std::str::FromStr;

use super::kind::{
    Codes, HNSW_RS_EF_CONSTRUCTION, HNSW_RS_M, Kind, Refine, Scalar, Structure, Transform,
};
use super::suggest;
use crate::error::{Error, Result};

/// FAISS's own, for `HNSW`, `NSG` and `IVF…_HNSW` without a number.
const GRAPH_M: usize = 32;

impl FromStr for Kind {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self> {
        let kind = kind(given).ok_or_else(|| suggest::refusal(given))?;
        kind.check_ranges()?;
        Ok(kind)
    }
}

impl TryFrom<String> for Kind {
    type Error = Error;

    fn try_from(given: String) -> Result<Self> {
        given.parse()
    }
}

fn kind(given: &str) -> Option<Kind> {
    if let Some(rest) = given.strip_prefix("hnsw_rs") {
        return hnsw_rs(rest);
    }
    let (mut rest, refine) = refined(given)?;
    let mut transforms = Vec::new();
    while let Some((head, tail)) = rest.split_once(',') {
        let Some(transform) = transform(head) else {
            break;
        };
        transforms.push(transform);
        rest = tail;
    }
    let (structure, codes) = structure_and_codes(rest)?;
    Some(Kind {
        transforms,
        structure,
        codes,
        refine,
    })
}

/// `hnsw_rs`, or with `(m=16,ef_construction=200)` behind it, in any order and each optional, none twice.
fn hnsw_rs(rest: &str) -> Option<Kind> {
    let (mut m, mut ef_construction) = (None, None);
    if !rest.is_empty() {
        for pair in rest.strip_prefix('(')?.strip_suffix(')')?.split(',') {
            let (name, value) = pair.split_once('=')?;
            let part = match name.trim() {
                "m" => &mut m,
                "ef_construction" => &mut ef_construction,
                _ => return None,
            };
            if part.replace(number(value.trim())?).is_some() {
                return None;
            }
        }
    }
    Some(Kind::hnsw_rs(
        m.unwrap_or(HNSW_RS_M),
        ef_construction.unwrap_or(HNSW_RS_EF_CONSTRUCTION),
    ))
}

/// What stands before `,RFlat` or `,Refine(…)`.
fn refined(given: &str) -> Option<(&str, Option<Refine>)> {
    if let Some(rest) = given.strip_suffix(",RFlat") {
        return Some((rest, Some(Refine::Flat)));
    }
    let Some((rest, inner)) = given.split_once(",Refine(") else {
        return Some((given, None));
    };
    match inner.strip_suffix(')')? {
        "Flat" => Some((rest, Some(Refine::Flat))),
        other => Some((rest, Some(Refine::Scalar(scalar(other)?)))),
    }
}

fn transform(given: &str) -> Option<Transform> {
    let pca = |prefix: &str, whiten, rotate| {
        let d = given.strip_prefix(prefix).and_then(number)?;
        Some(Transform::Pca { d, whiten, rotate })
    };
    if let Some(rest) = given.strip_prefix("OPQ") {
        let (m, d) = match rest.split_once('_') {
            Some((m, d)) => (m, Some(number(d)?)),
            None => (rest, None),
        };
        return Some(Transform::Opq { m: number(m)?, d });
    }
    if let Some(rest) = given.strip_prefix("ITQ") {
        return optional(rest).map(|d| Transform::Itq { d });
    }
    if let Some(rest) = given.strip_prefix("RR") {
        return optional(rest).map(|d| Transform::RandomRotation { d });
    }
    if let Some(rest) = given.strip_prefix("Pad") {
        return number(rest).map(|d| Transform::Pad { d });
    }
    if given == "L2norm" || given == "L2Norm" {
        return Some(Transform::L2norm);
    }
    pca("PCAWR", true, true)
        .or_else(|| pca("PCAW", true, false))
        .or_else(|| pca("PCAR", false, true))
        .or_else(|| pca("PCA", false, false))
}

fn structure_and_codes(given: &str) -> Option<(Structure, Codes)> {
    let (head, tail) = match given.split_once(',') {
        Some((head, tail)) => (head, Some(tail)),
        None => (given, None),
    };
    if let Some(rest) = head.strip_prefix("HNSW") {
        let m = optional(rest)?.unwrap_or(GRAPH_M);
        return Some((Structure::Hnsw { m }, codes(tail.unwrap_or("Flat"))?));
    }
    if let Some(rest) = head.strip_prefix("NSG") {
        let r = optional(rest)?.unwrap_or(GRAPH_M);
        return Some((Structure::Nsg { r }, codes(tail.unwrap_or("Flat"))?));
    }
    if let Some(rest) = head.strip_prefix("IVF") {
        return Some((ivf(rest)?, codes(tail?)?));
    }
    match tail {
        None => Some((Structure::Scan, codes(head)?)),
        Some(_) => None,
    }
}

/// `1024`, `4k`, `1024_HNSW32`, `1024_HNSW`.
fn ivf(given: &str) -> Option<Structure> {
    let (lists, hnsw_m) = match given.split_once("_HNSW") {
        Some((lists, m)) => (lists, Some(optional(m)?.unwrap_or(GRAPH_M))),
        None => (given, None),
    };
    let (digits, unit) = match lists.strip_suffix('k') {
        Some(digits) => (digits, 1 << 10),
        None => match lists.strip_suffix('M') {
            Some(digits) => (digits, 1 << 20),
            None => (lists, 1),
        },
    };
    let nlist = number(digits)?.saturating_mul(unit);
    Some(Structure::Ivf { nlist, hnsw_m })
}

fn codes(given: &str) -> Option<Codes> {
    if given == "Flat" {
        return Some(Codes::Flat);
    }
    if given == "RaBitQ" {
        return Some(Codes::RaBitQ);
    }
    if let Some(scalar) = scalar(given) {
        return Some(Codes::Scalar(scalar));
    }
    if let Some(rest) = given.strip_prefix("LSH") {
        return lsh(rest);
    }
    let rest = given.strip_prefix("PQ")?;
    let (m, bits) = match rest.split_once('x') {
        None => (rest, "8"),
        Some((m, "4fs")) => {
            return Some(Codes::PqFastScan {
                m: number(m)?,
                residual: false,
            });
        }
        Some((m, "4fsr")) => {
            return Some(Codes::PqFastScan {
                m: number(m)?,
                residual: true,
            });
        }
        Some((m, bits)) => (m, bits),
    };
    Some(Codes::Pq {
        m: number(m)?,
        bits: number(bits)?,
    })
}

fn lsh(rest: &str) -> Option<Codes> {
    let (rest, thresholds) = match rest.strip_suffix('t') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let (rest, rotate) = match rest.strip_suffix('r') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    Some(Codes::Lsh {
        bits: optional(rest)?,
        rotate,
        thresholds,
    })
}

fn scalar(given: &str) -> Option<Scalar> {
    let named = Scalar::NAMES.iter().find(|(name, _)| *name == given);
    named.map(|(_, scalar)| *scalar)
}

/// A number, or nothing at all.
#[expect(
    clippy::option_option,
    reason = "whether it can be read, and whether there is one"
)]
fn optional(digits: &str) -> Option<Option<usize>> {
    match digits {
        "" => Some(None),
        _ => number(digits).map(Some),
    }
}

/// Decimal digits only: `+5` is a number to Rust and none to FAISS. What is too large for a usize is out of range anyway.
pub(super) fn number(digits: &str) -> Option<usize> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(usize::MAX))
}
