//! Putting a [`Kind`] together, part by part. Whether FAISS has such an index is for `check` to say.

use super::kind::{
    Codes, HNSW_RS_EF_CONSTRUCTION, HNSW_RS_M, Kind, Refine, Scalar, Structure, Transform,
};

impl Kind {
    fn of(structure: Structure) -> Self {
        Self {
            transforms: Vec::new(),
            structure,
            codes: Codes::Flat,
            refine: None,
        }
    }

    /// All vectors, scanned: exact.
    #[must_use]
    pub fn flat() -> Self {
        Self::of(Structure::Scan)
    }

    /// A graph with `m` links per vector, 2 to 512; 32 is usual.
    #[must_use]
    pub fn hnsw(m: usize) -> Self {
        Self::of(Structure::Hnsw { m })
    }

    /// A graph with `r` links per vector, 4 to 512, built at one go.
    #[must_use]
    pub fn nsg(r: usize) -> Self {
        Self::of(Structure::Nsg { r })
    }

    /// `nlist` inverted lists, 1 to 262,144.
    #[must_use]
    pub fn ivf(nlist: usize) -> Self {
        Self::of(Structure::Ivf {
            nlist,
            hnsw_m: None,
        })
    }

    /// `nlist` inverted lists, whose centroids are found by a graph with `m` links each.
    #[must_use]
    pub fn ivf_hnsw(nlist: usize, m: usize) -> Self {
        Self::of(Structure::Ivf {
            nlist,
            hnsw_m: Some(m),
        })
    }

    /// The graph of the crate `hnsw_rs`; 16 and 200 are usual.
    #[must_use]
    pub fn hnsw_rs(m: usize, ef_construction: usize) -> Self {
        Self::of(Structure::HnswRs { m, ef_construction })
    }

    /// What `hnsw_rs` alone means.
    pub(super) fn hnsw_rs_default() -> Self {
        Self::hnsw_rs(HNSW_RS_M, HNSW_RS_EF_CONSTRUCTION)
    }

    /// Hyperplane bits, one per component; scanned.
    #[must_use]
    pub fn lsh() -> Self {
        Self::flat().codes(Codes::Lsh {
            bits: None,
            rotate: false,
            thresholds: false,
        })
    }

    /// Keeps these codes.
    #[must_use]
    pub fn codes(mut self, codes: Codes) -> Self {
        self.codes = codes;
        self
    }

    /// Keeps one byte per component.
    #[must_use]
    pub fn sq8(self) -> Self {
        self.codes(Codes::Scalar(Scalar::Sq8))
    }

    /// Keeps one byte for each of `m` sub-vectors.
    #[must_use]
    pub fn pq(self, m: usize) -> Self {
        self.codes(Codes::Pq { m, bits: 8 })
    }

    /// Keeps half a byte for each of `m` sub-vectors, laid out for SIMD registers.
    #[must_use]
    pub fn pq_fast_scan(self, m: usize) -> Self {
        self.codes(Codes::PqFastScan { m, residual: false })
    }

    /// Keeps one bit per component and two numbers.
    #[must_use]
    pub fn rabitq(self) -> Self {
        self.codes(Codes::RaBitQ)
    }

    /// Puts a transform behind those there are.
    #[must_use]
    pub fn transform(mut self, transform: Transform) -> Self {
        self.transforms.push(transform);
        self
    }

    /// Keeps the first `d` principal components.
    #[must_use]
    pub fn pca(self, d: usize) -> Self {
        self.transform(Transform::Pca {
            d,
            whiten: false,
            rotate: false,
        })
    }

    /// Rotates for product quantisation with `m` sub-vectors.
    #[must_use]
    pub fn opq(self, m: usize) -> Self {
        self.transform(Transform::Opq { m, d: None })
    }

    /// Compares the best candidates by whole vectors.
    #[must_use]
    pub fn refine_flat(mut self) -> Self {
        self.refine = Some(Refine::Flat);
        self
    }
}
