//! Whether two kinds are one: some numbers may be left out of a factory string.

use super::kind::{Codes, Kind, Transform};

impl Kind {
    /// Whether both name the same index of vectors of this dimension. OPQ's m is not compared: it is training's alone, and
    /// FAISS's files do not keep it.
    pub(crate) fn is_same(&self, other: &Self, dimension: usize) -> bool {
        self.written_out(dimension) == other.written_out(dimension)
    }

    /// With every number that may be left out.
    fn written_out(&self, dimension: usize) -> Self {
        let mut kind = self.clone();
        let mut d = dimension;
        for transform in &mut kind.transforms {
            let output = transform.output(d);
            match transform {
                Transform::Opq { m, d } => (*m, *d) = (0, Some(output)),
                Transform::Itq { d } | Transform::RandomRotation { d } => *d = Some(output),
                Transform::Pad { d } => *d = output,
                Transform::Pca { .. } | Transform::L2norm => {}
            }
            d = output;
        }
        if let Codes::Lsh { bits, .. } = &mut kind.codes {
            bits.get_or_insert(d);
        }
        kind
    }
}
