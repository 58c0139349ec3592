// What of FAISS only C++ has, for ffi.rs: search parameters and selectors per query, distances to chosen rows, the id
// map, streams to and from the caller, k-means with its statistics. Handles are id maps over any index that a `Kind`
// describes; a "row" is a position in the id map.
//
// Every function that can fail catches every exception and returns 0, or 1 with the message in vinedb_faiss_error().
// What trips FAISS_ASSERT, which aborts, is refused by the caller beforehand.

#pragma once

#include <omp.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <vector>

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexNSG.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/ResultHandler.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>

/// What one search asks for. Mirrors `Ask` in backend/faiss/native.rs.
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

using faiss::idx_t;
using faiss::Index;
using faiss::IndexFlat;
using faiss::IndexHNSW;
using faiss::IndexIVFFlat;

/// Whether FAISS's tables are made while it reads: not before what they are made of was checked (`complete`).
constexpr int READING = faiss::IO_FLAG_SKIP_PRECOMPUTE_TABLE | faiss::IO_FLAG_PQ_SKIP_SDC_TABLE;

/// Keeps the calling thread's last error, cut off where it is long. Allocates nothing: memory may have run out.
void note_error(const char* message) noexcept;

template <class Body>
int guarded(Body body) noexcept {
    try {
        body();
        return 0;
    } catch (const std::exception& error) {
        note_error(error.what());
    } catch (...) {
        note_error("an exception that is no std::exception");
    }
    return 1;
}

/// The first exception of several threads. None may leave an OpenMP region, which would end the process.
class Failure {
    std::mutex mutex;
    std::exception_ptr first;

public:
    template <class Work>
    void catching(const Work& work) noexcept {
        try {
            work();
        } catch (...) {
            const std::lock_guard<std::mutex> lock(mutex);
            if (!first) {
                first = std::current_exception();
            }
        }
    }

    void rethrow() const {
        if (first) {
            std::rethrow_exception(first);
        }
    }
};

/// Tables of visited rows that the searches of an index hand on to each other, whatever thread they are on: to make one takes
/// as long as many a search does. No more are kept than there are processors.
class VisitedTables {
    mutable std::mutex mutex;
    std::vector<std::unique_ptr<faiss::VisitedTable>> idle;

    std::unique_ptr<faiss::VisitedTable> take();
    void give(std::unique_ptr<faiss::VisitedTable> table);

public:
    VisitedTables();

    /// A table of so many rows or more, none of them visited, while it lives.
    class Lent {
        VisitedTables& tables;
        std::unique_ptr<faiss::VisitedTable> table;

    public:
        Lent(VisitedTables& tables, idx_t rows);
        ~Lent();
        Lent(const Lent&) = delete;
        Lent& operator=(const Lent&) = delete;

        faiss::VisitedTable& operator*() {
            return *table;
        }
    };

    /// Memory of those that nobody has.
    size_t bytes() const;

    void clear();
};

/// What an index may read from; it goes after the index.
struct Mapping {
    virtual ~Mapping() = default;
};

/// What the caller holds: an index with the ids of its rows.
struct Handle final : faiss::IndexIDMap {
    const std::unique_ptr<const Mapping> mapping;
    mutable VisitedTables visited;

    Handle(std::unique_ptr<Index> inside, std::vector<idx_t> ids, std::unique_ptr<const Mapping> mapping = nullptr);
    ~Handle() override;
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
};

/// Does work that changes an index. Where it fails (memory runs out), parts of the index may disagree; then it is emptied,
/// which allocates nothing.
template <class Work>
int change(Handle* handle, Work work) noexcept {
    handle->visited.clear();
    const int failed = guarded(work);
    if (failed) {
        handle->reset();
    }
    return failed;
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

/// A variable has another value while this lives.
template <class T>
class Borrowed {
    T& variable;
    const T before;

public:
    Borrowed(T& variable, T value) : variable(variable), before(variable) {
        variable = value;
    }
    ~Borrowed() {
        variable = before;
    }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
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
    VisitedTables& visited;
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

/// Distances by row, from what an index keeps best of each: its second look's codes, or its own. Not for IVF but Flat.
std::unique_ptr<faiss::DistanceComputer> row_distances(const Index& index, bool products);

/// Whether what an index keeps in a row, floats or bytes (SQ8), is measured by distances of ours.
bool has_quick_distances(const Index& index);

/// Those distances by row, multiplied by the sign: products, or else L2; null where there are none.
std::unique_ptr<faiss::DistanceComputer> code_distances(const Index& index, bool products, float sign);

/// Distances by row for walks through a graph: the smaller, the closer, whatever the metric.
std::unique_ptr<faiss::DistanceComputer> graph_distances(const Index& storage);

/// Moves what lies here into large pages, where the system has them.
void use_huge_pages(const void* data, size_t bytes);

/// A function of the caller's that long work calls as it goes on; false ends the work.
using StepCallback = bool (*)(void* context);

struct Steps {
    StepCallback step;
    void* context;

    void next() const {
        if (step && !step(context)) {
            throw std::runtime_error("it was told to stop");
        }
    }
};

/// Links those vectors of a graph that are stored and not linked yet, all at once: the last n by x, others by what is stored
/// of them.
void link_graph(IndexHNSW& index, idx_t n, const float* x, const Steps& steps);

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

/// Adds links to the vectors of a graph that walks for them miss.
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
