//! Which kinds there can be: ranges of parameters, combinations that FAISS has, what suits the dimension and the metric.
//! FAISS aborts the process over some of what is refused here.

use std::ops::RangeInclusive;

use super::kind::{Codes, Kind, Refine, Structure, Transform};
use super::suggest;
use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::vectors::MAX_DIMENSION;

/// HNSW's m: with one link there are no layers, and beyond this memory goes for nothing.
pub(super) const M: RangeInclusive<usize> = 2..=512;
/// NSG's r.
pub(super) const R: RangeInclusive<usize> = 4..=512;
/// IVF's nlist: FAISS's guidelines go to this for 100 million vectors.
pub(super) const NLIST: RangeInclusive<usize> = 1..=262_144;
/// `hnsw_rs` keeps the number of links in a byte.
pub(super) const HNSW_RS_M: RangeInclusive<usize> = 2..=255;
pub(super) const EF_CONSTRUCTION: RangeInclusive<usize> = 8..=4_096;
/// Tables of 2^bits distances per sub-vector are made for every query.
pub(super) const PQ_BITS: RangeInclusive<usize> = 1..=12;
/// More transforms than anybody has a use for.
const MAX_TRANSFORMS: usize = 8;

/// Why a kind cannot be had.
pub(super) type Reason = String;

impl Kind {
    /// Whether such an index can be made for vectors of this dimension and metric.
    ///
    /// # Errors
    /// [`Error::BadSpec`] with the reason and the nearest that works.
    pub fn check(&self, dimension: usize, metric: Metric) -> Result<()> {
        if !self.is_built_in() {
            return Err(without_faiss(self));
        }
        self.check_ranges()?;
        let checked = self.fits_dimension(dimension);
        let checked = checked.and_then(|()| self.fits_metric(metric));
        checked.map_err(|reason| suggest::refused(self, &reason, Some((dimension, metric))))
    }

    /// What can be told without dimension and metric.
    pub(super) fn check_ranges(&self) -> Result<()> {
        let checked = self.in_range().and_then(|()| self.combines());
        checked.map_err(|reason| suggest::refused(self, &reason, None))
    }

    /// Whether the kind knows the metric. FAISS has the metrics beyond L2 and inner product for whole vectors alone.
    #[must_use]
    pub fn supports(&self, metric: Metric) -> bool {
        match metric {
            Metric::L2 | Metric::Cosine => true,
            Metric::InnerProduct => !self.is_built_for_l2(),
            _ => {
                self.codes == Codes::Flat
                    && self.transforms.is_empty()
                    && !matches!(self.structure, Structure::Nsg { .. })
            }
        }
    }

    pub(super) fn in_range(&self) -> Result<(), Reason> {
        match self.structure {
            Structure::Scan => Ok(()),
            Structure::Hnsw { m } => range("m", &M, m),
            Structure::Nsg { r } => range("r", &R, r),
            Structure::Ivf { nlist, hnsw_m } => {
                range("nlist", &NLIST, nlist)?;
                hnsw_m.map_or(Ok(()), |m| range("m", &M, m))
            }
            Structure::HnswRs { m, ef_construction } => {
                range("m", &HNSW_RS_M, m)?;
                range("ef_construction", &EF_CONSTRUCTION, ef_construction)
            }
        }?;
        match self.codes {
            Codes::Pq { m, bits } => {
                range("the number of sub-vectors", &(1..=MAX_DIMENSION), m)?;
                range("the number of bits", &PQ_BITS, bits)
            }
            Codes::PqFastScan { m, .. } => {
                range("the number of sub-vectors", &(1..=MAX_DIMENSION), m)
            }
            Codes::Lsh {
                bits: Some(bits), ..
            } => range("the number of bits", &(1..=MAX_DIMENSION), bits),
            Codes::Flat | Codes::Scalar(_) | Codes::RaBitQ | Codes::Lsh { bits: None, .. } => {
                Ok(())
            }
        }
    }

    pub(super) fn combines(&self) -> Result<(), Reason> {
        let among = match self.structure {
            Structure::Scan => return self.few_transforms(),
            Structure::Hnsw { .. } | Structure::Nsg { .. } => {
                matches!(
                    self.codes,
                    Codes::Flat | Codes::Scalar(_) | Codes::Pq { .. }
                )
            }
            Structure::Ivf { .. } => !matches!(self.codes, Codes::Lsh { .. }),
            Structure::HnswRs { .. } => {
                self.codes == Codes::Flat && self.transforms.is_empty() && self.refine.is_none()
            }
        };
        if among {
            return self.few_transforms();
        }
        Err(format!(
            "there is no such index over {}; {}",
            self.codes,
            match self.structure {
                Structure::Ivf { .. } =>
                    "lists hold Flat, SQ8, SQ6, SQ4, SQfp16, SQbf16, PQ<m>, PQ<m>x4fs or RaBitQ",
                Structure::HnswRs { .. } => "hnsw_rs keeps whole vectors, without transforms",
                _ => "graphs go over Flat, SQ8, SQ6, SQ4, SQfp16, SQbf16 or PQ<m>",
            }
        ))
    }

    fn few_transforms(&self) -> Result<(), Reason> {
        match self.transforms.len() {
            0..=MAX_TRANSFORMS => Ok(()),
            more => Err(format!("{more} transforms are too many")),
        }
    }

    pub(super) fn fits_dimension(&self, dimension: usize) -> Result<(), Reason> {
        let mut d = dimension;
        for transform in &self.transforms {
            transform.fits(d)?;
            d = transform.output(d);
        }
        match self.codes {
            Codes::Pq { m, .. } | Codes::PqFastScan { m, .. } if !d.is_multiple_of(m) => {
                Err(format!("{m} sub-vectors do not divide the dimension {d}"))
            }
            Codes::Lsh {
                bits: Some(bits),
                rotate: false,
                ..
            } if bits > d => Err(format!(
                "{bits} bits are more than the {d} components; write LSH{bits}r for random directions"
            )),
            Codes::Pq { .. }
            | Codes::PqFastScan { .. }
            | Codes::Flat
            | Codes::Scalar(_)
            | Codes::RaBitQ
            | Codes::Lsh { .. } => Ok(()),
        }
    }

    pub(super) fn fits_metric(&self, metric: Metric) -> Result<(), Reason> {
        if self.supports(metric) {
            return Ok(());
        }
        Err(match metric {
            Metric::InnerProduct => {
                "this kind knows distances, not inner_product; it takes l2 and cosine".to_owned()
            }
            other => format!("the metric {other} needs whole vectors, untransformed"),
        })
    }
}

impl Transform {
    fn fits(self, dimension: usize) -> Result<(), Reason> {
        let output = self.output(dimension);
        let no_more = |name: &str| match (1..=dimension).contains(&output) {
            true => Ok(()),
            false => Err(format!(
                "{name} gives 1 to {dimension} components here, not {output}"
            )),
        };
        match self {
            Self::Pca { .. } => no_more("PCA"),
            Self::Itq { .. } => no_more("ITQ"),
            Self::RandomRotation { .. } => no_more("RR"),
            Self::Opq { m, .. } => {
                no_more("OPQ")?;
                match m > 0 && output.is_multiple_of(m) {
                    true => Ok(()),
                    false => Err(format!("OPQ's {m} sub-vectors do not divide {output}")),
                }
            }
            Self::L2norm => Ok(()),
            Self::Pad { d } if (dimension..=MAX_DIMENSION).contains(&d) => Ok(()),
            Self::Pad { d } => Err(format!(
                "Pad gives {dimension} to {MAX_DIMENSION} components here, not {d}"
            )),
        }
    }
}

impl Refine {
    /// The codes that it is made of.
    #[must_use]
    pub fn codes(self) -> Codes {
        match self {
            Self::Flat => Codes::Flat,
            Self::Scalar(scalar) => Codes::Scalar(scalar),
        }
    }
}

fn range(name: &str, range: &RangeInclusive<usize>, given: usize) -> Result<(), Reason> {
    if range.contains(&given) {
        return Ok(());
    }
    let (low, high) = (range.start(), range.end());
    Err(format!("{name} must be from {low} to {high}"))
}

fn without_faiss(kind: &Kind) -> Error {
    let reason = "it is one of FAISS's, which this build is without; build with the cargo feature `faiss`, on by default";
    bad_spec(kind.to_string(), reason, kind)
}

/// The refusal.
pub(super) fn bad_spec(given: String, reason: &str, nearest: &Kind) -> Error {
    let ours = Kind::hnsw_rs_default();
    let nearest = if nearest.is_built_in() {
        nearest
    } else {
        &ours
    };
    Error::BadSpec {
        given,
        reason: format!("{reason}; the nearest that works is {nearest}"),
    }
}
