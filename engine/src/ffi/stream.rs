//! Rust's readers and writers as FAISS calls them: callbacks, which keep the error that FAISS has no room for.

use std::ffi::c_void;
use std::io::{self, Read, Write};

/// One end of a stream and the first thing that went wrong with it.
pub(super) struct Stream<T> {
    pub(super) end: T,
    pub(super) failure: Option<io::Error>,
}

impl<T> Stream<T> {
    fn note(&mut self, outcome: io::Result<()>) -> bool {
        self.failure = outcome.err();
        self.failure.is_none()
    }
}

pub(super) unsafe extern "C" fn write_some(
    context: *mut c_void,
    data: *const u8,
    bytes: usize,
) -> bool {
    if bytes == 0 {
        return true;
    }
    // SAFETY: `RawIndex::write` passes such a stream, borrowed by nothing else during the call.
    let stream = unsafe { &mut *context.cast::<Stream<&mut dyn Write>>() };
    // SAFETY: FAISS passes `bytes` readable bytes.
    let data = unsafe { std::slice::from_raw_parts(data, bytes) };
    let outcome = stream.end.write_all(data);
    stream.note(outcome)
}

pub(super) unsafe extern "C" fn read_some(
    context: *mut c_void,
    data: *mut u8,
    bytes: usize,
) -> bool {
    if bytes == 0 {
        return true;
    }
    // SAFETY: `RawIndex::read` passes such a stream, borrowed by nothing else during the call.
    let stream = unsafe { &mut *context.cast::<Stream<&mut dyn Read>>() };
    // SAFETY: FAISS passes `bytes` writable bytes, all of them initialized: it reads into vectors and plain values.
    let data = unsafe { std::slice::from_raw_parts_mut(data, bytes) };
    let outcome = stream.end.read_exact(data);
    stream.note(outcome)
}
