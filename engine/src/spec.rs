//! Which index is wanted ([`IndexSpec`]) and which one is had ([`Kind`]): the only place that reads or makes a FAISS
//! factory string. Ranges are checked here, so that no factory string reaches FAISS that it cannot build.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Up to this many vectors `auto` scans them all: exact, and fast enough on one core.
pub const AUTO_EXACT_LIMIT: usize = 20_000;

/// k-means wants this many training vectors per list; FAISS's own limit for its warning.
pub const MIN_POINTS_PER_LIST: usize = 39;

/// HNSW's m, links per vector and layer: with one link there are no layers, and beyond this memory goes for nothing.
const M_RANGE: RangeInclusive<usize> = 2..=512;

/// IVF's nlist: FAISS's guidelines go to this for 100 million vectors.
const NLIST_RANGE: RangeInclusive<usize> = 1..=262_144;

const AUTO_M: usize = 32;

/// What an index is: a FAISS index type with its build parameters. `Display` gives the factory string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Kind {
    /// All vectors, scanned: exact.
    Flat,
    /// A graph (hierarchical navigable small world, Malkov and Yashunin, arXiv:1603.09320) over the vectors.
    Hnsw {
        /// Links per vector and layer (twice that on the lowest), 2 to 512.
        m: usize,
        /// Whether the vectors are kept in one byte per component: a quarter of the memory, distances to what is kept.
        sq8: bool,
    },
    /// Inverted lists around k-means centroids, of which a search reads the nearest `nprobe`.
    Ivf {
        /// The number of lists, 1 to 262,144; about the square root of the number of vectors.
        nlist: usize,
    },
}

impl Kind {
    /// Whether the whole vectors are kept, so that distances are exact.
    #[must_use]
    pub fn is_lossless(self) -> bool {
        !matches!(self, Self::Hnsw { sq8: true, .. })
    }

    /// The fewest vectors that training takes; 0 where there is no training.
    #[must_use]
    pub fn min_training_vectors(self) -> usize {
        match self {
            Self::Flat | Self::Hnsw { sq8: false, .. } => 0,
            Self::Hnsw { sq8: true, .. } => 1,
            Self::Ivf { nlist } => nlist.saturating_mul(MIN_POINTS_PER_LIST),
        }
    }

    /// Refuses parameters out of range.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::Hnsw { m, .. } if !M_RANGE.contains(&m) => self.out_of_range("m", &M_RANGE, m),
            Self::Ivf { nlist } if !NLIST_RANGE.contains(&nlist) => {
                self.out_of_range("nlist", &NLIST_RANGE, nlist)
            }
            Self::Flat | Self::Hnsw { .. } | Self::Ivf { .. } => Ok(()),
        }
    }

    fn out_of_range(self, name: &str, range: &RangeInclusive<usize>, given: usize) -> Result<()> {
        let (low, high) = (*range.start(), *range.end());
        let nearest = match self {
            Self::Flat => self,
            Self::Hnsw { sq8, .. } => Self::Hnsw {
                m: given.clamp(low, high),
                sq8,
            },
            Self::Ivf { .. } => Self::Ivf {
                nlist: given.clamp(low, high),
            },
        };
        let reason =
            format!("{name} must be from {low} to {high}; the nearest that works is {nearest}");
        Err(Error::BadSpec {
            given: self.to_string(),
            reason,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flat => f.write_str("Flat"),
            Self::Hnsw { m, sq8: false } => write!(f, "HNSW{m}"),
            Self::Hnsw { m, sq8: true } => write!(f, "HNSW{m},SQ8"),
            Self::Ivf { nlist } => write!(f, "IVF{nlist},Flat"),
        }
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self> {
        let kind = exact_match(given).ok_or_else(|| refusal(given))?;
        kind.check()?;
        Ok(kind)
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.to_string()
    }
}

impl TryFrom<String> for Kind {
    type Error = Error;

    fn try_from(given: String) -> Result<Self> {
        given.parse()
    }
}

/// `Flat`, `HNSW<m>`, `HNSW<m>,Flat`, `HNSW<m>,SQ8` and `IVF<n>,Flat`, as FAISS spells them.
fn exact_match(given: &str) -> Option<Kind> {
    if given == "Flat" {
        return Some(Kind::Flat);
    }
    let (head, storage) = given
        .split_once(',')
        .map_or((given, None), |(head, rest)| (head, Some(rest)));
    if let Some(m) = head.strip_prefix("HNSW").and_then(number) {
        return match storage {
            None | Some("Flat") => Some(Kind::Hnsw { m, sq8: false }),
            Some("SQ8") => Some(Kind::Hnsw { m, sq8: true }),
            Some(_) => None,
        };
    }
    let nlist = head.strip_prefix("IVF").and_then(number)?;
    (storage == Some("Flat")).then_some(Kind::Ivf { nlist })
}

/// Decimal digits only: `+5` is a number to Rust and none to FAISS. What is too large for a usize is out of range anyway.
fn number(digits: &str) -> Option<usize> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(usize::MAX))
}

fn refusal(given: &str) -> Error {
    let reason = format!(
        "the kinds are auto, Flat, HNSW<m>, HNSW<m>,SQ8 and IVF<nlist>,Flat; the nearest that works is {}",
        nearest(given)
    );
    Error::BadSpec {
        given: given.to_owned(),
        reason,
    }
}

/// The kind that does best what the string seems to be after.
fn nearest(given: &str) -> Kind {
    let upper = given.to_ascii_uppercase();
    let numbers_after = |prefix: &str| {
        let rest = &upper[upper.find(prefix)? + prefix.len()..];
        number(&rest[..rest.bytes().take_while(u8::is_ascii_digit).count()])
    };
    let compressed = ["SQ", "PQ", "RABITQ", "LSH", "PCA"]
        .iter()
        .any(|part| upper.contains(part));
    if upper.contains("IVF") {
        let nlist = numbers_after("IVF").unwrap_or(1024);
        return Kind::Ivf {
            nlist: nlist.clamp(*NLIST_RANGE.start(), *NLIST_RANGE.end()),
        };
    }
    if upper.contains("HNSW") || upper.contains("NSG") || compressed {
        let m = numbers_after("HNSW").unwrap_or(AUTO_M);
        return Kind::Hnsw {
            m: m.clamp(*M_RANGE.start(), *M_RANGE.end()),
            sq8: compressed,
        };
    }
    Kind::Flat
}

/// Which index a collection is to have. In configuration a string: `"auto"` or a FAISS factory string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum IndexSpec {
    /// Exact while that is fast enough, then HNSW.
    #[default]
    Auto,
    /// This FAISS index.
    Faiss(Kind),
}

impl IndexSpec {
    /// Reads `"auto"` or a factory string: `Flat`, `HNSW32`, `HNSW32,SQ8`, `IVF1024,Flat`.
    ///
    /// # Errors
    /// [`Error::BadSpec`] for anything else, with the nearest that works.
    pub fn parse(given: &str) -> Result<Self> {
        if given == "auto" {
            Ok(Self::Auto)
        } else {
            given.parse().map(Self::Faiss)
        }
    }

    /// All vectors, scanned.
    #[must_use]
    pub fn flat() -> Self {
        Self::Faiss(Kind::Flat)
    }

    /// A graph with `m` links per vector, 2 to 512; 32 is usual.
    #[must_use]
    pub fn hnsw(m: usize) -> Self {
        Self::Faiss(Kind::Hnsw { m, sq8: false })
    }

    /// [`IndexSpec::hnsw`] over vectors of one byte per component.
    #[must_use]
    pub fn hnsw_sq8(m: usize) -> Self {
        Self::Faiss(Kind::Hnsw { m, sq8: true })
    }

    /// `nlist` inverted lists, 1 to 262,144.
    #[must_use]
    pub fn ivf(nlist: usize) -> Self {
        Self::Faiss(Kind::Ivf { nlist })
    }

    /// Whether such an index can be made.
    ///
    /// # Errors
    /// [`Error::BadSpec`] where a parameter is out of range. What [`IndexSpec::parse`] gave is always fine.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Auto => Ok(()),
            Self::Faiss(kind) => kind.check(),
        }
    }

    /// The kind that an index of `n` vectors has. `auto` is exact up to [`AUTO_EXACT_LIMIT`] and HNSW32 above; IVF with
    /// too few vectors to train on is exact.
    #[must_use]
    pub fn kind_for(self, n: usize) -> Kind {
        match self {
            Self::Auto if n > AUTO_EXACT_LIMIT => Kind::Hnsw {
                m: AUTO_M,
                sq8: false,
            },
            Self::Faiss(kind) if n >= kind.min_training_vectors() => kind,
            Self::Auto | Self::Faiss(_) => Kind::Flat,
        }
    }
}

impl fmt::Display for IndexSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Faiss(kind) => kind.fmt(f),
        }
    }
}

impl From<IndexSpec> for String {
    fn from(spec: IndexSpec) -> Self {
        spec.to_string()
    }
}

impl TryFrom<String> for IndexSpec {
    type Error = Error;

    fn try_from(given: String) -> Result<Self> {
        Self::parse(&given)
    }
}

impl FromStr for IndexSpec {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self> {
        Self::parse(given)
    }
}
