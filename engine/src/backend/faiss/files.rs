//! An index as bytes, and what was read from some: its kind, and whether its parts fit together. Headers and checksums are
//! [`crate::file`]'s.

use std::ffi::CStr;
use std::io::{self, Read, Write};

use super::native::{
    Handle, vinedb_faiss_kind, vinedb_faiss_map, vinedb_faiss_read, vinedb_faiss_read_foreign,
    vinedb_faiss_renumber, vinedb_faiss_write, vinedb_faiss_write_as,
};
use super::stream::{Stream, read_some, write_some};
use super::{OwnedIndex, RawIndex, failure, initialize, metric_of, status};
use crate::error::Result;
use crate::metric::Metric;
use crate::spec::Kind;

impl RawIndex {
    /// Writes what [`RawIndex::read`] and [`RawIndex::map`] read: FAISS's format with gaps, by which it can be read in place.
    pub(crate) fn write(&self, target: &mut dyn Write) -> Result<io::Result<()>> {
        let mut stream = Stream::new(target);
        // SAFETY: a live handle, and a callback that is given the context it expects, which outlives the call.
        let code =
            unsafe { vinedb_faiss_write(self.handle.as_ptr(), write_some, stream.context()) };
        if let Some(error) = stream.failure() {
            return Ok(Err(error));
        }
        status("write an index", code).map(Ok)
    }

    /// Reads what [`RawIndex::write`] wrote. The index is checked whole, links and lists too; but FAISS parses the bytes
    /// first, and those that are damaged can cost memory and end the process.
    pub(crate) fn read(source: &mut dyn Read) -> Result<OwnedIndex> {
        initialize()?;
        let mut stream = Stream::new(source);
        let mut handle = std::ptr::null_mut();
        // SAFETY: a callback that is given the context it expects, which outlives the call, and room for the handle.
        let code = unsafe { vinedb_faiss_read(read_some, stream.context(), &raw mut handle) };
        Self::from_stream(code, stream.failure(), handle)
    }

    /// Reads an index that FAISS wrote elsewhere, of any of our kinds, with ids or without: they may be in any order, and
    /// stand twice. Every row is checked; yet bytes that are damaged can cost memory and end the process.
    pub(crate) fn read_foreign(source: &mut dyn Read) -> Result<OwnedIndex> {
        initialize()?;
        let mut stream = Stream::new(source);
        let mut handle = std::ptr::null_mut();
        // SAFETY: as in `read`.
        let code =
            unsafe { vinedb_faiss_read_foreign(read_some, stream.context(), &raw mut handle) };
        Self::from_stream(code, stream.failure(), handle)
    }

    fn from_stream(
        code: i32,
        failed: Option<io::Error>,
        handle: *mut Handle,
    ) -> Result<OwnedIndex> {
        const OPERATION: &str = "read an index";
        if let Some(error) = failed {
            let told = match error.kind() {
                io::ErrorKind::UnexpectedEof => "the file is cut off".to_owned(),
                _ => error.to_string(),
            };
            return Err(failure(OPERATION, &told));
        }
        status(OPERATION, code)?;
        Self::sized(OPERATION, handle).map(OwnedIndex)
    }

    /// What was read, of the dimension that it says.
    fn sized(operation: &'static str, handle: *mut Handle) -> Result<Self> {
        let mut index = Self::owned(operation, handle, 1)?;
        index.dimension = usize::try_from(index.facts().dimension)
            .ok()
            .filter(|&dimension| dimension > 0)
            .ok_or_else(|| failure(operation, "it has no dimension"))?;
        Ok(index)
    }

    /// How many numbers a vector has.
    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    /// How FAISS compares vectors in it.
    pub(crate) fn metric(&self) -> Result<Metric> {
        let facts = self.facts();
        metric_of(facts.metric, facts.exponent).ok_or_else(|| {
            let number = facts.metric;
            failure(
                "read an index",
                &format!("it has FAISS's metric {number}, which is none of those here"),
            )
        })
    }

    /// Writes the index in FAISS's own format, under other ids, one per row.
    pub(crate) fn write_as(&self, ids: &[i64], target: &mut dyn Write) -> Result<io::Result<()>> {
        const OPERATION: &str = "write an index";
        if ids.len() != self.ids().len() {
            return Err(failure(OPERATION, "there is not one id per vector"));
        }
        let mut stream = Stream::new(target);
        // SAFETY: a live handle, as many ids as it has rows, and a callback that is given the context it expects, which
        // outlives the call.
        let code = unsafe {
            vinedb_faiss_write_as(
                self.handle.as_ptr(),
                ids.as_ptr(),
                write_some,
                stream.context(),
            )
        };
        if let Some(error) = stream.failure() {
            return Ok(Err(error));
        }
        status(OPERATION, code).map(Ok)
    }

    /// As [`RawIndex::read`], from a place in a file that is not changed while the index lives, and most of which stays
    /// there: it is mapped into memory. FAISS aborts over changes to such an index.
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    pub(crate) fn map(file: &std::fs::File, start: u64) -> Result<Self> {
        use std::os::fd::AsRawFd;
        const OPERATION: &str = "map an index";
        initialize()?;
        let start = usize::try_from(start).map_err(|_| failure(OPERATION, "it is too large"))?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: an open file, and room for the handle; FAISS keeps the mapping for as long as the index.
        status(OPERATION, unsafe {
            vinedb_faiss_map(file.as_raw_fd(), start, &raw mut handle)
        })?;
        Self::sized(OPERATION, handle)
    }

    /// What it is, as FAISS holds it.
    pub(crate) fn kind(&self) -> Result<Kind> {
        const OPERATION: &str = "describe an index";
        let mut text = [0; 512];
        // SAFETY: a live handle, and as much room as is said.
        status(OPERATION, unsafe {
            vinedb_faiss_kind(self.handle.as_ptr(), text.as_mut_ptr().cast(), text.len())
        })?;
        let text = CStr::from_bytes_until_nul(&text)
            .map_err(|error| failure(OPERATION, &error.to_string()))?;
        text.to_string_lossy().parse()
    }
}

impl OwnedIndex {
    /// Gives the rows other ids, one for each.
    pub(crate) fn renumber(&mut self, ids: &[i64]) -> Result<()> {
        if ids.len() != self.ids().len() {
            return Err(failure("number rows", "there is not one id per vector"));
        }
        // SAFETY: an owned handle, and as many ids as it has rows.
        unsafe { vinedb_faiss_renumber(self.handle.as_ptr(), ids.as_ptr()) }
        Ok(())
    }
}
