//! A [`Kind`] as FAISS's factory string, or `hnsw_rs(…)`: what `parse` reads.

use std::fmt;

use super::kind::{Codes, Kind, Refine, Structure, Transform};

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |d: &Option<usize>| d.map_or_else(String::new, |d| d.to_string());
        match self {
            Self::Pca { d, whiten, rotate } => {
                let whiten = if *whiten { "W" } else { "" };
                let rotate = if *rotate { "R" } else { "" };
                write!(f, "PCA{whiten}{rotate}{d}")
            }
            Self::Opq { m, d: None } => write!(f, "OPQ{m}"),
            Self::Opq { m, d: Some(d) } => write!(f, "OPQ{m}_{d}"),
            Self::Itq { d } => write!(f, "ITQ{}", number(d)),
            Self::RandomRotation { d } => write!(f, "RR{}", number(d)),
            Self::L2norm => f.write_str("L2norm"),
            Self::Pad { d } => write!(f, "Pad{d}"),
        }
    }
}

impl fmt::Display for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flat => f.write_str("Flat"),
            Self::Scalar(scalar) => f.write_str(scalar.name()),
            Self::Pq { m, bits: 8 } => write!(f, "PQ{m}"),
            Self::Pq { m, bits } => write!(f, "PQ{m}x{bits}"),
            Self::PqFastScan { m, residual } => {
                write!(f, "PQ{m}x4fs{}", if *residual { "r" } else { "" })
            }
            Self::RaBitQ => f.write_str("RaBitQ"),
            Self::Lsh {
                bits,
                rotate,
                thresholds,
            } => {
                let bits = bits.map_or_else(String::new, |bits| bits.to_string());
                let rotate = if *rotate { "r" } else { "" };
                let thresholds = if *thresholds { "t" } else { "" };
                write!(f, "LSH{bits}{rotate}{thresholds}")
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for transform in &self.transforms {
            write!(f, "{transform},")?;
        }
        let codes = self.codes;
        match self.structure {
            Structure::Scan => write!(f, "{codes}"),
            Structure::Hnsw { m } if codes == Codes::Flat => write!(f, "HNSW{m}"),
            Structure::Hnsw { m } => write!(f, "HNSW{m},{codes}"),
            Structure::Nsg { r } if codes == Codes::Flat => write!(f, "NSG{r}"),
            Structure::Nsg { r } => write!(f, "NSG{r},{codes}"),
            Structure::Ivf {
                nlist,
                hnsw_m: None,
            } => write!(f, "IVF{nlist},{codes}"),
            Structure::Ivf {
                nlist,
                hnsw_m: Some(m),
            } => write!(f, "IVF{nlist}_HNSW{m},{codes}"),
            Structure::HnswRs { m, ef_construction } => {
                write!(f, "hnsw_rs(m={m},ef_construction={ef_construction})")
            }
        }?;
        match self.refine {
            None => Ok(()),
            Some(Refine::Flat) => f.write_str(",RFlat"),
            Some(Refine::Scalar(scalar)) => write!(f, ",Refine({})", scalar.name()),
        }
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.to_string()
    }
}
