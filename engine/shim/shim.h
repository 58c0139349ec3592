// What of FAISS only C++ has, for ffi.rs: search parameters and selectors per query, distances to chosen rows, the id
// map, streams to and from the caller, k-means with its statistics. Handles are IndexIDMaps over Flat, HNSW (over Flat or
// SQ8) or IVF,Flat; a "row" is a position in the id map.
//
// Every function that can fail catches every exception and returns 0, or 1 with the message in vinedb_faiss_error().
// What trips FAISS_ASSERT, which aborts, is refused by the caller beforehand.

#pragma once

#include <cstdint>
#include <exception>
#include <string>

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVFFlat.h>

namespace shim {

using faiss::idx_t;
using faiss::Index;
using faiss::IndexFlat;
using faiss::IndexHNSW;
using faiss::IndexIDMap;
using faiss::IndexIVFFlat;

/// The calling thread's last error.
std::string& last_error();

template <class Body>
int guarded(Body body) noexcept {
    try {
        body();
        return 0;
    } catch (const std::exception& error) {
        last_error() = error.what();
    } catch (...) {
        last_error() = "an exception that is no std::exception";
    }
    return 1;
}

/// The k nearest rows by true distance, on the calling thread (and OpenMP's, as far as they are allowed).
void flat_search(const IndexFlat& flat, idx_t n, const float* x, idx_t k, faiss::IDSelector* selector, float* distances, idx_t* rows);

} // namespace shim
