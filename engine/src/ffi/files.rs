//! An index as bytes, and what was read from some: its kind, and whether its parts fit together. Headers and checksums are
//! [`crate::persist`]'s.

use std::ffi::CStr;
use std::io::{self, Read, Write};
use std::ptr::NonNull;

use super::native::{vinedb_faiss_check, vinedb_faiss_kind, vinedb_faiss_read, vinedb_faiss_write};
use super::stream::{Stream, read_some, write_some};
use super::{RawIndex, failure, initialize, status};
use crate::{Kind, Result};

impl RawIndex {
    /// Writes the index in FAISS's own format.
    pub(crate) fn write(&self, target: &mut dyn Write) -> Result<io::Result<()>> {
        let mut stream = Stream {
            end: target,
            failure: None,
        };
        // SAFETY: a live handle, and a callback that is given the context it expects, which outlives the call.
        let code =
            unsafe { vinedb_faiss_write(self.map.as_ptr(), write_some, (&raw mut stream).cast()) };
        if let Some(error) = stream.failure {
            return Ok(Err(error));
        }
        status("write an index", code).map(Ok)
    }

    /// Reads what [`RawIndex::write`] wrote. The bytes must be known to be those: FAISS does not survive others.
    pub(crate) fn read(source: &mut dyn Read) -> Result<Self> {
        const OPERATION: &str = "read an index";
        initialize()?;
        let mut stream = Stream {
            end: source,
            failure: None,
        };
        let mut map = std::ptr::null_mut();
        // SAFETY: a callback that is given the context it expects, which outlives the call, and room for the handle.
        let code = unsafe { vinedb_faiss_read(read_some, (&raw mut stream).cast(), &raw mut map) };
        if let Some(error) = stream.failure {
            return Err(failure(OPERATION, &error.to_string()));
        }
        status(OPERATION, code)?;
        let map = NonNull::new(map).ok_or_else(|| failure(OPERATION, "FAISS returned nothing"))?;
        Self { map, dimension: 1 }.checked()
    }

    /// The index, once its parts are known to fit together.
    fn checked(mut self) -> Result<Self> {
        const OPERATION: &str = "read an index";
        // SAFETY: a live handle.
        status(OPERATION, unsafe { vinedb_faiss_check(self.map.as_ptr()) })?;
        self.dimension = usize::try_from(self.facts()?.dimension)
            .ok()
            .filter(|&dimension| dimension > 0)
            .ok_or_else(|| failure(OPERATION, "it has no dimension"))?;
        Ok(self)
    }

    /// What it is, as FAISS holds it.
    pub(crate) fn kind(&self) -> Result<Kind> {
        const OPERATION: &str = "describe an index";
        let mut text = [0; 512];
        // SAFETY: a live handle, and as much room as is said.
        status(OPERATION, unsafe {
            vinedb_faiss_kind(self.map.as_ptr(), text.as_mut_ptr().cast(), text.len())
        })?;
        let text = CStr::from_bytes_until_nul(&text)
            .map_err(|error| failure(OPERATION, &error.to_string()))?;
        text.to_string_lossy().parse()
    }
}
