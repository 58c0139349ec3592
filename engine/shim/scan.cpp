// Searches that read codes one after the other: all of an index's, or those of the inverted lists nearby.

#include "kinds.h"
#include "nearest.h"
#include "shim.h"

#include <algorithm>
#include <cfloat>
#include <utility>
#include <vector>

#include <faiss/utils/distances.h>

using namespace shim;

namespace {

/// Squared L2 by matrix product, ‖x‖² + ‖y‖² − 2xy, cancels where norms are large beside distances. So take more
/// candidates than asked for, compute their distances directly, and scan directly where the rounding error of what was
/// left out (at most 2·d·2⁻²⁴·(‖x‖² + ‖y‖²), with ‖y‖² ≤ 2‖x‖² + 2·distance²) may hide a closer one.
void l2_batch(const IndexFlat& flat, const Search& search) {
    const size_t d = flat.d;
    const idx_t k = search.k;
    const idx_t wide = std::min(flat.ntotal, k + std::max<idx_t>(16, k / 2));
    std::vector<float> near(search.n * wide);
    std::vector<idx_t> labels(search.n * wide);
    flat.search(search.n, search.x, wide, near.data(), labels.data());
    std::vector<std::pair<float, idx_t>> direct(wide);
    const auto computer = row_distances(flat, false);
    for (idx_t q = 0; q < search.n; q++) {
        const Search one = search.one(q, d);
        const idx_t* candidates = labels.data() + q * wide;
        computer->set_query(one.x);
        for (idx_t j = 0; j < wide; j++) {
            const idx_t row = candidates[j];
            direct[j] = {row < 0 ? FLT_MAX : (*computer)(row), row};
        }
        std::partial_sort(direct.begin(), direct.begin() + k, direct.end());
        const double worst = direct[k - 1].first;
        const double square = faiss::fvec_norm_L2sqr(one.x, d);
        const double error = 2.0 * d * 0x1p-24 * (3 * square + 2 * worst);
        if (wide < flat.ntotal && near[q * wide + wide - 1] - error < worst) {
            scan_rows(*computer, false, one.x, one);
            continue;
        }
        for (idx_t j = 0; j < k; j++) {
            one.distances[j] = direct[j].first;
            one.rows[j] = direct[j].second;
        }
    }
}

void scan_each(const Index& index, const Search& search) {
    const auto computer = row_distances(index, search.products);
    for (idx_t q = 0; q < search.n; q++) {
        const Search one = search.one(q, index.d);
        scan_rows(*computer, is_similarity(index, search.products), one.x, one);
    }
}

/// Many queries by matrix product, as FAISS does it; else row by row.
void search_flat(const IndexFlat& flat, const Search& search) {
    const bool l2 = flat.metric_type == faiss::METRIC_L2;
    const bool many = !search.selector && search.n >= faiss::distance_compute_blas_threshold;
    if (many && l2 && search.products) {
        return faiss::knn_inner_product(
                search.x, flat.get_xb(), flat.d, search.n, flat.ntotal, search.k, search.distances, search.rows);
    }
    if (many && l2) {
        return l2_batch(flat, search);
    }
    const bool whole = !search.selector && !(l2 && search.products);
    if (many || (whole && !has_quick_distances(flat))) {
        return flat.search(search.n, search.x, search.k, search.distances, search.rows);
    }
    scan_each(flat, search);
}

/// One query of an index that knows no selection: more and more candidates, until enough of them are selected. What
/// selects little is scanned row by row. Never one candidate alone: FAISS keeps the distance of that one in 16 bits with a
/// sign, too few for more than 128 sub-vectors.
void fast_scan_one(const faiss::IndexPQFastScan& index, faiss::DistanceComputer& computer, const Search& one) {
    std::vector<float> distances;
    std::vector<idx_t> rows;
    const idx_t begin = one.selector ? 4 * one.k + 32 : one.k + 1;
    for (idx_t wide = begin; wide <= index.ntotal / (one.selector ? 8 : 1); wide *= 4) {
        distances.resize(wide);
        rows.resize(wide);
        index.search(1, one.x, wide, distances.data(), rows.data());
        idx_t kept = 0;
        for (idx_t i = 0; i < wide && kept < one.k && rows[i] >= 0; i++) {
            if (!one.selector || one.selector->is_member(rows[i])) {
                one.distances[kept] = distances[i];
                one.rows[kept++] = rows[i];
            }
        }
        if (kept == one.k) {
            return;
        }
    }
    scan_rows(computer, is_similarity(index, false), one.x, one);
}

void search_fast_scan(const faiss::IndexPQFastScan& index, const Search& search) {
    const bool whole = !search.selector && search.k > 1;
    if (whole) {
        index.search(search.n, search.x, search.k, search.distances, search.rows);
    }
    const auto computer = row_distances(index, false);
    for (idx_t q = 0; q < search.n; q++) {
        const Search one = search.one(q, index.d);
        // FAISS's 16-bit sums lose rows that are as far away as can be.
        if (!whole || one.rows[one.k - 1] < 0) {
            fast_scan_one(index, *computer, one);
        }
    }
}

/// The lists that are nearest to each query, and how near they are.
struct Lists {
    idx_t each;
    std::vector<idx_t> numbers;
    std::vector<float> distances;

    Lists(const faiss::IndexIVF& ivf, const Search& search);
};

Lists::Lists(const faiss::IndexIVF& ivf, const Search& search)
        : each(search.exact() ? ivf.nlist : std::min<int64_t>(search.breadth, ivf.nlist)),
          numbers(search.n * each),
          distances(search.n * each) {
    // A graph finds the farther ones of its candidates less surely.
    const idx_t wide = std::max<idx_t>(2 * each, 64);
    const Search nearest{
            search.n, search.x, each, wide, 1, 0, nullptr, 0, ivf.quantizer->ntotal, false, search.visited, -1, distances.data(), numbers.data()};
    auto hnsw = dynamic_cast<const IndexHNSW*>(ivf.quantizer);
    if (hnsw && !search.exact()) {
        search_graph(*hnsw, nearest);
    } else {
        const Index& centroids = hnsw ? *hnsw->storage : *ivf.quantizer;
        centroids.search(search.n, search.x, each, distances.data(), numbers.data());
    }
}

/// The k best of some answers to one query.
void keep_best(std::vector<std::pair<float, idx_t>>& found, float sign, const Search& one) {
    const size_t kept = std::min(found.size(), size_t(one.k));
    std::partial_sort(found.begin(), found.begin() + kept, found.end());
    for (size_t i = 0; i < kept; i++) {
        one.distances[i] = sign * found[i].first;
        one.rows[i] = found[i].second;
    }
    std::fill(one.rows + kept, one.rows + one.k, -1);
}

/// One query against `count` lists, as if it were several queries against as many lists each as the index itself says
/// (`nprobe`): FAISS sizes the tables of a fast scan over residuals by that, whatever the parameters are.
void scan_parts(
        const faiss::IndexIVFFastScan& ivf,
        const idx_t* lists,
        const float* nearness,
        idx_t count,
        const Search& one,
        std::vector<std::pair<float, idx_t>>& found) {
    const idx_t parts = (count + ivf.nprobe - 1) / ivf.nprobe;
    const idx_t wide = std::max<idx_t>(one.k, 2); // never one, as above
    std::vector<idx_t> numbers(lists, lists + count);
    std::vector<float> near(nearness, nearness + count);
    numbers.resize(parts * ivf.nprobe, -1);
    near.resize(parts * ivf.nprobe, 0);
    std::vector<float> queries;
    for (idx_t part = 0; part < parts; part++) {
        queries.insert(queries.end(), one.x, one.x + ivf.d);
    }
    std::vector<float> distances(parts * wide);
    std::vector<idx_t> rows(parts * wide);
    faiss::IVFSearchParameters parameters;
    parameters.nprobe = ivf.nprobe;
    parameters.sel = one.selector;
    ivf.search_preassigned(parts, queries.data(), wide, numbers.data(), near.data(), distances.data(), rows.data(), false, &parameters);
    const float sign = is_similarity(ivf, false) ? -1 : 1;
    for (size_t i = 0; i < rows.size(); i++) {
        if (rows[i] >= 0) {
            found.emplace_back(sign * distances[i], rows[i]);
        }
    }
}

/// Fast scan over residuals, one query, some lists at a time.
void scan_residuals(const faiss::IndexIVFFastScan& ivf, const idx_t* lists, const float* nearness, idx_t each, const Search& one) {
    const idx_t together = std::max<idx_t>(256, ivf.nprobe);
    std::vector<std::pair<float, idx_t>> found;
    for (idx_t start = 0; start < each; start += together) {
        scan_parts(ivf, lists + start, nearness + start, std::min(each - start, together), one, found);
    }
    keep_best(found, is_similarity(ivf, false) ? -1 : 1, one);
}

void fast_scan_lists(const faiss::IndexIVFFastScan& ivf, const Lists& lists, const Search& search) {
    const idx_t wide = std::max<idx_t>(search.k, 2); // never one, as above
    faiss::IVFSearchParameters parameters;
    parameters.nprobe = lists.each;
    parameters.sel = search.selector;
    std::vector<float> distances(search.n * wide);
    std::vector<idx_t> rows(search.n * wide);
    const bool parts = ivf.by_residual && lists.each != idx_t(ivf.nprobe);
    if (!parts) {
        ivf.search_preassigned(
                search.n, search.x, wide, lists.numbers.data(), lists.distances.data(), distances.data(), rows.data(), false, &parameters);
    }
    for (idx_t q = 0; q < search.n; q++) {
        const Search one = search.one(q, ivf.d);
        if (parts) {
            const idx_t first = q * lists.each;
            scan_residuals(ivf, lists.numbers.data() + first, lists.distances.data() + first, lists.each, one);
        } else {
            std::copy_n(distances.data() + q * wide, one.k, one.distances);
            std::copy_n(rows.data() + q * wide, one.k, one.rows);
        }
        if (search.exact() && one.rows[one.k - 1] < 0) {
            scan_lists(ivf, one.x, one);
        }
    }
}

/// One query's look into one inverted list: at so many rows from its beginning.
struct Visit {
    idx_t list;
    idx_t query;
    idx_t rows;
};

/// Which lists are looked into, those of a query from the nearest on, until it has seen as many codes as it may; those of
/// several queries list by list, so that each list is read from memory once for all of them.
std::vector<Visit> visits(const faiss::IndexIVF& ivf, const Lists& lists, const Search& search) {
    std::vector<Visit> all;
    all.reserve(lists.numbers.size());
    const bool limited = search.max_codes > 0 && !search.exact();
    for (idx_t q = 0; q < search.n; q++) {
        idx_t left = limited ? search.max_codes : ivf.ntotal;
        for (idx_t i = 0; i < lists.each; i++) {
            const idx_t list = lists.numbers[q * lists.each + i];
            const idx_t rows = list < 0 ? 0 : std::min<idx_t>(ivf.invlists->list_size(list), left);
            left -= rows;
            if (rows > 0) {
                all.push_back({list, q, rows});
            }
        }
    }
    if (search.n > 1) {
        std::stable_sort(all.begin(), all.end(), [](const Visit& a, const Visit& b) { return a.list < b.list; });
    }
    return all;
}

/// Looks through lists of floats, of a metric whose distance between a query and a row FAISS computes by `distance`. In place
/// of FAISS's IVFFlatScanner (IndexIVFFlat.cpp), which goes query by query.
struct FloatScan {
    using Distance = float (*)(const float*, const float*, size_t);
    const faiss::IndexIVFFlat& ivf;
    const Search& search;
    const Distance distance;
    std::vector<Nearest> nearest; // of each query

    FloatScan(const faiss::IndexIVFFlat& ivf, const Search& search, Distance distance)
            : ivf(ivf), search(search), distance(distance) {
        nearest.reserve(search.n);
        for (idx_t q = 0; q < search.n; q++) {
            nearest.emplace_back(search.one(q, ivf.d), is_similarity(ivf, false));
        }
    }

    void run(const Lists& lists) {
        const std::vector<Visit> all = visits(ivf, lists, search);
        for (auto first = all.begin(); first != all.end();) {
            const auto last = std::find_if(first, all.end(), [&](const Visit& visit) { return visit.list != first->list; });
            scan_list(&*first, &*first + (last - first));
            first = last;
        }
        for (Nearest& each : nearest) {
            each.finish();
        }
    }

private:
    /// All visits of one list, some rows at a time, which stay in a processor's second cache from one query to the next.
    void scan_list(const Visit* first, const Visit* last) {
        constexpr size_t TILE_BYTES = 128 << 10;
        const idx_t tile = std::max<idx_t>(1, TILE_BYTES / ivf.code_size);
        faiss::InvertedLists::ScopedCodes codes(ivf.invlists, first->list);
        faiss::InvertedLists::ScopedIds ids(ivf.invlists, first->list);
        const auto vectors = reinterpret_cast<const float*>(codes.get());
        const idx_t size = ivf.invlists->list_size(first->list);
        for (idx_t begin = 0; begin < size; begin += tile) {
            for (const Visit* visit = first; visit != last; visit++) {
                scan_part(visit->query, begin, std::min(begin + tile, visit->rows), ids.get(), vectors);
            }
        }
    }

    void scan_part(idx_t query, idx_t begin, idx_t end, const idx_t* ids, const float* vectors) {
        const float* x = search.x + query * ivf.d;
        for (idx_t i = begin; i < end; i++) {
            if (!search.selector || search.selector->is_member(ids[i])) {
                nearest[query].offer(ids[i], distance(x, vectors + i * ivf.d, ivf.d));
            }
        }
    }
};

} // namespace

void shim::search_codes(const Index& index, const Search& search) {
    if (has_quick_distances(index) && !dynamic_cast<const IndexFlat*>(&index)) {
        return scan_each(index, search);
    }
    const auto selecting = [&](const Index& codes) {
        faiss::SearchParameters parameters;
        parameters.sel = search.selector;
        codes.search(search.n, search.x, search.k, search.distances, search.rows, &parameters);
    };
    match(
            index,
            [&](const IndexFlat& flat) { search_flat(flat, search); },
            [&](const faiss::IndexPQFastScan& packed) { search_fast_scan(packed, search); },
            [&](const faiss::IndexScalarQuantizer& codes) { selecting(codes); },
            [&](const faiss::IndexRaBitQ& codes) { selecting(codes); },
            [&](const Index& codes) {
                if (search.selector) {
                    return scan_each(codes, search);
                }
                codes.search(search.n, search.x, search.k, search.distances, search.rows);
            });
}

namespace {

/// By FAISS's own scanners.
void scan_each_list(const faiss::IndexIVF& index, const Lists& lists, const Search& search) {
    faiss::IVFSearchParameters parameters;
    parameters.nprobe = lists.each;
    parameters.max_codes = search.exact() ? 0 : search.max_codes;
    parameters.sel = search.selector;
    faiss::IndexIVFStats statistics; // of this search alone: FAISS's own are shared by all threads
    index.search_preassigned(
            search.n,
            search.x,
            search.k,
            lists.numbers.data(),
            lists.distances.data(),
            search.distances,
            search.rows,
            false,
            &parameters,
            &statistics);
}

void scan_floats(const IndexIVFFlat& index, const Lists& lists, const Search& search) {
    if (index.metric_type == faiss::METRIC_L2) {
        return FloatScan(index, search, faiss::fvec_L2sqr).run(lists);
    }
    if (index.metric_type == faiss::METRIC_INNER_PRODUCT) {
        return FloatScan(index, search, faiss::fvec_inner_product).run(lists);
    }
    scan_each_list(index, lists, search);
}

} // namespace

void shim::search_lists(const faiss::IndexIVF& index, const Search& search) {
    const Lists lists(index, search);
    match(
            static_cast<const Index&>(index),
            [&](const faiss::IndexIVFPQFastScan& packed) { fast_scan_lists(packed, lists, search); },
            [&](const IndexIVFFlat& floats) { scan_floats(floats, lists, search); },
            [&](const faiss::IndexIVF& codes) { scan_each_list(codes, lists, search); },
            [](const Index&) {});
}
