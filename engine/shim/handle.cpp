// The handle: what it is, copying, writing, reading and freeing it; errors and threads.

#include "shim.h"

#include <dlfcn.h>
#include <omp.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#include <memory>
#include <utility>

#include <faiss/IndexRefine.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/clone_index.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>

using namespace shim;

std::string& shim::last_error() {
    thread_local std::string message;
    return message;
}

namespace {

size_t storage_bytes(const Index& index) {
    if (auto flat = dynamic_cast<const faiss::IndexFlatCodes*>(&index)) {
        return flat->codes.size();
    }
    if (auto hnsw = dynamic_cast<const IndexHNSW*>(&index)) {
        const faiss::HNSW& graph = hnsw->hnsw;
        return storage_bytes(*hnsw->storage) + graph.neighbors.size() * sizeof(int32_t) +
                graph.offsets.size() * sizeof(size_t) + graph.levels.size() * sizeof(int);
    }
    if (auto ivf = dynamic_cast<const IndexIVFFlat*>(&index)) {
        const size_t per_row = ivf->code_size + 2 * sizeof(idx_t);
        const size_t per_list = sizeof(std::vector<uint8_t>) + sizeof(std::vector<idx_t>);
        return storage_bytes(*ivf->quantizer) + ivf->ntotal * per_row + ivf->nlist * per_list;
    }
    return 0;
}

/// The one block that holds all vectors, whole or as bytes; nothing for kinds that keep them in many.
std::pair<const uint8_t*, size_t> vector_block(const Index& index) {
    if (auto flat = dynamic_cast<const faiss::IndexFlatCodes*>(&index)) {
        return {flat->codes.data(), flat->codes.size()};
    }
    if (auto hnsw = dynamic_cast<const IndexHNSW*>(&index)) {
        return vector_block(*hnsw->storage);
    }
    return {nullptr, 0};
}

/// Metrics beyond L2 and inner product, which the factory was not asked for.
void set_metric(Index& index, faiss::MetricType metric, float exponent) {
    index.metric_type = metric;
    index.metric_arg = exponent;
    if (auto map = dynamic_cast<IndexIDMap*>(&index)) {
        set_metric(*map->index, metric, exponent);
    } else if (auto refine = dynamic_cast<faiss::IndexRefine*>(&index)) {
        set_metric(*refine->base_index, metric, exponent);
        set_metric(*refine->refine_index, metric, exponent);
    } else if (auto hnsw = dynamic_cast<IndexHNSW*>(&index)) {
        set_metric(*hnsw->storage, metric, exponent);
    } else if (auto ivf = dynamic_cast<faiss::IndexIVF*>(&index)) {
        ivf->cp.spherical = false;
        set_metric(*ivf->quantizer, metric, exponent);
    }
}

struct Writer final : faiss::IOWriter {
    bool (*write)(void*, const uint8_t*, size_t);
    void* context;
    size_t operator()(const void* data, size_t size, size_t count) override {
        return write(context, static_cast<const uint8_t*>(data), size * count) ? count : 0;
    }
};

struct Reader final : faiss::IOReader {
    bool (*read)(void*, uint8_t*, size_t);
    void* context;
    size_t operator()(void* data, size_t size, size_t count) override {
        return read(context, static_cast<uint8_t*>(data), size * count) ? count : 0;
    }
};

} // namespace

extern "C" {

/// What an index is, as far as its caller needs to know. Mirrors `Facts` in ffi.rs.
struct VinedbFacts {
    int64_t dimension;
    int64_t rows;
    int64_t parameter; // m or nlist
    int64_t bytes;
    int32_t metric;
    int32_t kind; // 0 Flat, 1 HNSW,Flat, 2 HNSW,SQ8, 3 IVF,Flat, -1 anything else
    bool trained;
    bool consistent; // the id map and every level below it agree on the number of rows and the dimension
};

const char* vinedb_faiss_error() {
    return last_error().c_str();
}

int32_t vinedb_faiss_threads() {
    return omp_get_max_threads();
}

void vinedb_faiss_set_threads(int32_t threads) {
    omp_set_num_threads(threads);
}

/// OpenBLAS keeps threads of its own that OpenMP's limit does not reach. Parallel work here is always several calls side
/// by side, so each call gets one thread. Another BLAS has no such symbol and is left alone.
void vinedb_faiss_single_threaded_blas() {
    if (void* symbol = dlsym(RTLD_DEFAULT, "openblas_set_num_threads")) {
        reinterpret_cast<void (*)(int)>(symbol)(1);
    }
}

void vinedb_faiss_free(IndexIDMap* map) {
    delete map;
}

/// Sets the metric at every level, and has rows of IVF lists be found through a direct map, which FAISS then keeps up to date.
int vinedb_faiss_prepare(IndexIDMap* map, int32_t metric, float exponent) {
    return guarded([&] {
        if (metric > 1) {
            set_metric(*map, faiss::MetricType(metric), exponent);
        }
        if (auto ivf = dynamic_cast<IndexIVFFlat*>(map->index)) {
            ivf->make_direct_map(true);
        }
    });
}

int vinedb_faiss_facts(const IndexIDMap* map, VinedbFacts* facts) {
    return guarded([&] {
        const Index& inner = *map->index;
        const idx_t rows = map->id_map.size();
        *facts = {map->d, rows, 0, int64_t(storage_bytes(inner) + rows * sizeof(idx_t)), int32_t(map->metric_type), -1, map->is_trained, false};
        bool agree = inner.ntotal == rows && map->ntotal == rows && inner.d == map->d && inner.metric_type == map->metric_type;
        if (dynamic_cast<const IndexFlat*>(&inner)) {
            facts->kind = 0;
        } else if (auto hnsw = dynamic_cast<const IndexHNSW*>(&inner)) {
            const Index* storage = hnsw->storage;
            const bool flat = dynamic_cast<const IndexFlat*>(storage);
            const auto codes = dynamic_cast<const faiss::IndexScalarQuantizer*>(storage);
            const bool bytes = codes && codes->sq.qtype == faiss::ScalarQuantizer::QT_8bit;
            facts->kind = flat ? 1 : bytes ? 2 : -1;
            facts->parameter = hnsw->hnsw.nb_neighbors(0) / 2;
            agree = agree && storage->ntotal == rows && storage->d == map->d && idx_t(hnsw->hnsw.levels.size()) == rows;
        } else if (auto ivf = dynamic_cast<const IndexIVFFlat*>(&inner)) {
            facts->kind = 3;
            facts->parameter = ivf->nlist;
            const bool mapped = ivf->direct_map.type == faiss::DirectMap::Array && idx_t(ivf->direct_map.array.size()) == rows;
            agree = agree && mapped && dynamic_cast<const IndexFlat*>(ivf->quantizer);
        }
        facts->consistent = agree;
    });
}

/// A graph search jumps from vector to vector, and in pages of 4 KiB nearly every jump costs a walk through the page table.
/// Has Linux move the vectors into huge pages, now (since 6.1) or in its own time. Contents and addresses stay; where it
/// cannot, nothing changes. Small blocks are left alone: the processor keeps track of their pages anyway.
void vinedb_faiss_use_huge_pages(const IndexIDMap* map) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const int collapse = 25; // MADV_COLLAPSE, which older headers lack
    const uintptr_t page = uintptr_t(2) << 20;
    const auto [data, bytes] = vector_block(*map->index);
    const uintptr_t first = (uintptr_t(data) + page - 1) / page * page;
    const uintptr_t end = (uintptr_t(data) + bytes) / page * page;
    if (first + 8 * page <= end) {
        (void)madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
        (void)madvise(reinterpret_cast<void*>(first), end - first, collapse);
    }
#endif
}

const int64_t* vinedb_faiss_ids(const IndexIDMap* map, size_t* count) {
    *count = map->id_map.size();
    return map->id_map.data();
}

int vinedb_faiss_clone(const IndexIDMap* map, IndexIDMap** copy) {
    return guarded([&] {
        std::unique_ptr<Index> clone(faiss::clone_index(map));
        *copy = dynamic_cast<IndexIDMap*>(clone.get());
        FAISS_THROW_IF_NOT(*copy);
        clone.release();
    });
}

int vinedb_faiss_write(const IndexIDMap* map, bool (*write)(void*, const uint8_t*, size_t), void* context) {
    return guarded([&] {
        Writer writer;
        writer.write = write;
        writer.context = context;
        faiss::write_index(map, &writer);
    });
}

int vinedb_faiss_read(bool (*read)(void*, uint8_t*, size_t), void* context, IndexIDMap** map) {
    return guarded([&] {
        Reader reader;
        reader.read = read;
        reader.context = context;
        std::unique_ptr<Index> index(faiss::read_index(&reader));
        *map = dynamic_cast<IndexIDMap*>(index.get());
        FAISS_THROW_IF_NOT_MSG(*map, "the index has no id map");
        index.release();
    });
}

} // extern "C"
