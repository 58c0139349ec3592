// Adding, into memory in large pages: as many OpenMP threads as the caller allows.

#include "kinds.h"
#include "shim.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <algorithm>
#include <vector>

#include <faiss/impl/FaissAssert.h>

using namespace shim;

namespace {

// Large pages of memory. A graph search jumps from vector to vector, and in pages of 4 KiB nearly every jump costs a walk
// through the page table; filling memory costs a fault for each page. Where the system has no pages of 2 MiB to give,
// nothing changes. Small blocks are left alone: the processor keeps track of their pages anyway.

#if defined(__linux__) && defined(MADV_HUGEPAGE)
void advise(const void* data, size_t bytes, bool now) {
    const int collapse = 25; // MADV_COLLAPSE, which older headers lack
    const uintptr_t page = uintptr_t(2) << 20;
    const uintptr_t first = (uintptr_t(data) + page - 1) / page * page;
    const uintptr_t end = (uintptr_t(data) + bytes) / page * page;
    if (first + 8 * page <= end) {
        (void)madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
        if (now) {
            (void)madvise(reinterpret_cast<void*>(first), end - first, collapse);
        }
    }
}
#else
void advise(const void*, size_t, bool) {}
#endif

/// Room for `more` elements, grown as a vector grows by itself, in pages that nothing was written to yet.
template <class T>
void reserve(faiss::MaybeOwnedVector<T>& elements, size_t more) {
    std::vector<T>& owned = elements.owned_data;
    const size_t needed = owned.size() + more;
    if (elements.is_owned && needed > owned.capacity()) {
        owned.reserve(owned.empty() ? needed : std::max(needed, 2 * owned.size()));
        elements.resize(owned.size()); // which learns where they are now
        advise(owned.data(), owned.capacity() * sizeof(T), false);
    }
}

/// Gives an index room for so many rows more, before they are added.
void make_room(Index& index, idx_t rows) {
    match(index, [=](faiss::IndexFlatCodes& codes) { reserve(codes.codes, rows * codes.code_size); }, [](Index&) {});
}

/// The same for the links of a graph, whose rows are stored.
void make_room_for_links(IndexHNSW& index) {
    // 2m links on the lowest layer, and a little more than one m-th of the vectors with m links on each one above.
    const size_t lowest = index.hnsw.nb_neighbors(0);
    reserve(index.hnsw.neighbors, (index.storage->ntotal - index.ntotal) * (lowest + 2) * 21 / 20);
}

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
    Index& quantizer = *ivf.quantizer;
    auto hnsw = dynamic_cast<const IndexHNSW*>(&quantizer);
    auto flat = dynamic_cast<const IndexFlat*>(hnsw ? hnsw->storage : &quantizer);
    FAISS_THROW_IF_NOT(flat);
    Centroids centroids(quantizer, *flat);
    const Borrowed<Index*> borrowed(ivf.quantizer, &centroids);
    ivf.add(n, x);
}

/// Adds rows. With `later`, those of a graph are stored only, for link() to link.
void add_rows(Index& index, idx_t n, const float* x, bool later) {
    match(
            index,
            [&](faiss::IndexRefine& refine) {
                add_rows(*refine.base_index, n, x, later);
                add_rows(*refine.refine_index, n, x, later);
                refine.ntotal = refine.refine_index->ntotal;
            },
            [&](faiss::IndexPreTransform& chain) {
                const float* changed = chain.apply_chain(n, x);
                const std::unique_ptr<const float[]> owned(changed == x ? nullptr : changed);
                add_rows(*chain.index, n, changed, later);
                chain.ntotal = chain.index->ntotal;
            },
            [&](faiss::IndexIVF& ivf) { add_to_lists(ivf, n, x); },
            [&](faiss::IndexNSG& graph) { build_nsg(graph, n, x); },
            [&](IndexHNSW& graph) {
                make_room(*graph.storage, n);
                graph.storage->add(n, x);
                if (!later) {
                    make_room_for_links(graph);
                    link_graph(graph, n, x, Steps{});
                }
            },
            [&](Index& codes) {
                make_room(codes, n);
                codes.add(n, x);
            });
}

void add(Handle& handle, idx_t n, const float* x, const idx_t* ids, bool later) {
    add_rows(*handle.index, n, x, later);
    handle.id_map.insert(handle.id_map.end(), ids, ids + n);
    handle.ntotal = handle.index->ntotal;
}

/// Does something with the graph in an index, if there is one; the levels above it then count its rows.
template <class Work>
void with_graph(Index& index, const Work& work) {
    match(
            index,
            [&](faiss::IndexRefine& refine) { with_graph(*refine.base_index, work); },
            [&](faiss::IndexPreTransform& chain) {
                with_graph(*chain.index, work);
                chain.ntotal = chain.index->ntotal;
            },
            [&](IndexHNSW& graph) { work(graph); },
            [](Index&) {});
}

} // namespace

void shim::use_huge_pages(const void* data, size_t bytes) {
    advise(data, bytes, true);
}

extern "C" {

int vinedb_faiss_add(Handle* handle, int64_t n, const float* x, const int64_t* ids) {
    return change(handle, [&] { add(*handle, n, x, ids, false); });
}

/// Adds rows that vinedb_faiss_link will link, before which nothing else is done with the index.
int vinedb_faiss_store(Handle* handle, int64_t n, const float* x, const int64_t* ids) {
    return change(handle, [&] { add(*handle, n, x, ids, true); });
}

int vinedb_faiss_link(Handle* handle, StepCallback step, void* context) {
    return change(handle, [&] {
        with_graph(*handle->index, [&](IndexHNSW& graph) {
            make_room_for_links(graph);
            link_graph(graph, 0, nullptr, Steps{step, context});
        });
        handle->ntotal = handle->index->ntotal;
    });
}

/// `first` is a row; those from it on are to be found.
int vinedb_faiss_reach(Handle* handle, int64_t first, StepCallback step, void* context) {
    return guarded([&] {
        with_graph(*handle->index, [&](IndexHNSW& graph) { reach(graph, first, Steps{step, context}); });
    });
}

} // extern "C"
