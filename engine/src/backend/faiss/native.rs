//! The shim's functions (`shim/`), as C sees them. What each one asks of its caller is said beside its definition there.

use std::ffi::{c_char, c_void};

/// Opaque: `shim::Handle`, an index with the ids of its rows.
#[repr(C)]
pub(super) struct Handle {
    _private: [u8; 0],
}

/// An index in numbers. Mirrors `VinedbFacts` in shim/handle.cpp.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) dimension: i64,
    pub(crate) rows: i64,
    /// FAISS's number: 0 is inner product, 1 L2.
    pub(crate) metric: i32,
    /// FAISS's `metric_arg`: the p of Lp.
    pub(crate) exponent: f32,
    pub(crate) trained: bool,
}

/// Mirrors `VinedbKmeans` in shim/train.cpp.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct KmeansSettings {
    pub(super) seed: i32,
    pub(super) iterations: i32,
    pub(super) spherical: bool,
}

/// What one search asks for. Mirrors `VinedbAsk` in shim/shim.h.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub(super) k: i64,
    pub(super) breadth: i64,
    pub(super) factor: i64,
    pub(super) max_codes: i64,
    pub(super) bits: *const u8,
    pub(super) bytes: usize,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) except: bool,
    pub(super) products: bool,
    pub(super) stranger: i64,
}

pub(super) type WriteCallback = unsafe extern "C" fn(*mut c_void, *const u8, usize) -> bool;
pub(super) type StepCallback = unsafe extern "C" fn(*mut c_void) -> bool;
pub(super) type ReadCallback = unsafe extern "C" fn(*mut c_void, *mut u8, usize) -> bool;

unsafe extern "C" {
    pub(super) fn vinedb_faiss_error() -> *const c_char;
    pub(super) fn vinedb_faiss_threads() -> i32;
    pub(super) fn vinedb_faiss_set_threads(threads: i32);
    pub(super) fn vinedb_faiss_single_threaded_blas();
    pub(super) fn vinedb_faiss_free(handle: *mut Handle);
    pub(super) fn vinedb_faiss_add_hooks() -> i32;
    pub(super) fn vinedb_faiss_adopt(
        made: *mut c_void,
        metric: i32,
        exponent: f32,
        handle: *mut *mut Handle,
    ) -> i32;
    pub(super) fn vinedb_faiss_facts(handle: *const Handle) -> Facts;
    pub(super) fn vinedb_faiss_memory(handle: *const Handle, bytes: *mut usize) -> i32;
    pub(super) fn vinedb_faiss_kind(handle: *const Handle, text: *mut c_char, room: usize) -> i32;
    pub(super) fn vinedb_faiss_renumber(handle: *mut Handle, ids: *const i64);
    pub(super) fn vinedb_faiss_use_huge_pages(handle: *const Handle);
    pub(super) fn vinedb_faiss_ids(handle: *const Handle, count: *mut usize) -> *const i64;
    pub(super) fn vinedb_faiss_train(
        handle: *mut Handle,
        n: i64,
        x: *const f32,
        step: StepCallback,
        context: *mut c_void,
    ) -> i32;
    pub(super) fn vinedb_faiss_remove(
        handle: *mut Handle,
        bits: *const u8,
        bytes: usize,
        removed: *mut usize,
    ) -> i32;
    pub(super) fn vinedb_faiss_map(descriptor: i32, start: usize, handle: *mut *mut Handle) -> i32;
    pub(super) fn vinedb_faiss_write_as(
        handle: *const Handle,
        ids: *const i64,
        write: WriteCallback,
        context: *mut c_void,
    ) -> i32;
    pub(super) fn vinedb_faiss_add(
        handle: *mut Handle,
        n: i64,
        x: *const f32,
        ids: *const i64,
    ) -> i32;
    pub(super) fn vinedb_faiss_store(
        handle: *mut Handle,
        n: i64,
        x: *const f32,
        ids: *const i64,
    ) -> i32;
    pub(super) fn vinedb_faiss_link(
        handle: *mut Handle,
        step: StepCallback,
        context: *mut c_void,
    ) -> i32;
    pub(super) fn vinedb_faiss_reach(
        handle: *mut Handle,
        first: i64,
        step: StepCallback,
        context: *mut c_void,
    ) -> i32;
    pub(super) fn vinedb_faiss_search(
        handle: *const Handle,
        n: i64,
        x: *const f32,
        ask: *const Ask,
        distances: *mut f32,
        ids: *mut i64,
    ) -> i32;
    pub(super) fn vinedb_faiss_distances(
        handle: *const Handle,
        query: *const f32,
        products: bool,
        n: usize,
        rows: *const i64,
        distances: *mut f32,
    ) -> i32;
    pub(super) fn vinedb_faiss_reconstruct(
        handle: *const Handle,
        n: usize,
        rows: *const i64,
        x: *mut f32,
    ) -> i32;
    pub(super) fn vinedb_faiss_clone(handle: *const Handle, twin: *mut *mut Handle) -> i32;
    pub(super) fn vinedb_faiss_write(
        handle: *const Handle,
        write: WriteCallback,
        context: *mut c_void,
    ) -> i32;
    pub(super) fn vinedb_faiss_read(
        read: ReadCallback,
        context: *mut c_void,
        handle: *mut *mut Handle,
    ) -> i32;
    pub(super) fn vinedb_faiss_read_foreign(
        read: ReadCallback,
        context: *mut c_void,
        handle: *mut *mut Handle,
    ) -> i32;
    pub(super) fn vinedb_faiss_kmeans(
        d: i64,
        n: i64,
        x: *const f32,
        k: i64,
        settings: *const KmeansSettings,
        step: StepCallback,
        context: *mut c_void,
        given: bool,
        centroids: *mut f32,
        objective: *mut f32,
        steps: *mut usize,
    ) -> i32;
}
