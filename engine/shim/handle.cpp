// The handle: what it is, copying, writing, reading and freeing it; errors and threads.

#include "levels.h"
#include "shim.h"

#include <dlfcn.h>
#include <omp.h>

#include <algorithm>
#include <memory>
#include <utility>

#include <faiss/IndexIVFPQ.h>
#include <faiss/IndexIVFPQFastScan.h>
#include <faiss/IndexNSG.h>
#include <faiss/IndexPQ.h>
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

/// Has rows of lists with whole vectors be found through a direct map, which FAISS then keeps up to date; and leaves out
/// the long search for an order of a product quantiser's centroids that only polysemous search has a use for.
void shim::set_up(Index& index) {
    if (auto ivf = dynamic_cast<IndexIVFFlat*>(&index)) {
        ivf->make_direct_map(true);
    } else if (auto pq = dynamic_cast<faiss::IndexPQ*>(&index)) {
        pq->do_polysemous_training = false;
    } else if (auto pq = dynamic_cast<faiss::IndexIVFPQ*>(&index)) {
        pq->do_polysemous_training = false;
    }
    for (Index* child : children(index)) {
        set_up(*child);
    }
}

/// What FAISS leaves out when it reads. A graph NSG over product quantisation is built by distances between codes, from a
/// table that it makes when it trains only; without it the build throws within a parallel region, which ends the process.
/// Lists of fast scan decode through a pointer to their quantizer, which is null in an index that was read.
void shim::complete(Index& index) {
    if (auto lists = dynamic_cast<faiss::IndexIVFPQFastScan*>(&index)) {
        lists->fine_quantizer = &lists->pq;
    }
    auto nsg = dynamic_cast<faiss::IndexNSGPQ*>(&index);
    auto codes = nsg ? dynamic_cast<faiss::IndexPQ*>(nsg->storage) : nullptr;
    if (codes && codes->is_trained && codes->ntotal == 0) {
        codes->pq.compute_sdc_table();
    }
    for (Index* child : children(index)) {
        complete(*child);
    }
}

namespace {

/// The one block that most of a graph's or a scan's reading goes to; nothing for kinds that keep vectors in many.
std::pair<const uint8_t*, size_t> vector_block(const Index& index) {
    if (auto flat = dynamic_cast<const faiss::IndexFlatCodes*>(&index)) {
        return {flat->codes.data(), flat->codes.is_owned ? flat->codes.size() : 0};
    }
    if (dynamic_cast<const faiss::IndexIVF*>(&index)) {
        return {nullptr, 0};
    }
    const auto below = children(index);
    return below.empty() ? std::pair<const uint8_t*, size_t>{nullptr, 0} : vector_block(*below[0]);
}

/// Metrics beyond L2 and inner product, which the factory was not asked for.
void set_metric(Index& index, faiss::MetricType metric, float exponent) {
    index.metric_type = metric;
    index.metric_arg = exponent;
    if (auto ivf = dynamic_cast<faiss::IndexIVF*>(&index)) {
        ivf->cp.spherical = false;
    }
    for (Index* child : children(index)) {
        set_metric(*child, metric, exponent);
    }
}

/// FAISS's clone_index lacks some classes, leaves others with pointers into the original (fast scan over lists), and has
/// the copy of a mapped index be mapped too. So it is used for the plain kinds in memory, which are those that are large.
bool copies_itself(const Index& index) {
    if (auto flat = dynamic_cast<const faiss::IndexFlatCodes*>(&index)) {
        const bool plain = dynamic_cast<const IndexFlat*>(flat) || dynamic_cast<const faiss::IndexScalarQuantizer*>(flat);
        return plain && flat->codes.is_owned;
    }
    if (auto hnsw = dynamic_cast<const IndexHNSW*>(&index)) {
        return hnsw->hnsw.neighbors.is_owned && copies_itself(*hnsw->storage);
    }
    if (auto ivf = exactly<const IndexIVFFlat>(index)) {
        auto lists = dynamic_cast<const faiss::ArrayInvertedLists*>(ivf->invlists);
        const auto owned = [](const auto& codes) { return codes.is_owned; };
        return lists && std::all_of(lists->codes.begin(), lists->codes.end(), owned) && copies_itself(*ivf->quantizer);
    }
    return false;
}

Index* read_whole(faiss::IOReader& reader) {
    std::unique_ptr<Index> index(faiss::read_index(&reader));
    complete(*index);
    return index.release();
}

Index* written_and_read(const IndexIDMap& map) {
    faiss::VectorIOWriter bytes;
    faiss::write_index(&map, &bytes);
    faiss::VectorIOReader reader;
    reader.data = std::move(bytes.data);
    return read_whole(reader);
}

struct Writer final : faiss::IOWriter {
    bool (*write)(void*, const uint8_t*, size_t);
    void* context;
    size_t operator()(const void* data, size_t size, size_t count) override {
        return write(context, static_cast<const uint8_t*>(data), size * count) ? count : 0;
    }
};

} // namespace

extern "C" {

/// An index in numbers. Mirrors `Facts` in ffi/native.rs.
struct VinedbFacts {
    int64_t dimension;
    int64_t rows;
    int64_t bytes;
    int32_t metric;
    float exponent;
    bool trained;
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

/// Sets what the factory was not asked for: the metric at every level, what training leaves out and adding keeps up.
int vinedb_faiss_prepare(IndexIDMap* map, int32_t metric, float exponent) {
    return guarded([&] {
        if (metric > 1) {
            set_metric(*map, faiss::MetricType(metric), exponent);
        }
        set_up(*map);
    });
}

int vinedb_faiss_facts(const IndexIDMap* map, VinedbFacts* facts) {
    return guarded([&] {
        const idx_t rows = map->id_map.size();
        *facts = {map->d, rows, int64_t(memory_of(*map)), int32_t(map->metric_type), map->metric_arg, map->is_trained};
    });
}

/// Writes the factory string, ended by a zero; fails where there is none, or no room for it.
int vinedb_faiss_kind(const IndexIDMap* map, char* text, size_t room) {
    return guarded([&] {
        const std::string kind = kind_of(*map->index);
        FAISS_THROW_IF_NOT_MSG(kind.size() < room, "it has too many transforms");
        std::copy_n(kind.c_str(), kind.size() + 1, text);
    });
}

/// Fails unless its parts fit together.
int vinedb_faiss_check(const IndexIDMap* map) {
    return guarded([&] { check_shape(*map); });
}

void vinedb_faiss_use_huge_pages(const IndexIDMap* map) {
    const auto [data, bytes] = vector_block(*map->index);
    use_huge_pages(data, bytes);
}

const int64_t* vinedb_faiss_ids(const IndexIDMap* map, size_t* count) {
    *count = map->id_map.size();
    return map->id_map.data();
}

int vinedb_faiss_clone(const IndexIDMap* map, IndexIDMap** copy) {
    return guarded([&] {
        std::unique_ptr<Index> clone(copies_itself(*map->index) ? faiss::clone_index(map) : written_and_read(*map));
        complete(*clone); // a copy's pointer to its quantizer would be the original's
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

/// The same under other ids, one per row.
int vinedb_faiss_write_as(const IndexIDMap* map, const int64_t* ids, bool (*write)(void*, const uint8_t*, size_t), void* context) {
    return guarded([&] {
        IndexIDMap other(*map);
        other.own_fields = false;
        other.id_map.assign(ids, ids + other.id_map.size());
        Writer writer;
        writer.write = write;
        writer.context = context;
        faiss::write_index(&other, &writer);
    });
}

int vinedb_faiss_read(ReadCallback read, void* context, IndexIDMap** map) {
    return guarded([&] {
        Reader reader(read, context);
        std::unique_ptr<Index> index(read_whole(reader));
        *map = dynamic_cast<IndexIDMap*>(index.get());
        FAISS_THROW_IF_NOT_MSG(*map, "the index has no id map");
        index.release();
    });
}

} // extern "C"
