//! Rust's readers and writers as FAISS calls them: callbacks, which keep the error or panic that C++ cannot pass on.

use std::any::Any;
use std::ffi::c_void;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// One end of a stream and how it failed.
pub(super) struct Stream<T> {
    end: T,
    failure: Option<io::Error>,
    panicked: Option<Box<dyn Any + Send>>,
}

impl<T> Stream<T> {
    pub(super) fn new(end: T) -> Self {
        Self {
            end,
            failure: None,
            panicked: None,
        }
    }

    /// The context of the callbacks below.
    pub(super) fn context(&mut self) -> *mut c_void {
        (&raw mut *self).cast()
    }

    /// What went wrong with the stream; a panic goes on here.
    pub(super) fn failure(self) -> Option<io::Error> {
        if let Some(panic) = self.panicked {
            resume_unwind(panic);
        }
        self.failure
    }

    /// Whether the work succeeded. After a failure no more is done.
    fn go_on(&mut self, work: impl FnOnce(&mut T) -> io::Result<()>) -> bool {
        if self.failure.is_some() || self.panicked.is_some() {
            return false;
        }
        match catch_unwind(AssertUnwindSafe(|| work(&mut self.end))) {
            Ok(outcome) => self.failure = outcome.err(),
            Err(panic) => self.panicked = Some(panic),
        }
        self.failure.is_none() && self.panicked.is_none()
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
    // SAFETY: `RawIndex` passes such a stream, borrowed by nothing else during the call.
    let stream = unsafe { &mut *context.cast::<Stream<&mut dyn Write>>() };
    // SAFETY: FAISS passes `bytes` readable bytes.
    let data = unsafe { std::slice::from_raw_parts(data, bytes) };
    stream.go_on(|end| end.write_all(data))
}

pub(super) unsafe extern "C" fn read_some(
    context: *mut c_void,
    data: *mut u8,
    bytes: usize,
) -> bool {
    if bytes == 0 {
        return true;
    }
    // SAFETY: `RawIndex` passes such a stream, borrowed by nothing else during the call.
    let stream = unsafe { &mut *context.cast::<Stream<&mut dyn Read>>() };
    // SAFETY: FAISS passes `bytes` writable bytes, all of them initialized: it reads into vectors and plain values.
    let data = unsafe { std::slice::from_raw_parts_mut(data, bytes) };
    stream.go_on(|end| end.read_exact(data))
}
