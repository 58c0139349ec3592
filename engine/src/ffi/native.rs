//! The shim's functions (`shim/`), as C sees them. What each one asks of its caller is said beside its definition there.

use std::ffi::{c_char, c_void};

/// Opaque: a `faiss::IndexIDMap`.
#[repr(C)]
pub(super) struct IdMap {
    _private: [u8; 0],
}

/// An index in numbers. Mirrors `VinedbFacts` in shim/handle.cpp.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) dimension: i64,
    pub(crate) rows: i64,
    pub(crate) bytes: i64,
    /// FAISS's number: 0 is inner product, 1 L2.
    pub(crate) metric: i32,
    /// FAISS's `metric_arg`: the p of Lp.
    pub(crate) exponent: f32,
    pub(crate) trained: bool,
}

/// Mirrors `VinedbKmeans` in shim/growth.cpp.
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
    pub(super) fn vinedb_faiss_free(map: *mut IdMap);
    pub(super) fn vinedb_faiss_prepare(map: *mut IdMap, metric: i32, exponent: f32) -> i32;
    pub(super) fn vinedb_faiss_facts(map: *const IdMap, facts: *mut Facts) -> i32;
    pub(super) fn vinedb_faiss_kind(map: *const IdMap, text: *mut c_char, room: usize) -> i32;
    pub(super) fn vinedb_faiss_check(map: *const IdMap) -> i32;
    pub(super) fn vinedb_faiss_renumber(map: *mut IdMap, ids: *const i64);
    pub(super) fn vinedb_faiss_use_huge_pages(map: *const IdMap);
    pub(super) fn vinedb_faiss_ids(map: *const IdMap, count: *mut usize) -> *const i64;
    pub(super) fn vinedb_faiss_train(
        map: *mut IdMap,
        n: i64,
        x: *const f32,
        step: StepCallback,
        context: *mut c_void,
    ) -> i32;
    pub(super) fn vinedb_faiss_remove(
        map: *mut IdMap,
        bits: *const u8,
        bytes: usize,
        removed: *mut usize,
    ) -> i32;
    pub(super) fn vinedb_faiss_map(descriptor: i32, start: usize, map: *mut *mut IdMap) -> i32;
    pub(super) fn vinedb_faiss_write_as(
        map: *const IdMap,
        ids: *const i64,
        write: WriteCallback,
        context: *mut c_void,
    ) -> i32;
    pub(super) fn vinedb_faiss_add(map: *mut IdMap, n: i64, x: *const f32, ids: *const i64) -> i32;
    pub(super) fn vinedb_faiss_store(
        map: *mut IdMap,
        n: i64,
        x: *const f32,
        ids: *const i64,
    ) -> i32;
    pub(super) fn vinedb_faiss_link(
        map: *mut IdMap,
        step: StepCallback,
        context: *mut c_void,
    ) -> i32;
    pub(super) fn vinedb_faiss_reach(
        map: *mut IdMap,
        first: i64,
        step: StepCallback,
        context: *mut c_void,
    ) -> i32;
    pub(super) fn vinedb_faiss_search(
        map: *const IdMap,
        n: i64,
        x: *const f32,
        ask: *const Ask,
        distances: *mut f32,
        ids: *mut i64,
    ) -> i32;
    pub(super) fn vinedb_faiss_distances(
        map: *const IdMap,
        query: *const f32,
        products: bool,
        n: usize,
        rows: *const i64,
        distances: *mut f32,
    ) -> i32;
    pub(super) fn vinedb_faiss_reconstruct(
        map: *const IdMap,
        n: usize,
        rows: *const i64,
        x: *mut f32,
    ) -> i32;
    pub(super) fn vinedb_faiss_clone(map: *const IdMap, copy: *mut *mut IdMap) -> i32;
    pub(super) fn vinedb_faiss_write(
        map: *const IdMap,
        write: WriteCallback,
        context: *mut c_void,
    ) -> i32;
    pub(super) fn vinedb_faiss_read(
        read: ReadCallback,
        context: *mut c_void,
        map: *mut *mut IdMap,
    ) -> i32;
    pub(super) fn vinedb_faiss_read_foreign(
        read: ReadCallback,
        context: *mut c_void,
        map: *mut *mut IdMap,
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
