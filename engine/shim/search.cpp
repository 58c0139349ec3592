// Searching: one thread per call, nothing of the shared index written to.

#include "shim.h"

#include <omp.h>

#include <algorithm>
#include <cfloat>
#include <memory>
#include <utility>
#include <vector>

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/ResultHandler.h>
#include <faiss/utils/distances.h>

using namespace shim;

namespace {

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

/// Membership by the id of a row: in the bitmap, or with `except` not in it.
struct RowSelector final : faiss::IDSelector {
    const idx_t* ids;
    const uint8_t* bits;
    size_t bytes;
    bool except;

    RowSelector(const idx_t* ids, const uint8_t* bits, size_t bytes, bool except)
            : ids(ids), bits(bits), bytes(bytes), except(except) {}

    bool is_member(idx_t row) const override {
        const uint64_t id = ids[row];
        const bool inside = (id >> 3) < bytes && ((bits[id >> 3] >> (id & 7)) & 1);
        return inside != except;
    }
};

/// Squared L2 by matrix product, ‖x‖² + ‖y‖² − 2xy, cancels where norms are large beside distances. So take more
/// candidates than asked for, compute their distances directly, and scan directly where the rounding error of what was
/// left out (at most 2·d·2⁻²⁴·(‖x‖² + ‖y‖²), with ‖y‖² ≤ 2‖x‖² + 2·distance²) may hide a closer one.
void flat_l2_batch(const IndexFlat& flat, idx_t n, const float* x, idx_t k, float* distances, idx_t* rows) {
    const size_t d = flat.d;
    const idx_t wide = std::min(flat.ntotal, k + std::max<idx_t>(16, k / 2));
    std::vector<float> near(n * wide);
    std::vector<idx_t> labels(n * wide);
    flat.search(n, x, wide, near.data(), labels.data());
    std::vector<std::pair<float, idx_t>> direct(wide);
    for (idx_t q = 0; q < n; q++) {
        const float* query = x + q * d;
        const idx_t* candidates = labels.data() + q * wide;
        for (idx_t j = 0; j < wide; j++) {
            const idx_t row = candidates[j];
            const float distance = row < 0 ? FLT_MAX : faiss::fvec_L2sqr(query, flat.get_xb() + row * d, d);
            direct[j] = {distance, row};
        }
        std::partial_sort(direct.begin(), direct.begin() + k, direct.end());
        const double worst = direct[k - 1].first;
        const double square = faiss::fvec_norm_L2sqr(query, d);
        const double error = 2.0 * d * 0x1p-24 * (3 * square + 2 * worst);
        if (wide < flat.ntotal && near[q * wide + wide - 1] - error < worst) {
            flat.search(1, query, k, distances + q * k, rows + q * k);
            continue;
        }
        for (idx_t j = 0; j < k; j++) {
            distances[q * k + j] = direct[j].first;
            rows[q * k + j] = direct[j].second;
        }
    }
}

} // namespace

void shim::flat_search(const IndexFlat& flat, idx_t n, const float* x, idx_t k, faiss::IDSelector* selector, float* distances, idx_t* rows) {
    if (flat.metric_type == faiss::METRIC_L2 && !selector && n >= faiss::distance_compute_blas_threshold) {
        return flat_l2_batch(flat, n, x, k, distances, rows);
    }
    faiss::SearchParameters parameters;
    parameters.sel = selector;
    flat.search(n, x, k, distances, rows, &parameters);
}

namespace {

void exact_search(const Index& storage, idx_t n, const float* x, idx_t k, faiss::IDSelector* selector, float* distances, idx_t* rows) {
    if (auto flat = dynamic_cast<const IndexFlat*>(&storage)) {
        return flat_search(*flat, n, x, k, selector, distances, rows);
    }
    faiss::SearchParameters parameters;
    parameters.sel = selector;
    storage.search(n, x, k, distances, rows, &parameters);
}

std::unique_ptr<faiss::DistanceComputer> graph_distances(const Index& storage) {
    std::unique_ptr<faiss::DistanceComputer> plain(storage.get_distance_computer());
    if (!faiss::is_similarity_metric(storage.metric_type)) {
        return plain;
    }
    return std::make_unique<faiss::NegativeDistanceComputer>(plain.release());
}

/// IndexHNSW::search, less its OpenMP region and with the table of visited rows kept by the thread from search to search.
void hnsw_search(const IndexHNSW& index, idx_t n, const float* x, idx_t k, int ef, faiss::IDSelector* selector, float* distances, idx_t* rows) {
    thread_local faiss::VisitedTable visited(0);
    if (visited.visited.size() < size_t(index.ntotal)) {
        visited = faiss::VisitedTable(int(index.ntotal));
    }
    faiss::SearchParametersHNSW parameters;
    parameters.efSearch = ef;
    parameters.sel = selector;
    using Results = faiss::HeapBlockResultHandler<faiss::HNSW::C>;
    Results results(n, distances, rows, k);
    Results::SingleResultHandler result(results);
    auto computer = graph_distances(*index.storage);
    for (idx_t q = 0; q < n; q++) {
        result.begin(q);
        computer->set_query(x + q * index.d);
        index.hnsw.search(*computer, result, visited, &parameters);
        result.end();
    }
    if (faiss::is_similarity_metric(index.metric_type)) {
        std::transform(distances, distances + n * k, distances, [](float distance) { return -distance; });
    }
}

void ivf_search(const IndexIVFFlat& index, idx_t n, const float* x, idx_t k, size_t nprobe, faiss::IDSelector* selector, float* distances, idx_t* rows) {
    faiss::IVFSearchParameters parameters;
    parameters.nprobe = nprobe;
    parameters.sel = selector;
    index.search(n, x, k, distances, rows, &parameters);
}

void any_search(const Index& index, idx_t n, const float* x, idx_t k, int64_t breadth, faiss::IDSelector* selector, float* distances, idx_t* rows) {
    const bool exact = breadth < 0;
    if (auto ivf = dynamic_cast<const IndexIVFFlat*>(&index)) {
        return ivf_search(*ivf, n, x, k, exact ? ivf->nlist : breadth, selector, distances, rows);
    }
    auto hnsw = dynamic_cast<const IndexHNSW*>(&index);
    if (hnsw && !exact) {
        return hnsw_search(*hnsw, n, x, k, int(breadth), selector, distances, rows);
    }
    exact_search(hnsw ? *hnsw->storage : index, n, x, k, selector, distances, rows);
}

void ivf_distances(const IndexIVFFlat& ivf, const float* query, size_t n, const idx_t* rows, float* distances) {
    const bool similarity = faiss::is_similarity_metric(ivf.metric_type);
    for (size_t i = 0; i < n; i++) {
        const idx_t place = ivf.direct_map.get(rows[i]);
        const auto codes = ivf.invlists->get_codes(faiss::lo_listno(place));
        const auto vector = reinterpret_cast<const float*>(codes + faiss::lo_offset(place) * ivf.code_size);
        distances[i] = similarity ? faiss::fvec_inner_product(query, vector, ivf.d) : faiss::fvec_L2sqr(query, vector, ivf.d);
    }
}

void row_distances(const Index& storage, const float* query, size_t n, const idx_t* rows, float* distances) {
    std::unique_ptr<faiss::DistanceComputer> computer(storage.get_distance_computer());
    computer->set_query(query);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        computer->distances_batch_4(
                rows[i], rows[i + 1], rows[i + 2], rows[i + 3], distances[i], distances[i + 1], distances[i + 2], distances[i + 3]);
    }
    for (; i < n; i++) {
        distances[i] = (*computer)(rows[i]);
    }
}

} // namespace

extern "C" {

/// `breadth`: efSearch or nprobe, -1 for exact. `bits` may be null: no selection. 0 < k <= rows, 0 < breadth otherwise.
int vinedb_faiss_search(
        const IndexIDMap* map,
        int64_t n,
        const float* x,
        int64_t k,
        int64_t breadth,
        const uint8_t* bits,
        size_t bytes,
        bool except,
        float* distances,
        int64_t* ids) {
    return guarded([&] {
        const SingleThreaded here;
        RowSelector selector(map->id_map.data(), bits, bytes, except);
        any_search(*map->index, n, x, k, breadth, bits ? &selector : nullptr, distances, ids);
        for (int64_t i = 0; i < n * k; i++) {
            ids[i] = ids[i] < 0 ? -1 : map->id_map[ids[i]];
        }
    });
}

/// Distances from one query to rows, all of them 0 <= row < rows.
int vinedb_faiss_distances(const IndexIDMap* map, const float* query, size_t n, const int64_t* rows, float* distances) {
    return guarded([&] {
        if (auto ivf = dynamic_cast<const IndexIVFFlat*>(map->index)) {
            return ivf_distances(*ivf, query, n, rows, distances);
        }
        auto hnsw = dynamic_cast<const IndexHNSW*>(map->index);
        row_distances(hnsw ? *hnsw->storage : *map->index, query, n, rows, distances);
    });
}

} // extern "C"
