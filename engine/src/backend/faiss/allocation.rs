//! For tests: C++'s `operator new`, which can be told to fail. It is the test program's own, so it counts for all of its
//! threads: use it in a process of one test.

use std::ffi::c_void;
use std::sync::atomic::{AtomicI64, Ordering};

const NEVER: i64 = i64::MAX;
/// How many allocations are left; below 0 all fail.
static LEFT: AtomicI64 = AtomicI64::new(NEVER);

unsafe extern "C" {
    fn malloc(size: usize) -> *mut c_void;
}

unsafe extern "C-unwind" {
    /// `std::__throw_bad_alloc()`.
    #[link_name = "_ZSt17__throw_bad_allocv"]
    fn throw_bad_alloc() -> !;
}

/// Does work in which C++ has memory for so many allocations more.
pub(crate) fn with_allocations<T>(count: i64, work: impl FnOnce() -> T) -> T {
    LEFT.store(count, Ordering::SeqCst);
    let done = work();
    LEFT.store(NEVER, Ordering::SeqCst);
    done
}

/// `operator new(size_t)`, in place of that of libstdc++, whose `operator delete` calls `free`.
// SAFETY: the name is that of a function which C++ allows a program to replace.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn _Znwm(size: usize) -> *mut c_void {
    let fails = LEFT.load(Ordering::Relaxed) != NEVER && LEFT.fetch_sub(1, Ordering::Relaxed) <= 0;
    if !fails {
        // SAFETY: malloc takes any size.
        let memory = unsafe { malloc(size.max(1)) };
        if !memory.is_null() {
            return memory;
        }
    }
    // SAFETY: no preconditions; the exception goes on through this function, which has nothing to clean up.
    unsafe { throw_bad_alloc() }
}
