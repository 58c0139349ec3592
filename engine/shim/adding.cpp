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

/// Adds rows. With `later`, those of a graph are stored only, for link() to link.
void add_rows(Index& index, idx_t n, const float* x, bool later) {
    if (auto refine = dynamic_cast<faiss::IndexRefine*>(&index)) {
        add_rows(*refine->base_index, n, x, later);
        add_rows(*refine->refine_index, n, x, later);
        refine->ntotal = refine->refine_index->ntotal;
    } else if (auto pre = dynamic_cast<faiss::IndexPreTransform*>(&index)) {
        const float* changed = pre->apply_chain(n, x);
        const std::unique_ptr<const float[]> owned(changed == x ? nullptr : changed);
        add_rows(*pre->index, n, changed, later);
        pre->ntotal = pre->index->ntotal;
    } else if (auto ivf = dynamic_cast<faiss::IndexIVF*>(&index)) {
        add_to_lists(*ivf, n, x);
    } else if (auto nsg = dynamic_cast<faiss::IndexNSG*>(&index)) {
        build_nsg(*nsg, n, x);
    } else if (auto hnsw = dynamic_cast<IndexHNSW*>(&index)) {
        make_room(*hnsw->storage, n);
        hnsw->storage->add(n, x);
        if (!later) {
            make_room_for_links(*hnsw);
            link_graph(*hnsw, x, Steps{});
        }
    } else {
        make_room(index, n);
        index.add(n, x);
    }
}

/// Does something with the graph in an index, if there is one; the levels above it then count its rows.
template <class Work>
void with_graph(Index& index, Work work) {
    if (auto refine = dynamic_cast<faiss::IndexRefine*>(&index)) {
        with_graph(*refine->base_index, work);
    } else if (auto pre = dynamic_cast<faiss::IndexPreTransform*>(&index)) {
        with_graph(*pre->index, work);
        pre->ntotal = pre->index->ntotal;
    } else if (auto hnsw = dynamic_cast<IndexHNSW*>(&index)) {
        work(*hnsw);
    }
}

/// Does work that changes an index. When FAISS fails at it (out of memory), parts of the index may disagree; then it is
/// emptied, which is always safe.
template <class Work>
int change(IndexIDMap* map, Work work) {
    const int failed = guarded(work);
    if (failed) {
        const std::string reason = last_error();
        guarded([&] { map->reset(); });
        last_error() = reason;
    }
    return failed;
}

} // namespace

extern "C" {

int vinedb_faiss_add(IndexIDMap* map, int64_t n, const float* x, const int64_t* ids) {
    return change(map, [&] {
        add_rows(*map->index, n, x, false);
        map->id_map.insert(map->id_map.end(), ids, ids + n);
        map->ntotal = map->index->ntotal;
    });
}

/// Adds rows that vinedb_faiss_link will link, before which nothing else is done with the index.
int vinedb_faiss_store(IndexIDMap* map, int64_t n, const float* x, const int64_t* ids) {
    return change(map, [&] {
        add_rows(*map->index, n, x, true);
        map->id_map.insert(map->id_map.end(), ids, ids + n);
        map->ntotal = map->index->ntotal;
    });
}

int vinedb_faiss_link(IndexIDMap* map, bool (*step)(void* context), void* context) {
    return change(map, [&] {
        with_graph(*map->index, [&](IndexHNSW& hnsw) {
            make_room_for_links(hnsw);
            link_graph(hnsw, nullptr, Steps{step, context});
        });
        map->ntotal = map->index->ntotal;
    });
}

/// `first` is a row; those from it on are to be found.
int vinedb_faiss_reach(IndexIDMap* map, int64_t first, bool (*step)(void* context), void* context) {
    return guarded([&] {
        with_graph(*map->index, [&](IndexHNSW& hnsw) { reach(hnsw, first, Steps{step, context}); });
    });
}

} // extern "C"
