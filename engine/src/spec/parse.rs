//! Reading a factory string in every way that FAISS spells it (`index_factory.cpp`): with an id map around it, which every
//! index here has anyway; `HNSW32_SQ8`; `IVF256(HNSW32)`; and with options that change how FAISS trains or lays out codes
//! and not what is found (`PQ8np`, `PQ8x4fs_64`). What is read may still be impossible: `check`.

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
    let (mut rest, refine) = refined(without_id_map(given))?;
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

/// What an id map is around, or several.
fn without_id_map(mut given: &str) -> &str {
    loop {
        let inner = given
            .strip_prefix("IDMap,")
            .or_else(|| given.strip_prefix("IDMap2,"))
            .or_else(|| given.strip_suffix(",IDMap"))
            .or_else(|| given.strip_suffix(",IDMap2"));
        match inner {
            Some(inner) => given = inner,
            None => return given,
        }
    }
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
    if let Some(rest) = given.strip_prefix("HNSW") {
        let (m, codes) = graph(rest)?;
        return Some((Structure::Hnsw { m }, codes));
    }
    if let Some(rest) = given.strip_prefix("NSG") {
        let (r, codes) = graph(rest)?;
        return Some((Structure::Nsg { r }, codes));
    }
    if let Some(rest) = given.strip_prefix("IVF") {
        let (lists, tail) = match rest.split_once(')') {
            Some((lists, tail)) if lists.contains('(') => (lists, tail.strip_prefix(',')?),
            None if !rest.contains('(') => rest.split_once(',')?,
            _ => return None,
        };
        return Some((ivf(lists)?, codes(tail)?));
    }
    Some((Structure::Scan, codes(given)?))
}

/// `32`, `32,SQ8`, `32_SQ8` or nothing: the number of links, and the codes that the graph is over.
fn graph(given: &str) -> Option<(usize, Codes)> {
    let (links, tail) = given.split_once([',', '_']).unwrap_or((given, ""));
    let codes = if tail.is_empty() {
        Codes::Flat
    } else {
        codes(tail)?
    };
    Some((optional(links)?.unwrap_or(GRAPH_M), codes))
}

/// `1024`, `4k`, `1024_HNSW32`, `1024_HNSW`, and with the quantizer in a parenthesis, whose end is cut off: `1024(Flat`,
/// `1024(HNSW32`, `1024(HNSW32,Flat`.
fn ivf(given: &str) -> Option<Structure> {
    let (lists, hnsw_m) = if let Some((lists, m)) = given.split_once("_HNSW") {
        (lists, Some(optional(m)?.unwrap_or(GRAPH_M)))
    } else if let Some((lists, rest)) = given.split_once("(HNSW") {
        let (m, codes) = graph(rest)?;
        (lists, (codes == Codes::Flat).then_some(Some(m))?)
    } else {
        (given.strip_suffix("(Flat").unwrap_or(given), None)
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
    pq(given.strip_prefix("PQ")?)
}

/// `16`, `16x12`, `16np`, `16x4fs`, `16x4fsr`, `16x4fs_64`.
fn pq(given: &str) -> Option<Codes> {
    let Some((m, bits)) = given.split_once('x') else {
        let m = number(given.strip_suffix("np").unwrap_or(given))?;
        return Some(Codes::Pq { m, bits: 8 });
    };
    let m = number(m)?;
    let Some(options) = bits.strip_prefix("4fs") else {
        let bits = number(bits.strip_suffix("np").unwrap_or(bits))?;
        return Some(Codes::Pq { m, bits });
    };
    let (residual, block) = match options.strip_prefix('r') {
        Some(block) => (true, block),
        None => (false, options),
    };
    let is_block = |rows: &str| number(rows).is_some_and(|rows| rows > 0 && rows % 32 == 0);
    let laid_out = block.is_empty() || block.strip_prefix('_').is_some_and(is_block);
    laid_out.then_some(Codes::PqFastScan { m, residual })
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
