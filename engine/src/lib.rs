//! Vectors in, ids and distances out: FAISS behind one small, safe interface.
//!
//! An [`Index`] holds vectors of one dimension under ids that only grow. It searches through a shared reference with
//! parameters and a selection of ids per query, and saves itself to a file that is verified before FAISS reads it back.
//! [`kmeans`] groups vectors. Texts, documents and filters are not known here; ids are all that comes out.
//!
//! With FAISS, the first index or clustering sets OpenBLAS to one thread for the whole process, since work here is parallel
//! by itself; `keep_blas_threads`, called before, leaves that number to the process.
//!
//! ```
//! use vinedb_engine::{IdSet, Index, IndexSpec, Metric, SearchParams, Select};
//!
//! // Three vectors of dimension 2, row after row, under the ids 1, 2 and 5.
//! let kind = IndexSpec::parse("auto")?.kind_for(3, 2);
//! let mut index = Index::new(2, Metric::L2, &kind)?;
//! index.add(&[1, 2, 5], &[0.0, 0.0, 3.0, 4.0, 6.0, 8.0])?;
//!
//! let hits = index.search(&[3.0, 4.0], 2, &SearchParams::default(), Select::All)?;
//! assert_eq!(hits[0][0].id, 2);
//! assert_eq!(hits[0][0].distance, 0.0);
//!
//! // Without id 2, the nearest two are the others, both at a squared distance of 25.
//! let gone = IdSet::from_iter([2]);
//! let hits = index.search(&[3.0, 4.0], 2, &SearchParams::default(), Select::Except(&gone))?;
//! assert_eq!(hits[0].iter().map(|hit| (hit.id, hit.distance)).collect::<Vec<_>>(), [(1, 25.0), (5, 25.0)]);
//! # Ok::<(), vinedb_engine::Error>(())
//! ```

#![deny(unsafe_code)]

mod backend;
#[cfg(all(feature = "faiss", target_arch = "x86_64", target_os = "linux"))]
mod cpu;
mod device;
mod error;
mod file;
mod ids;
mod index;
mod kmeans;
mod metric;
mod params;
mod progress;
mod recall;
mod sample;
mod spec;
mod threads;
mod vectors;

#[cfg(test)]
mod tests;

#[cfg(feature = "faiss")]
pub use backend::faiss::keep_blas_threads;
pub use device::Device;
pub use error::{Error, Result};
pub use file::{Foreign, Stamp};
pub use ids::{Hit, IdSet, MAX_ID, Select};
pub use index::{Index, Piece};
pub use kmeans::{
    Centroids, Choice, Clustering, KmeansOptions, Nearest, Score, Start, choose_k, default_sample,
    kmeans,
};
pub use metric::{Exponent, Metric};
pub use params::{
    DEFAULT_EF_SEARCH, DEFAULT_NPROBE, DEFAULT_RECALL, DEFAULT_RESCORE, SearchParams,
};
pub use progress::{Progress, Stage, Watch, report, unwatched};
pub use recall::{Curve, Rung, Trial};
pub use sample::sample_rows;
pub use spec::{
    AUTO_EXACT_COMPONENTS, AUTO_WHOLE_COMPONENTS, Codes, IndexSpec, Kind, Refine, Scalar,
    Structure, Transform,
};
pub use threads::with_threads;
pub use vectors::{MAX_DIMENSION, MAX_NORM, prepare};
