// Searching: one thread per call, nothing of the shared index written to. Wrappers are walked here rather than searched,
// since FAISS passes a query's parameters through none of them whole.

#include "kinds.h"
#include "search_hnsw.h"
#include "shim.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/impl/ResultHandler.h>

using namespace shim;
using faiss::HNSW;

namespace {

/// Membership by the id of a row: in the bitmap, or with `except` not in it.
struct RowSelector final : faiss::IDSelector {
    const idx_t* ids;
    const uint8_t* bits;
    size_t bytes;
    bool except;

    RowSelector(const idx_t* ids, const VinedbAsk& ask) : ids(ids), bits(ask.bits), bytes(ask.bytes), except(ask.except) {}

    bool is_member(idx_t row) const override {
        const uint64_t id = ids[row];
        const bool inside = (id >> 3) < bytes && ((bits[id >> 3] >> (id & 7)) & 1);
        return inside != except;
    }
};

/// Makes a walk pass by a row, as if it had been there.
void leave_out(faiss::VisitedTable& visited, idx_t row) {
    if (row >= 0) {
        visited.set(int(row));
    }
}

void negate(float* distances, size_t n) {
    std::transform(distances, distances + n, distances, [](float distance) { return -distance; });
}

/// The first k candidates that are selected, in their order; -1 behind them.
void keep_selected(const std::vector<idx_t>& candidates, const std::vector<float>& distances, const Search& search) {
    idx_t kept = 0;
    for (size_t i = 0; i < candidates.size() && kept < search.k; i++) {
        if (!search.selector || search.selector->is_member(candidates[i])) {
            search.rows[kept] = candidates[i];
            search.distances[kept++] = distances[i];
        }
    }
    std::fill(search.rows + kept, search.rows + search.k, -1);
}

/// The candidates in `rows`, measured anew; the k best of them are the answer.
void measure_again(faiss::DistanceComputer& computer, bool similarity, const float* query, const idx_t* rows, idx_t n, const Search& search) {
    computer.set_query(query);
    std::vector<std::pair<float, idx_t>> found;
    found.reserve(n);
    for (idx_t i = 0; i < n; i++) {
        if (rows[i] >= 0) {
            const float distance = computer(rows[i]);
            found.emplace_back(similarity ? -distance : distance, rows[i]);
        }
    }
    const size_t kept = std::min(found.size(), size_t(search.k));
    std::partial_sort(found.begin(), found.begin() + kept, found.end());
    for (size_t i = 0; i < kept; i++) {
        search.distances[i] = similarity ? -found[i].first : found[i].first;
        search.rows[i] = found[i].second;
    }
    std::fill(search.rows + kept, search.rows + search.k, -1);
}

/// IndexNSG knows no selection: of its candidates, as many as the breadth says, those selected are kept.
void search_nsg(const faiss::IndexNSG& index, const Search& search) {
    const idx_t ef = std::min<idx_t>(index.ntotal, std::max<idx_t>(search.breadth, search.k));
    if (search.exact() || index.nsg.search_L > index.ntotal) {
        return search_codes(*index.storage, search); // FAISS would look for more rows than there are, for ever
    }
    VisitedTables::Lent table(search.visited, index.ntotal);
    faiss::VisitedTable& visited = *table;
    const auto computer = graph_distances(*index.storage);
    const auto products = search.products ? row_distances(*index.storage, true) : nullptr;
    std::vector<idx_t> rows(ef);
    std::vector<float> distances(ef);
    for (idx_t q = 0; q < search.n; q++) {
        const Search one = search.one(q, index.d);
        computer->set_query(one.x);
        leave_out(visited, search.stranger);
        index.nsg.search(*computer, int(ef), rows.data(), distances.data(), visited);
        visited.advance();
        keep_selected(rows, distances, one);
        if (products) {
            const std::vector<idx_t> kept(one.rows, one.rows + one.k);
            measure_again(*products, true, one.x, kept.data(), one.k, one);
        } else if (is_similarity(index, false)) {
            negate(one.distances, one.k);
        }
    }
}

void any_search(const Index& index, const Search& search);

void search_transformed(const faiss::IndexPreTransform& index, const Search& search) {
    Search inner = search;
    inner.x = index.apply_chain(search.n, search.x);
    const std::unique_ptr<const float[]> owned(inner.x == search.x ? nullptr : inner.x);
    any_search(*index.index, inner);
}

/// `factor` candidates per answer from the base, which are then measured by the better codes. In place of
/// IndexRefine::search, which knows two metrics and keeps its candidates in the order of the base where there are few.
void search_refined(const faiss::IndexRefine& index, const Search& search) {
    if (search.exact()) {
        return any_search(*index.refine_index, search);
    }
    Search base = search;
    base.products = false;
    base.k = search.factor > index.ntotal / search.k ? index.ntotal : search.k * search.factor;
    std::vector<float> distances(search.n * base.k);
    std::vector<idx_t> rows(search.n * base.k);
    base.distances = distances.data();
    base.rows = rows.data();
    any_search(*index.base_index, base);
    const auto computer = row_distances(*index.refine_index, search.products);
    const bool similarity = is_similarity(*index.refine_index, search.products);
    for (idx_t q = 0; q < search.n; q++) {
        const Search one = search.one(q, index.d);
        measure_again(*computer, similarity, one.x, rows.data() + q * base.k, base.k, one);
    }
}

void any_search(const Index& index, const Search& search) {
    match(
            index,
            [&](const IndexHNSW& graph) { search.exact() ? search_codes(*graph.storage, search) : search_graph(graph, search); },
            [&](const faiss::IndexIVF& ivf) { search_lists(ivf, search); },
            [&](const faiss::IndexRefine& refine) { search_refined(refine, search); },
            [&](const faiss::IndexPreTransform& chain) { search_transformed(chain, search); },
            [&](const faiss::IndexNSG& graph) { search_nsg(graph, search); },
            [&](const Index& codes) { search_codes(codes, search); });
}

} // namespace

/// The walk of FAISS's HNSW::search (HNSW.cpp), by steps of our own (search_hnsw.h). What it finds is the same.
void shim::walk_graph(
        const IndexHNSW& index,
        faiss::DistanceComputer& distances,
        faiss::VisitedTable& visited,
        int breadth,
        const faiss::IDSelector* selector,
        Found& found) {
    const HNSW& hnsw = index.hnsw;
    Row nearest = hnsw.entry_point;
    if (nearest < 0) {
        return;
    }
    Walk walk(index, distances, visited);
    // Where a walk has to begin at a row that is left out, every other is closer.
    float distance = visited.get(nearest) ? std::numeric_limits<float>::max() : distances(nearest);
    for (int layer = hnsw.max_level; layer > 0; layer--) {
        walk.descend(nearest, distance, layer);
    }
    HNSW::MinimaxHeap candidates(std::max(breadth, int(found.k)));
    const auto take = [&](Row row, float to_row) {
        if (to_row < found.threshold && (!selector || selector->is_member(row))) {
            found.add_result(to_row, row);
        }
        candidates.push(row, to_row);
    };
    if (visited.get(nearest)) {
        candidates.push(nearest, distance);
    } else {
        visited.set(nearest);
        take(nearest, distance);
    }
    while (candidates.size() > 0) {
        float closest;
        const Row at = candidates.pop_min(&closest);
        // Where candidates are no more than the breadth, the one at hand among them, fewer are closer.
        if (at < 0 || (breadth < candidates.n && candidates.count_below(closest) >= breadth)) {
            break;
        }
        walk.measure_around(at, 0, take);
    }
    visited.advance();
}

/// IndexHNSW::search, less its OpenMP region, by a walk of our own.
void shim::search_graph(const IndexHNSW& index, const Search& search) {
    VisitedTables::Lent table(search.visited, index.ntotal);
    faiss::VisitedTable& visited = *table;
    using Results = faiss::HeapBlockResultHandler<faiss::HNSW::C>;
    Results results(search.n, search.distances, search.rows, search.k);
    Found result(results);
    auto computer = graph_distances(*index.storage);
    for (idx_t q = 0; q < search.n; q++) {
        result.begin(q);
        computer->set_query(search.x + q * index.d);
        leave_out(visited, search.stranger);
        walk_graph(index, *computer, visited, int(search.breadth), search.selector, result);
        result.end();
    }
    if (faiss::is_similarity_metric(index.metric_type)) {
        negate(search.distances, search.n * search.k);
    }
}

extern "C" {

/// 0 < k <= rows; the breadth is positive or -1, 0 <= first <= last <= rows, and not both a range and bits are given.
int vinedb_faiss_search(const Handle* handle, int64_t n, const float* x, const VinedbAsk* ask, float* distances, int64_t* ids) {
    return guarded([&] {
        const SingleThreaded here;
        const idx_t rows = handle->id_map.size();
        RowSelector bits(handle->id_map.data(), *ask);
        faiss::IDSelectorRange range(ask->first, ask->last);
        faiss::IDSelector* selector = nullptr;
        if (ask->bits) {
            selector = &bits;
        } else if (ask->first > 0 || ask->last < rows) {
            selector = &range;
        }
        const Search search{
                n, x, ask->k, ask->breadth, ask->factor, ask->max_codes, selector, ask->first, ask->last, ask->products, handle->visited, ask->stranger, distances, ids};
        any_search(*handle->index, search);
        for (int64_t i = 0; i < n * ask->k; i++) {
            ids[i] = ids[i] < 0 ? -1 : handle->id_map[ids[i]];
        }
    });
}

} // extern "C"
