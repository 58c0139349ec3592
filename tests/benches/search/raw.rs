//! The measure: FAISS through its C interface, with nothing around it.

use std::{
    ffi::{CStr, CString},
    path::Path,
    ptr,
};

use faiss_sys::{
    FaissIndex, FaissParameterSpace, faiss_Index_add, faiss_Index_free, faiss_Index_ntotal,
    faiss_Index_search, faiss_IndexIDMap_cast, faiss_IndexIDMap_sub_index,
    faiss_ParameterSpace_free, faiss_ParameterSpace_new, faiss_ParameterSpace_set_index_parameter,
    faiss_get_last_error, faiss_get_version, faiss_index_factory, faiss_read_index_fname,
    faiss_write_index_fname,
};
use vinedb_tests::measure::Failure;

const L2: u32 = 1;

/// An index of FAISS's, owned.
pub(crate) struct RawIndex {
    owned: *mut FaissIndex,
    /// The index itself, below an id map where there is one.
    inner: *mut FaissIndex,
}

impl Drop for RawIndex {
    fn drop(&mut self) {
        // SAFETY: the pointer came from FAISS, is owned, and is not used after this.
        unsafe { faiss_Index_free(self.owned) }
    }
}

impl RawIndex {
    /// The index of a factory string with these row-major vectors, added at once.
    pub(crate) fn build(dimension: usize, factory: &str, vectors: &[f32]) -> Result<Self, Failure> {
        let factory = CString::new(factory)?;
        let mut index = ptr::null_mut();
        // SAFETY: room for one pointer, and a string that outlives the call.
        check(unsafe {
            faiss_index_factory(
                &raw mut index,
                i32::try_from(dimension)?,
                factory.as_ptr(),
                L2,
            )
        })?;
        let index = Self {
            owned: index,
            inner: index,
        };
        // SAFETY: a live index of this dimension, and as many numbers as are claimed.
        check(unsafe {
            faiss_Index_add(
                index.owned,
                native(vectors.len() / dimension),
                vectors.as_ptr(),
            )
        })?;
        Ok(index)
    }

    /// The index in a file of FAISS's own format.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let name = c_path(path)?;
        let mut index = ptr::null_mut();
        // SAFETY: a string that outlives the call, and room for one pointer.
        check(unsafe { faiss_read_index_fname(name.as_ptr(), 0, &raw mut index) })?;
        // SAFETY: a live index; the cast gives null for one that is no id map.
        let map = unsafe { faiss_IndexIDMap_cast(index) };
        let inner = if map.is_null() {
            index
        } else {
            // SAFETY: a live id map, which owns the index below and keeps it as long as it lives.
            unsafe { faiss_IndexIDMap_sub_index(map) }
        };
        Ok(Self {
            owned: index,
            inner,
        })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let name = c_path(path)?;
        // SAFETY: a live index, and a string that outlives the call.
        check(unsafe { faiss_write_index_fname(self.owned, name.as_ptr()) })
    }

    /// Vectors inside.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: a live index.
        usize::try_from(unsafe { faiss_Index_ntotal(self.inner) }).unwrap_or(0)
    }

    /// Sets `efSearch` for the searches to come.
    pub(crate) fn set_ef_search(&mut self, ef: usize) -> Result<(), Failure> {
        let mut space: *mut FaissParameterSpace = ptr::null_mut();
        // SAFETY: room for one pointer.
        check(unsafe { faiss_ParameterSpace_new(&raw mut space) })?;
        let ef = f64::from(u32::try_from(ef)?);
        // SAFETY: a live space, a live index that nobody else uses, a string.
        let set = unsafe {
            faiss_ParameterSpace_set_index_parameter(space, self.inner, c"efSearch".as_ptr(), ef)
        };
        // SAFETY: the space is owned and not used after this.
        unsafe { faiss_ParameterSpace_free(space) };
        check(set)
    }

    /// The k nearest rows of each of `n` row-major queries, into room that the caller keeps from search to search.
    pub(crate) fn search(
        &self,
        queries: &[f32],
        n: usize,
        k: usize,
        found: &mut Found,
    ) -> Result<(), Failure> {
        found.distances.resize(n * k, 0.0);
        found.rows.resize(n * k, -1);
        let (distances, rows) = (found.distances.as_mut_ptr(), found.rows.as_mut_ptr());
        // SAFETY: a live index, n queries of its dimension, room for n × k distances and rows.
        check(unsafe {
            faiss_Index_search(
                self.inner,
                native(n),
                queries.as_ptr(),
                native(k),
                distances,
                rows,
            )
        })
    }
}

/// What a search found, row-major, closest first.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) distances: Vec<f32>,
    pub(crate) rows: Vec<i64>,
}

/// FAISS's version.
pub(crate) fn version() -> String {
    // SAFETY: FAISS answers with a string constant.
    unsafe { CStr::from_ptr(faiss_get_version()) }
        .to_string_lossy()
        .into_owned()
}

fn native(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn c_path(path: &Path) -> Result<CString, Failure> {
    Ok(CString::new(path.as_os_str().as_encoded_bytes())?)
}

fn check(status: i32) -> Result<(), Failure> {
    if status == 0 {
        return Ok(());
    }
    // SAFETY: after a failure FAISS holds a message for this thread until its next call.
    let message = unsafe { CStr::from_ptr(faiss_get_last_error()) };
    Err(format!("FAISS: {}", message.to_string_lossy()).into())
}
