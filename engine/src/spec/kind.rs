//! What an index is ([`Kind`]): transforms, a structure, the codes that it keeps, a second look; and what follows
//! from these. It is put together in `build`, written in `written` and read in `parse`; ranges and combinations are `check`'s.

use serde::{Deserialize, Serialize};

use crate::metric::Metric;

/// k-means wants this many training vectors per centroid; FAISS's own limit for its warning.
pub(crate) const MIN_POINTS_PER_CENTROID: usize = 39;

/// What `hnsw_rs` alone means.
pub(super) const HNSW_RS_M: usize = 16;
pub(super) const HNSW_RS_EF_CONSTRUCTION: usize = 200;

/// FAISS builds its NSG from a graph of 64 neighbours each; with few vectors there is nothing to build.
const MIN_FOR_NSG: usize = 1_000;
/// Neighbours of each vector that NSG is made from; FAISS's own number (`GK` in IndexNSG.h).
const NSG_NEIGHBOURS: usize = 64;

/// What an index is. `Display` gives its FAISS factory string (or `hnsw_rs(…)`), [`str::parse`] reads one.
///
/// ```
/// use vinedb_engine::Kind;
///
/// let kind = Kind::ivf(1024).pq_fast_scan(32).refine_flat();
/// assert_eq!(kind.to_string(), "IVF1024,PQ32x4fs,RFlat");
/// assert_eq!("IVF1024,PQ32x4fs,RFlat".parse::<Kind>()?, kind);
/// # Ok::<(), vinedb_engine::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Kind {
    /// What is done to a vector before anything else, in order.
    pub transforms: Vec<Transform>,
    /// How vectors are found.
    pub structure: Structure,
    /// What is kept of each vector.
    pub codes: Codes,
    /// A second look at the best candidates, by better codes.
    pub refine: Option<Refine>,
}

/// A change of the vectors before they are indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transform {
    /// Principal components, the first `d` of them (`PCA`, `PCAW`, `PCAR`).
    Pca {
        /// Components that remain.
        d: usize,
        /// Divided by the root of their variance.
        whiten: bool,
        /// Rotated at random afterwards, so that no component has more variance than another.
        rotate: bool,
    },
    /// A rotation that suits product quantisation (Ge et al., CVPR 2013).
    Opq {
        /// Sub-vectors of the product quantiser.
        m: usize,
        /// Components that remain; all, if `None`.
        d: Option<usize>,
    },
    /// A rotation that suits binary codes (Gong and Lazebnik, CVPR 2011).
    Itq {
        /// Components that remain; all, if `None`.
        d: Option<usize>,
    },
    /// A random rotation.
    RandomRotation {
        /// Components that remain; all, if `None`.
        d: Option<usize>,
    },
    /// Scaled to length 1.
    L2norm,
    /// Zeros appended.
    Pad {
        /// Components afterwards.
        d: usize,
    },
}

/// How vectors are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Structure {
    /// All of them are looked at.
    Scan,
    /// A graph (hierarchical navigable small world, Malkov and Yashunin, arXiv:1603.09320).
    Hnsw {
        /// Links per vector and layer (twice that on the lowest), 2 to 512.
        m: usize,
    },
    /// A graph (navigating spreading-out graph, Fu et al., VLDB 2019), built at one go: nothing can be added to it.
    Nsg {
        /// Links per vector, 4 to 512.
        r: usize,
    },
    /// Inverted lists around k-means centroids, of which a search reads the nearest `nprobe`.
    Ivf {
        /// The number of lists, 1 to 262,144; about the square root of the number of vectors.
        nlist: usize,
        /// The centroids are found by an HNSW graph of this m, instead of being scanned: for many lists.
        hnsw_m: Option<usize>,
    },
    /// The graph of the crate `hnsw_rs`, which needs no FAISS.
    HnswRs {
        /// Links per vector and layer, 2 to 255.
        m: usize,
        /// Candidates kept while building, 8 to 4,096.
        ef_construction: usize,
    },
}

/// What is kept of each vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codes {
    /// All of it.
    Flat,
    /// Each component as a smaller number.
    Scalar(Scalar),
    /// For each of `m` sub-vectors the number of a centroid (Jégou et al., PAMI 2011).
    Pq {
        /// Sub-vectors; divides the dimension.
        m: usize,
        /// Bits per sub-vector, 1 to 12; 8 is usual.
        bits: usize,
    },
    /// Product quantisation in 4 bits, laid out for SIMD registers (André et al., VLDB 2015).
    PqFastScan {
        /// Sub-vectors; divides the dimension.
        m: usize,
        /// Codes of the difference to the list's centroid (`x4fsr`).
        residual: bool,
    },
    /// One bit per component with two numbers of correction (Gao and Long, SIGMOD 2024).
    RaBitQ,
    /// One bit for each of a number of directions (Charikar, STOC 2002).
    Lsh {
        /// The number of bits; one per component, if `None`.
        bits: Option<usize>,
        /// Random directions rather than the components themselves.
        rotate: bool,
        /// Cut at the median of the training vectors rather than at 0.
        thresholds: bool,
    },
}

/// Numbers for components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// 8 bits.
    Sq8,
    /// 6 bits.
    Sq6,
    /// 4 bits.
    Sq4,
    /// Half precision.
    Fp16,
    /// bfloat16.
    Bf16,
}

/// What the second look compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refine {
    /// Whole vectors.
    Flat,
    /// Components as smaller numbers.
    Scalar(Scalar),
}

impl Scalar {
    pub(super) const NAMES: [(&'static str, Self); 5] = [
        ("SQ8", Self::Sq8),
        ("SQ6", Self::Sq6),
        ("SQ4", Self::Sq4),
        ("SQfp16", Self::Fp16),
        ("SQbf16", Self::Bf16),
    ];

    pub(super) fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, scalar)| *scalar == self)
            .map_or("", |(name, _)| *name)
    }

    /// Whether ranges are learnt.
    pub(crate) fn trains(self) -> bool {
        matches!(self, Self::Sq8 | Self::Sq6 | Self::Sq4)
    }
}

impl Kind {
    /// The dimension behind the transforms.
    #[must_use]
    pub fn inner_dimension(&self, dimension: usize) -> usize {
        self.transforms
            .iter()
            .fold(dimension, |d, transform| transform.output(d))
    }

    /// Whether every vector is compared as a whole.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        *self == Self::flat()
    }

    /// Whether whole vectors are kept and distances are true.
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        self.refine == Some(Refine::Flat)
            || self.refine.is_none() && self.codes == Codes::Flat && self.transforms.is_empty()
    }

    /// Whether vectors can be added to an index that has some; if not, it is built at one go.
    #[must_use]
    pub fn can_grow(&self) -> bool {
        !matches!(self.structure, Structure::Nsg { .. })
    }

    /// Whether [`crate::Index::remove`] can take vectors out: graphs cannot.
    #[must_use]
    pub fn can_remove(&self) -> bool {
        matches!(self.structure, Structure::Scan | Structure::Ivf { .. })
    }

    /// Whether [`crate::Index::load_mapped`] leaves its vectors, codes or links in the file. Codes for fast scan and
    /// scanned RaBitQ are laid out by FAISS in memory, and `hnsw_rs` keeps each vector by itself.
    #[must_use]
    pub fn maps(&self) -> bool {
        let copied = match (self.structure, self.codes) {
            (Structure::HnswRs { .. }, _) => return false,
            (Structure::Scan, Codes::RaBitQ) | (_, Codes::PqFastScan { .. }) => true,
            _ => false,
        };
        self.refine.is_some() || !copied
    }

    /// How many vectors an index may hold. FAISS numbers the rows of an HNSW graph with 32 bits, and for NSG even all links:
    /// those of the graph, and those to the 64 neighbours that it is made from.
    #[must_use]
    pub fn max_vectors(&self) -> usize {
        const MOST: usize = i32::MAX as usize;
        match self.structure {
            Structure::Nsg { r } => MOST / r.max(NSG_NEIGHBOURS),
            _ => MOST,
        }
    }

    /// Whether [`crate::Index::reconstruct`] can give vectors back.
    #[must_use]
    pub fn can_reconstruct(&self) -> bool {
        let kept = !matches!(self.codes, Codes::Lsh { .. })
            && self.transforms.iter().all(|one| one.is_reversible());
        self.refine.is_some() || kept
    }

    /// Whether [`crate::Index::train`] must come before [`crate::Index::add`].
    #[must_use]
    pub fn trains(&self) -> bool {
        let codes = self.codes.trains();
        let refine = matches!(self.refine, Some(Refine::Scalar(scalar)) if scalar.trains());
        codes
            || refine
            || matches!(self.structure, Structure::Ivf { .. })
            || self.transforms.iter().any(|transform| transform.trains())
    }

    /// The fewest vectors of this dimension that such an index can be trained on and built from; 0 where any will do.
    #[must_use]
    pub fn min_vectors(&self, dimension: usize) -> usize {
        let structure = match self.structure {
            Structure::Ivf { nlist, .. } => nlist.saturating_mul(MIN_POINTS_PER_CENTROID),
            Structure::Nsg { .. } => MIN_FOR_NSG,
            Structure::Scan | Structure::Hnsw { .. } | Structure::HnswRs { .. } => 0,
        };
        let codes = match self.codes {
            Codes::Pq { bits, .. } => (MIN_POINTS_PER_CENTROID << bits.min(12)).max(1),
            Codes::PqFastScan { .. } => MIN_POINTS_PER_CENTROID << 4,
            Codes::RaBitQ | Codes::Flat | Codes::Scalar(_) | Codes::Lsh { .. } => 0,
        };
        let mut d = dimension;
        let transforms = self.transforms.iter().map(|transform| {
            let needed = transform.min_vectors(d);
            d = transform.output(d);
            needed
        });
        let floor = usize::from(self.trains());
        transforms.fold(structure.max(codes).max(floor), usize::max)
    }

    /// The metric that FAISS builds it with: cosine is inner product over vectors of length 1, or L2 for the kinds that
    /// know distances only, and behind transforms that shift vectors.
    #[must_use]
    pub fn native_metric(&self, metric: Metric) -> Metric {
        match metric {
            Metric::Cosine if self.is_built_for_l2() || self.shifts() => Metric::L2,
            Metric::Cosine => Metric::InnerProduct,
            other => other,
        }
    }

    /// Whether a transform shifts vectors: distances between them stay, inner products do not.
    fn shifts(&self) -> bool {
        let shifts = |one: &Transform| matches!(one, Transform::Pca { .. } | Transform::Itq { .. });
        self.transforms.iter().any(shifts)
    }

    /// Kinds that know L2 alone.
    pub(super) fn is_built_for_l2(&self) -> bool {
        let graph_of_codes = matches!(self.structure, Structure::Hnsw { .. })
            && matches!(self.codes, Codes::Pq { .. });
        graph_of_codes
            || matches!(self.structure, Structure::Nsg { .. })
            || matches!(self.codes, Codes::Lsh { .. })
    }
}

impl Codes {
    pub(crate) fn trains(self) -> bool {
        match self {
            Self::Flat => false,
            Self::Scalar(scalar) => scalar.trains(),
            Self::Lsh { thresholds, .. } => thresholds,
            Self::Pq { .. } | Self::PqFastScan { .. } | Self::RaBitQ => true,
        }
    }
}

impl Transform {
    /// The dimension afterwards.
    pub(super) fn output(self, dimension: usize) -> usize {
        match self {
            Self::Pca { d, .. } => d,
            Self::Opq { d, .. } | Self::Itq { d } | Self::RandomRotation { d } => {
                d.unwrap_or(dimension)
            }
            Self::L2norm => dimension,
            Self::Pad { d } => d.max(dimension),
        }
    }

    pub(crate) fn trains(self) -> bool {
        !matches!(self, Self::L2norm | Self::Pad { .. })
    }

    /// Whether FAISS can undo it (`VectorTransform::reverse_transform`), as far as components were kept.
    fn is_reversible(self) -> bool {
        !matches!(self, Self::Itq { .. } | Self::Pca { whiten: true, .. })
    }

    fn min_vectors(self, dimension: usize) -> usize {
        match self {
            Self::Pca { .. } | Self::Itq { .. } => dimension,
            Self::Opq { .. } => (MIN_POINTS_PER_CENTROID << 8).max(dimension),
            Self::RandomRotation { .. } => 1,
            Self::L2norm | Self::Pad { .. } => 0,
        }
    }
}
