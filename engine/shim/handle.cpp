// What the caller holds: making, describing and freeing it; errors, threads, and what is set once for the process.

#include "kinds.h"
#include "shim.h"

#include <dlfcn.h>
#include <omp.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include <faiss/impl/FaissAssert.h>

using namespace shim;

namespace {

thread_local char last_error[1024] = "";

/// The one block that most of a graph's or a scan's reading goes to; nothing for kinds that keep vectors in many.
std::pair<const uint8_t*, size_t> vector_block(const Index& index) {
    using Block = std::pair<const uint8_t*, size_t>;
    return match(
            index,
            [](const faiss::IndexFlatCodes& flat) { return Block{flat.codes.data(), flat.codes.is_owned ? flat.codes.size() : 0}; },
            [](const faiss::IndexIVF&) { return Block{nullptr, 0}; },
            [](const Index& other) {
                const auto below = children(other);
                return below.empty() ? Block{nullptr, 0} : vector_block(*below[0]);
            });
}

size_t most_tables() {
    return std::max(1u, std::thread::hardware_concurrency());
}

} // namespace

void shim::note_error(const char* message) noexcept {
    std::strncpy(last_error, message, sizeof last_error - 1);
}

// Giving a table back allocates nothing.
VisitedTables::VisitedTables() {
    idle.reserve(most_tables());
}

std::unique_ptr<faiss::VisitedTable> VisitedTables::take() {
    const std::lock_guard<std::mutex> lock(mutex);
    if (idle.empty()) {
        return nullptr;
    }
    auto table = std::move(idle.back());
    idle.pop_back();
    return table;
}

void VisitedTables::give(std::unique_ptr<faiss::VisitedTable> table) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (idle.size() < idle.capacity()) {
        idle.push_back(std::move(table));
    }
}

size_t VisitedTables::bytes() const {
    const std::lock_guard<std::mutex> lock(mutex);
    size_t bytes = 0;
    for (const auto& table : idle) {
        bytes += table->visited.size();
    }
    return bytes;
}

void VisitedTables::clear() {
    const std::lock_guard<std::mutex> lock(mutex);
    idle.clear();
}

VisitedTables::Lent::Lent(VisitedTables& tables, idx_t rows) : tables(tables), table(tables.take()) {
    if (!table || table->visited.size() < size_t(rows)) {
        table = std::make_unique<faiss::VisitedTable>(int(rows));
    }
}

VisitedTables::Lent::~Lent() {
    table->advance(); // also where a search ended halfway
    tables.give(std::move(table));
}

Handle::Handle(std::unique_ptr<Index> inside, std::vector<idx_t> ids, std::unique_ptr<const Mapping> from)
        : mapping(std::move(from)) {
    d = inside->d;
    ntotal = inside->ntotal;
    metric_type = inside->metric_type;
    metric_arg = inside->metric_arg;
    is_trained = inside->is_trained;
    id_map = std::move(ids);
    index = inside.release();
    own_fields = true;
}

Handle::~Handle() {
    delete std::exchange(index, nullptr); // before the mapping, which it reads from
    own_fields = false;
}

extern "C" {

/// An index in numbers. Mirrors `Facts` in backend/faiss/native.rs.
struct VinedbFacts {
    int64_t dimension;
    int64_t rows;
    int32_t metric;
    float exponent;
    bool trained;
};

const char* vinedb_faiss_error() {
    return last_error;
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

/// Takes over an empty index that the factory made, also where it fails; sets what the factory was not asked for: the metric
/// at every level, what training leaves out and adding keeps up.
int vinedb_faiss_adopt(Index* made, int32_t metric, float exponent, Handle** handle) {
    return guarded([&] {
        std::unique_ptr<Index> index(made);
        if (metric > 1) {
            set_metric(*index, faiss::MetricType(metric), exponent);
        }
        set_up(*index);
        *handle = new Handle(std::move(index), {});
    });
}

void vinedb_faiss_free(Handle* handle) {
    delete handle;
}

int vinedb_faiss_clone(const Handle* handle, Handle** twin) {
    return guarded([&] { *twin = new Handle(std::unique_ptr<Index>(copy(*handle->index)), handle->id_map); });
}

VinedbFacts vinedb_faiss_facts(const Handle* handle) {
    const int64_t rows = handle->id_map.size();
    return {handle->d, rows, int32_t(handle->metric_type), handle->metric_arg, handle->is_trained};
}

/// Bytes of memory: the index, its ids, and what its searches keep.
int vinedb_faiss_memory(const Handle* handle, size_t* bytes) {
    return guarded([&] { *bytes = memory_of(*handle->index) + handle->id_map.size() * sizeof(idx_t) + handle->visited.bytes(); });
}

/// Writes the factory string, ended by a zero; fails where there is none, or no room for it.
int vinedb_faiss_kind(const Handle* handle, char* text, size_t room) {
    return guarded([&] {
        const std::string kind = kind_of(*handle->index);
        FAISS_THROW_IF_NOT_MSG(kind.size() < room, "it has too many transforms");
        std::copy_n(kind.c_str(), kind.size() + 1, text);
    });
}

void vinedb_faiss_use_huge_pages(const Handle* handle) {
    const auto [data, bytes] = vector_block(*handle->index);
    use_huge_pages(data, bytes);
}

const int64_t* vinedb_faiss_ids(const Handle* handle, size_t* count) {
    *count = handle->id_map.size();
    return handle->id_map.data();
}

/// Gives rows other ids, one per row.
void vinedb_faiss_renumber(Handle* handle, const int64_t* ids) {
    std::copy_n(ids, handle->id_map.size(), handle->id_map.begin());
}

} // extern "C"
