// Adding: as many OpenMP threads as the caller allows.

#include "shim.h"

#include <algorithm>
#include <vector>

#include <faiss/IndexNSG.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/IndexRefine.h>
#include <faiss/impl/FaissAssert.h>

using namespace shim;

namespace {

/// Stands in for the centroids of inverted lists while vectors are added: flat ones are searched in blocks side by side,
/// and what a graph does not find (it may return nothing) is found by a scan, so that every vector gets a list.
struct Centroids final : Index {
    const Index& graph;
    const IndexFlat& flat;

    Centroids(const Index& quantizer, const IndexFlat& flat)
            : Index(quantizer.d, quantizer.metric_type), graph(quantizer), flat(flat) {
        ntotal = flat.ntotal;
    }

    void search(idx_t n, const float* x, idx_t k, float* distances, idx_t* rows, const faiss::SearchParameters*) const override {
        if (&graph == &flat) {
            return blocked_search(flat, n, x, k, distances, rows);
        }
        graph.search(n, x, k, distances, rows);
        for (idx_t i = 0; i < n; i++) {
            if (rows[i * k] < 0) {
                flat.search(1, x + i * d, k, distances + i * k, rows + i * k);
            }
        }
    }

    void reconstruct(idx_t row, float* x) const override {
        flat.reconstruct(row, x);
    }

    void add(idx_t, const float*) override {
        FAISS_THROW_MSG("centroids come from training");
    }

    void reset() override {
        FAISS_THROW_MSG("centroids come from training");
    }
};

void add_to_lists(faiss::IndexIVF& ivf, idx_t n, const float* x) {
    Index* const quantizer = ivf.quantizer;
    auto hnsw = dynamic_cast<const IndexHNSW*>(quantizer);
    auto flat = dynamic_cast<const IndexFlat*>(hnsw ? hnsw->storage : quantizer);
    FAISS_THROW_IF_NOT(flat);
    Centroids centroids(*quantizer, *flat);
    ivf.quantizer = &centroids;
    std::exception_ptr failure;
    try {
        ivf.add(n, x);
    } catch (...) {
        failure = std::current_exception();
    }
    ivf.quantizer = quantizer;
    if (failure) {
        std::rethrow_exception(failure);
    }
}

/// Stands in for the storage of a graph while it grows, for the distances' sake.
struct Storage final : Index {
    Index& codes;

    explicit Storage(Index& codes) : Index(codes.d, codes.metric_type), codes(codes) {
        ntotal = codes.ntotal;
        is_trained = codes.is_trained;
    }

    void add(idx_t n, const float* x) override {
        codes.add(n, x);
        ntotal = codes.ntotal;
    }

    faiss::DistanceComputer* get_distance_computer() const override {
        return code_distances(codes).release();
    }

    void search(idx_t, const float*, idx_t, float*, idx_t*, const faiss::SearchParameters*) const override {
        FAISS_THROW_MSG("a graph is searched, not what is below it");
    }

    void reset() override {
        codes.reset();
        ntotal = 0;
    }
};

void add_codes(Index& index, idx_t n, const float* x) {
    auto hnsw = dynamic_cast<IndexHNSW*>(&index);
    if (!hnsw) {
        return index.add(n, x);
    }
    Index* const codes = hnsw->storage;
    Storage storage(*codes);
    hnsw->storage = &storage;
    std::exception_ptr failure;
    try {
        hnsw->add(n, x);
    } catch (...) {
        failure = std::current_exception();
    }
    hnsw->storage = codes;
    if (failure) {
        std::rethrow_exception(failure);
    }
}

void add_rows(Index& index, idx_t n, const float* x) {
    if (auto refine = dynamic_cast<faiss::IndexRefine*>(&index)) {
        add_rows(*refine->base_index, n, x);
        add_rows(*refine->refine_index, n, x);
        refine->ntotal = refine->refine_index->ntotal;
    } else if (auto pre = dynamic_cast<faiss::IndexPreTransform*>(&index)) {
        const float* changed = pre->apply_chain(n, x);
        const std::unique_ptr<const float[]> owned(changed == x ? nullptr : changed);
        add_rows(*pre->index, n, changed);
        pre->ntotal = pre->index->ntotal;
    } else if (auto ivf = dynamic_cast<faiss::IndexIVF*>(&index)) {
        add_to_lists(*ivf, n, x);
    } else if (auto nsg = dynamic_cast<faiss::IndexNSG*>(&index)) {
        build_nsg(*nsg, n, x);
    } else {
        make_room(index, n);
        add_codes(index, n, x);
    }
}

} // namespace

extern "C" {

/// When FAISS itself fails (out of memory) its parts may disagree; then the index is emptied, which is always safe.
int vinedb_faiss_add(IndexIDMap* map, int64_t n, const float* x, const int64_t* ids) {
    const int failed = guarded([&] {
        add_rows(*map->index, n, x);
        map->id_map.insert(map->id_map.end(), ids, ids + n);
        map->ntotal = map->index->ntotal;
    });
    if (failed) {
        const std::string reason = last_error();
        guarded([&] { map->reset(); });
        last_error() = reason;
    }
    return failed;
}

} // extern "C"
