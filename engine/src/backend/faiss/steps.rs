//! A function of the caller's that FAISS's long work calls at each of its steps, and that may end it.

use std::any::Any;
use std::ffi::c_void;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::error::{Error, Result};

/// A step function, and how it ended the work.
pub(super) struct Watched<'a> {
    step: &'a mut dyn FnMut() -> ControlFlow<()>,
    broke: bool,
    panicked: Option<Box<dyn Any + Send>>,
}

impl<'a> Watched<'a> {
    pub(super) fn new(step: &'a mut dyn FnMut() -> ControlFlow<()>) -> Self {
        Self {
            step,
            broke: false,
            panicked: None,
        }
    }

    /// # Errors
    /// [`Error::Cancelled`] when the function ended the work; its panic goes on here.
    pub(super) fn outcome(self) -> Result<()> {
        if let Some(panic) = self.panicked {
            resume_unwind(panic);
        }
        if self.broke {
            return Err(Error::Cancelled);
        }
        Ok(())
    }
}

/// No panic may cross C++: it is kept, and goes on behind it.
pub(super) unsafe extern "C" fn go_on(context: *mut c_void) -> bool {
    // SAFETY: the caller passes a `Watched`, borrowed by nothing else during the call, and FAISS calls from one thread.
    let watched = unsafe { &mut *context.cast::<Watched<'_>>() };
    match catch_unwind(AssertUnwindSafe(&mut *watched.step)) {
        Ok(ControlFlow::Continue(())) => true,
        Ok(ControlFlow::Break(())) => {
            watched.broke = true;
            false
        }
        Err(panic) => {
            watched.panicked = Some(panic);
            false
        }
    }
}
