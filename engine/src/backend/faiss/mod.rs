//! All of this crate's unsafe code: handles to FAISS indexes, whose methods are safe whatever they are given. What reads is
//! on [`RawIndex`]; what writes is on [`OwnedIndex`] alone, which a memory-mapped index never is.
//! The factory is the crate `faiss`'s; what it lacks or does unsoundly goes through the shim (`shim/`). What would
//! make FAISS abort or read out of bounds is refused here or, for the contents of vectors, by [`crate::vectors`].

use std::ffi::CStr;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::{Once, OnceLock};

// Links FAISS, which the shim calls.
use faiss_sys as _;

#[cfg(test)]
mod allocation;
mod change;
mod files;
mod growing;
mod kmeans;
mod native;
mod search;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod startup;
mod steps;
mod stream;

#[cfg(test)]
pub(crate) use allocation::with_allocations;
pub(crate) use kmeans::kmeans;
pub(crate) use native::Facts;
use native::{
    Handle, vinedb_faiss_add, vinedb_faiss_add_hooks, vinedb_faiss_adopt, vinedb_faiss_clone,
    vinedb_faiss_error, vinedb_faiss_facts, vinedb_faiss_free, vinedb_faiss_ids,
    vinedb_faiss_memory, vinedb_faiss_set_threads, vinedb_faiss_single_threaded_blas,
    vinedb_faiss_threads, vinedb_faiss_use_huge_pages,
};

use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::spec::Kind;

/// One FAISS index with its ids, to be read: in memory, or mapped from a file.
pub(crate) struct RawIndex {
    handle: NonNull<Handle>,
    dimension: usize,
}

/// An index that lies in memory as a whole, and so can be changed.
pub(crate) struct OwnedIndex(RawIndex);

impl Deref for OwnedIndex {
    type Target = RawIndex;

    fn deref(&self) -> &RawIndex {
        &self.0
    }
}

/// An index that can be changed, or one that cannot.
pub(crate) enum Access {
    Owned(OwnedIndex),
    Mapped(RawIndex),
}

impl Access {
    /// # Errors
    /// [`Error::ReadOnly`] where it is mapped.
    pub(crate) fn writable(&mut self) -> Result<&mut OwnedIndex> {
        match self {
            Self::Owned(index) => Ok(index),
            Self::Mapped(_) => Err(Error::ReadOnly),
        }
    }
}

impl Deref for Access {
    type Target = RawIndex;

    fn deref(&self) -> &RawIndex {
        match self {
            Self::Owned(index) => index,
            Self::Mapped(index) => index,
        }
    }
}

// SAFETY: the index has no tie to the thread that made it: FAISS keeps no thread-local state about it.
unsafe impl Send for RawIndex {}
// SAFETY: methods of &self call const C++ methods only, which FAISS documents as callable from several threads at once;
// what they share beside the index are FAISS's statistics counters, which nothing here reads.
unsafe impl Sync for RawIndex {}

impl Drop for RawIndex {
    fn drop(&mut self) {
        // SAFETY: the handle came from FAISS, is owned, and is not used after this.
        unsafe { vinedb_faiss_free(self.handle.as_ptr()) }
    }
}

impl OwnedIndex {
    /// Builds the index of a factory string. FAISS's crate knows two metrics; the others are set afterwards, on an index made
    /// for the inner product, whose flat parts are of the general class.
    pub(crate) fn create(dimension: usize, kind: &Kind, metric: Metric) -> Result<Self> {
        const OPERATION: &str = "create an index";
        initialize()?;
        let native_dimension = u32::try_from(dimension)
            .map_err(|_| failure(OPERATION, "the dimension is too large"))?;
        let metric = kind.native_metric(metric);
        let made_for = match metric {
            Metric::L2 => faiss::MetricType::L2,
            _ => faiss::MetricType::InnerProduct,
        };
        let index = faiss::index_factory(native_dimension, kind.to_string(), made_for)
            .map_err(|error| failure(OPERATION, &error.to_string()))?;
        // Only the pointer is taken over; the wrapper must not free it.
        let index = ManuallyDrop::new(index);
        let mut handle = std::ptr::null_mut();
        // SAFETY: an index of the factory's, which nothing else owns, and room for the handle.
        status(OPERATION, unsafe {
            vinedb_faiss_adopt(
                index.inner_ptr().cast(),
                metric_code(metric),
                exponent(metric),
                &raw mut handle,
            )
        })?;
        RawIndex::owned(OPERATION, handle, dimension).map(Self)
    }

    /// Adds one row per id. When FAISS fails at it, the index is empty afterwards.
    pub(crate) fn add(&mut self, ids: &[i64], vectors: &[f32]) -> Result<()> {
        const OPERATION: &str = "add vectors";
        let n = self.rows_in(vectors)?;
        if usize::try_from(n) != Ok(ids.len()) {
            return Err(failure(OPERATION, "there is not one id per vector"));
        }
        // SAFETY: an owned handle, n ids and n × dimension numbers.
        status(OPERATION, unsafe {
            vinedb_faiss_add(self.handle.as_ptr(), n, vectors.as_ptr(), ids.as_ptr())
        })
    }
}

impl RawIndex {
    pub(crate) fn facts(&self) -> Facts {
        // SAFETY: a live handle.
        unsafe { vinedb_faiss_facts(self.handle.as_ptr()) }
    }

    /// Bytes of memory, mapped ones included.
    pub(crate) fn memory_bytes(&self) -> Result<usize> {
        let mut bytes = 0;
        // SAFETY: a live handle, and room for the number.
        status("measure an index", unsafe {
            vinedb_faiss_memory(self.handle.as_ptr(), &raw mut bytes)
        })?;
        Ok(bytes)
    }

    /// Moves the vectors into huge pages, where the system has them.
    pub(crate) fn use_huge_pages(&self) {
        // SAFETY: a live handle; neither contents nor addresses change.
        unsafe { vinedb_faiss_use_huge_pages(self.handle.as_ptr()) }
    }

    /// The id of each row.
    pub(crate) fn ids(&self) -> &[i64] {
        let mut count = 0;
        // SAFETY: a live handle, and room for the count.
        let first = unsafe { vinedb_faiss_ids(self.handle.as_ptr(), &raw mut count) };
        if count == 0 {
            return &[];
        }
        // SAFETY: a std::vector's `count` elements, which only methods of &mut OwnedIndex move.
        unsafe { std::slice::from_raw_parts(first, count) }
    }

    /// A copy in memory.
    pub(crate) fn try_clone(&self) -> Result<OwnedIndex> {
        const OPERATION: &str = "copy an index";
        let mut twin = std::ptr::null_mut();
        // SAFETY: a live handle, and room for the new one.
        status(OPERATION, unsafe {
            vinedb_faiss_clone(self.handle.as_ptr(), &raw mut twin)
        })?;
        Self::owned(OPERATION, twin, self.dimension).map(OwnedIndex)
    }

    /// What the shim has made, for one owner.
    fn owned(operation: &'static str, handle: *mut Handle, dimension: usize) -> Result<Self> {
        let handle =
            NonNull::new(handle).ok_or_else(|| failure(operation, "FAISS returned nothing"))?;
        Ok(Self { handle, dimension })
    }

    /// How many vectors a slice has.
    fn rows_in(&self, vectors: &[f32]) -> Result<i64> {
        crate::vectors::count(vectors, self.dimension).map(native)
    }
}

/// FAISS's number of a metric (`MetricType.h`).
pub(crate) fn metric_code(metric: Metric) -> i32 {
    match metric {
        Metric::InnerProduct | Metric::Cosine => 0,
        Metric::L2 => 1,
        Metric::L1 => 2,
        Metric::Linf => 3,
        Metric::Lp(_) => 4,
        Metric::Canberra => 20,
        Metric::BrayCurtis => 21,
        Metric::JensenShannon => 22,
    }
}

/// The metric of FAISS's number and `metric_arg`.
fn metric_of(code: i32, exponent: f32) -> Option<Metric> {
    match code {
        0 => Some(Metric::InnerProduct),
        1 => Some(Metric::L2),
        2 => Some(Metric::L1),
        3 => Some(Metric::Linf),
        4 => Metric::lp(exponent).ok(),
        20 => Some(Metric::Canberra),
        21 => Some(Metric::BrayCurtis),
        22 => Some(Metric::JensenShannon),
        _ => None,
    }
}

/// FAISS's `metric_arg`.
pub(crate) fn exponent(metric: Metric) -> f32 {
    match metric {
        Metric::Lp(p) => p.get(),
        _ => 0.0,
    }
}

/// How many threads FAISS work of this thread may use.
pub(crate) fn threads() -> usize {
    // SAFETY: no preconditions.
    let threads = unsafe { vinedb_faiss_threads() };
    usize::try_from(threads).unwrap_or(1).max(1)
}

/// Sets how many threads FAISS work of this thread may use.
pub(crate) fn set_threads(threads: usize) {
    let threads = i32::try_from(threads.max(1)).unwrap_or(i32::MAX);
    // SAFETY: no preconditions but that the number be positive.
    unsafe { vinedb_faiss_set_threads(threads) }
}

/// Leaves OpenBLAS's number of threads as it is, for a process that uses OpenBLAS itself. Without this, the first index or
/// clustering sets it to 1 for the whole process: work here is parallel by itself, and threads of OpenBLAS beside those of
/// OpenMP slow each other down. To be called before any of these.
///
/// Returns whether it was in time.
pub fn keep_blas_threads() -> bool {
    let mut in_time = false;
    BLAS.call_once(|| in_time = true);
    in_time
}

/// Whether the number of OpenBLAS's threads is decided.
static BLAS: Once = Once::new();

/// Before the first call into FAISS. What is set for the whole process is set here, before anything reads it.
fn initialize() -> Result<()> {
    static HOOKS: OnceLock<bool> = OnceLock::new();
    // SAFETY: no preconditions.
    BLAS.call_once(|| unsafe { vinedb_faiss_single_threaded_blas() });
    // SAFETY: nothing is read before this has returned.
    if *HOOKS.get_or_init(|| unsafe { vinedb_faiss_add_hooks() } == 0) {
        return Ok(());
    }
    Err(failure("set FAISS up", "memory ran out"))
}

/// Slices have at most `isize::MAX` bytes, so their lengths fit.
fn native(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn status(operation: &'static str, code: i32) -> Result<()> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: a thread-local string of the shim, ended by a zero, unchanged until this thread's next call.
    let message = unsafe { CStr::from_ptr(vinedb_faiss_error()) };
    Err(failure(operation, &message.to_string_lossy()))
}

fn failure(operation: &'static str, message: &str) -> Error {
    Error::Faiss {
        operation,
        message: message.to_owned(),
    }
}
