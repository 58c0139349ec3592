// What of FAISS only C++ has, for ffi.rs: search parameters and selectors per query, distances to chosen rows, the id
// map, streams to and from the caller, k-means with its statistics. Handles are IndexIDMaps over any index that a `Kind`
// describes; a "row" is a position in the id map.
//
// Every function that can fail catches every exception and returns 0, or 1 with the message in vinedb_faiss_error().
// What trips FAISS_ASSERT, which aborts, is refused by the caller beforehand.

#pragma once

#include <omp.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexNSG.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/ResultHandler.h>
#include <faiss/impl/io.h>

/// What one search asks for. Mirrors `Ask` in ffi/native.rs.
struct VinedbAsk {
    int64_t k;
    int64_t breadth;     // efSearch or nprobe; -1 scans everything
    int64_t factor;      // candidates per answer for the second look, where there is one; 1 or more
    int64_t max_codes;   // IVF: no more vectors than these are looked at; 0 for no limit
    const uint8_t* bits; // ids that are selected; null for no selection
    size_t bytes;
    int64_t first; // rows from first to below last are selected
    int64_t last;
    bool except;   // the ids in `bits` are those that are not selected
    bool products; // whole vectors that were indexed under L2 are measured by inner product
    int64_t stranger; // a row that the walk through a graph leaves out; -1 for none
};

namespace shim {

/// What gives bytes to FAISS; false where it cannot.
using ReadCallback = bool (*)(void* context, uint8_t* data, size_t bytes);

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

/// One OpenMP thread for the calling thread while it lives: searches run in parallel across queries, not inside one.
struct SingleThreaded {
    int before = omp_get_max_threads();
    SingleThreaded() {
        omp_set_num_threads(1);
    }
    ~SingleThreaded() {
        omp_set_num_threads(before);
    }
};

/// n queries (of the dimension of the index that is given them), and where the k answers of each go: closest first, row
/// -1 where there are fewer.
struct Search {
    idx_t n;
    const float* x;
    idx_t k;
    int64_t breadth;
    int64_t factor;
    int64_t max_codes;
    faiss::IDSelector* selector; // of rows; null for all
    idx_t first;                 // no row outside of these bounds is selected
    idx_t last;
    bool products;
    idx_t stranger; // neither found in a graph nor walked through; -1 for none
    float* distances;
    idx_t* rows;

    bool exact() const {
        return breadth < 0;
    }

    /// The q-th query alone.
    Search one(idx_t q, idx_t dimension) const {
        Search alone = *this;
        alone.n = 1;
        alone.x += q * dimension;
        alone.distances += q * k;
        alone.rows += q * k;
        return alone;
    }
};

/// Search in blocks of a fixed size side by side, so that the answer does not depend on the number of threads.
void blocked_search(const IndexFlat& flat, idx_t n, const float* x, idx_t k, float* distances, idx_t* rows);

/// FAISS's reader over a callback.
struct Reader final : faiss::IOReader {
    ReadCallback read;
    void* context;
    Reader(ReadCallback read, void* context) : read(read), context(context) {}
    size_t operator()(void* data, size_t size, size_t count) override {
        return read(context, static_cast<uint8_t*>(data), size * count) ? count : 0;
    }
};

/// Distances by row, from what an index keeps best of each: its second look's codes, or its own. Not for IVF but Flat.
std::unique_ptr<faiss::DistanceComputer> row_distances(const Index& index, bool products);

/// Whether what an index keeps in a row, floats or bytes (SQ8), is measured by distances of ours.
bool has_quick_distances(const Index& index);

/// Those distances by row, multiplied by the sign: products, or else L2; null where there are none.
std::unique_ptr<faiss::DistanceComputer> code_distances(const Index& index, bool products, float sign);

/// Distances by row for walks through a graph: the smaller, the closer, whatever the metric.
std::unique_ptr<faiss::DistanceComputer> graph_distances(const Index& storage);

/// Has the system move what lies here into large pages, now (Linux, since 6.1) or in its own time.
void use_huge_pages(const void* data, size_t bytes);

/// Gives an index room for so many rows more, in large pages, before they are added.
void make_room(Index& index, idx_t rows);

/// The same for the links of a graph, whose rows are stored.
void make_room_for_links(IndexHNSW& index);

/// A function of the caller's that long work calls as it goes on; false ends the work.
struct Steps {
    bool (*step)(void* context);
    void* context;

    void next() const {
        if (step && !step(context)) {
            throw std::runtime_error("it was told to stop");
        }
    }
};

/// Links those vectors of a graph that are stored and not linked yet, all at once: by x, or where that is null, by what
/// is stored of them.
void link_graph(IndexHNSW& index, const float* x, const Steps& steps);

/// Where a search's matches go: at most k, of each query.
using Found = faiss::HeapBlockResultHandler<faiss::HNSW::C>::SingleResultHandler;

/// Searches a graph for what the distances are to. A row that is marked as visited is left out, unless the walk has to begin
/// there: then it is not found, and left for any other. No row is marked afterwards.
void walk_graph(
        const IndexHNSW& index,
        faiss::DistanceComputer& distances,
        faiss::VisitedTable& visited,
        int breadth,
        const faiss::IDSelector* selector,
        Found& found);

/// Links a stored row of a graph, to which the distances are, with those close to it. With `full`, choosing links leaves none
/// of the places on the lowest layer empty. There is a lock for each row; other rows may join at the same time.
void join_graph(
        IndexHNSW& index,
        faiss::HNSW::storage_idx_t row,
        bool full,
        faiss::DistanceComputer& distances,
        faiss::VisitedTable& visited,
        omp_lock_t* locks);

/// Has every vector of a graph be found by whoever looks for it.
void reach(IndexHNSW& index, idx_t first, const Steps& steps);

/// One query's nearest among the selected rows, by a distance for each of them.
void scan_rows(faiss::DistanceComputer& distances, bool similarity, const float* query, const Search& search);

/// Whether a larger distance is closer.
bool is_similarity(const Index& index, bool products);

/// One query's nearest among the selected rows of an IVF index with fast scan, by decoding them.
void scan_lists(const faiss::IndexIVF& index, const float* query, const Search& search);

/// Gives an empty NSG its vectors.
void build_nsg(faiss::IndexNSG& index, idx_t n, const float* x);

/// Searches an index that keeps codes in a row: scans them.
void search_codes(const Index& index, const Search& search);

/// Searches inverted lists.
void search_lists(const faiss::IndexIVF& index, const Search& search);

/// Searches a graph of the metric's own distances.
void search_graph(const IndexHNSW& index, const Search& search);

} // namespace shim
