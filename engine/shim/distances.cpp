// Distances to rows one by one, and rows as vectors: from the codes of any kind of index.

#include "kinds.h"
#include "nearest.h"
#include "shim.h"

#include <algorithm>
#include <vector>

#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/impl/pq4_fast_scan.h>
#include <faiss/utils/distances.h>
#include <faiss/utils/hamming.h>

using namespace shim;
using faiss::DistanceComputer;

namespace {

/// A query against rows; no row against another.
struct QueryDistances : DistanceComputer {
    float symmetric_dis(idx_t, idx_t) override {
        FAISS_THROW_MSG("no distances between rows");
    }
};

struct Products final : QueryDistances {
    const IndexFlat& flat;
    const float* query = nullptr;

    explicit Products(const IndexFlat& flat) : flat(flat) {}

    void set_query(const float* x) override {
        query = x;
    }

    float operator()(idx_t row) override {
        return faiss::fvec_inner_product(query, flat.get_xb() + row * flat.d, flat.d);
    }
};

struct Hammings final : QueryDistances {
    const faiss::IndexLSH& lsh;
    std::vector<uint8_t> query;
    faiss::HammingComputerDefault bits;

    explicit Hammings(const faiss::IndexLSH& lsh) : lsh(lsh), query(lsh.code_size) {}

    void set_query(const float* x) override {
        lsh.sa_encode(1, x, query.data());
        bits.set(query.data(), int(lsh.code_size));
    }

    float operator()(idx_t row) override {
        return float(bits.hamming(lsh.codes.data() + row * lsh.code_size));
    }
};

struct PackedCodes final : QueryDistances {
    const faiss::IndexPQFastScan& index;
    std::vector<float> table;

    explicit PackedCodes(const faiss::IndexPQFastScan& index) : index(index), table(index.M * index.ksub) {}

    void set_query(const float* x) override {
        index.compute_float_LUT(table.data(), 1, x);
    }

    float operator()(idx_t row) override {
        float sum = 0;
        for (size_t m = 0; m < index.M; m++) {
            const uint8_t code = faiss::pq4_get_packed_element(index.codes.data(), index.bbs, index.M2, row, m);
            sum += table[m * index.ksub + code];
        }
        return sum;
    }
};

struct Mapped final : QueryDistances {
    const IndexIVFFlat& ivf;
    std::unique_ptr<faiss::InvertedListScanner> scanner;

    explicit Mapped(const IndexIVFFlat& ivf) : ivf(ivf), scanner(ivf.get_InvertedListScanner(false, nullptr, nullptr)) {}

    void set_query(const float* x) override {
        scanner->set_query(x);
    }

    float operator()(idx_t row) override {
        const idx_t place = ivf.direct_map.get(row);
        const uint8_t* codes = ivf.invlists->get_codes(faiss::lo_listno(place));
        return scanner->distance_to_code(codes + faiss::lo_offset(place) * ivf.code_size);
    }
};

struct Transformed final : QueryDistances {
    const faiss::IndexPreTransform& index;
    std::unique_ptr<DistanceComputer> inner;
    std::unique_ptr<const float[]> query;

    explicit Transformed(const faiss::IndexPreTransform& index) : index(index), inner(row_distances(*index.index, false)) {}

    void set_query(const float* x) override {
        const float* changed = index.apply_chain(1, x);
        query.reset(changed == x ? nullptr : changed);
        inner->set_query(changed);
    }

    float operator()(idx_t row) override {
        return (*inner)(row);
    }

    void distances_batch_4(idx_t a, idx_t b, idx_t c, idx_t d, float& da, float& db, float& dc, float& dd) override {
        inner->distances_batch_4(a, b, c, d, da, db, dc, dd);
    }
};

/// Calls `visit(row, list, offset)` for the rows of all lists that `wanted` allows.
template <class Wanted, class Visit>
void visit_lists(const faiss::IndexIVF& ivf, Wanted wanted, Visit visit) {
    for (size_t list = 0; list < ivf.nlist; list++) {
        const size_t size = ivf.invlists->list_size(list);
        const faiss::InvertedLists::ScopedIds rows(ivf.invlists, list);
        for (size_t offset = 0; offset < size; offset++) {
            if (wanted(rows[offset])) {
                visit(rows[offset], list, offset);
            }
        }
    }
}

} // namespace

bool shim::is_similarity(const Index& index, bool products) {
    return products || faiss::is_similarity_metric(index.metric_type);
}

std::unique_ptr<DistanceComputer> shim::row_distances(const Index& index, bool products) {
    using Distances = std::unique_ptr<DistanceComputer>;
    return match(
            index,
            [=](const faiss::IndexRefine& refine) { return row_distances(*refine.refine_index, products); },
            [=](const IndexHNSW& graph) { return row_distances(*graph.storage, products); },
            [=](const faiss::IndexNSG& graph) { return row_distances(*graph.storage, products); },
            [](const faiss::IndexPreTransform& chain) -> Distances { return std::make_unique<Transformed>(chain); },
            [](const IndexIVFFlat& ivf) -> Distances { return std::make_unique<Mapped>(ivf); },
            [](const faiss::IndexPQFastScan& packed) -> Distances { return std::make_unique<PackedCodes>(packed); },
            [](const faiss::IndexLSH& lsh) -> Distances { return std::make_unique<Hammings>(lsh); },
            [=](const Index& codes) -> Distances {
                if (auto quick = code_distances(codes, is_similarity(codes, products), 1)) {
                    return quick;
                }
                auto flat = dynamic_cast<const IndexFlat*>(&codes);
                return flat && products ? Distances(std::make_unique<Products>(*flat)) : Distances(codes.get_distance_computer());
            });
}

void shim::scan_rows(DistanceComputer& distances, bool similarity, const float* query, const Search& search) {
    distances.set_query(query);
    Nearest nearest(search, similarity);
    idx_t four[4];
    int waiting = 0;
    for (idx_t row = search.first; row < search.last; row++) {
        if (search.selector && !search.selector->is_member(row)) {
            continue;
        }
        four[waiting++] = row;
        if (waiting == 4) {
            float d[4];
            distances.distances_batch_4(four[0], four[1], four[2], four[3], d[0], d[1], d[2], d[3]);
            for (int i = 0; i < 4; i++) {
                nearest.offer(four[i], d[i]);
            }
            waiting = 0;
        }
    }
    for (int i = 0; i < waiting; i++) {
        nearest.offer(four[i], distances(four[i]));
    }
    nearest.finish();
}

void shim::scan_lists(const faiss::IndexIVF& index, const float* query, const Search& search) {
    const bool similarity = is_similarity(index, false);
    Nearest nearest(search, similarity);
    std::vector<float> vector(index.d);
    const auto wanted = [&](idx_t row) { return !search.selector || search.selector->is_member(row); };
    visit_lists(index, wanted, [&](idx_t row, size_t list, size_t offset) {
        index.reconstruct_from_offset(list, offset, vector.data());
        nearest.offer(row, similarity ? faiss::fvec_inner_product(query, vector.data(), index.d)
                                      : faiss::fvec_L2sqr(query, vector.data(), index.d));
    });
    nearest.finish();
}

namespace {

void measure(DistanceComputer& computer, size_t n, const idx_t* rows, float* distances) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        computer.distances_batch_4(
                rows[i], rows[i + 1], rows[i + 2], rows[i + 3], distances[i], distances[i + 1], distances[i + 2], distances[i + 3]);
    }
    for (; i < n; i++) {
        distances[i] = computer(rows[i]);
    }
}

void reconstruct(const Index& index, size_t n, const idx_t* rows, float* x);

void reconstruct_lists(const faiss::IndexIVF& ivf, size_t n, const idx_t* rows, float* x) {
    if (ivf.direct_map.type == faiss::DirectMap::Array) {
        for (size_t i = 0; i < n; i++) {
            const idx_t place = ivf.direct_map.get(rows[i]);
            ivf.reconstruct_from_offset(faiss::lo_listno(place), faiss::lo_offset(place), x + i * ivf.d);
        }
        return;
    }
    const auto wanted = [&](idx_t row) { return std::binary_search(rows, rows + n, row); };
    visit_lists(ivf, wanted, [&](idx_t row, size_t list, size_t offset) {
        const size_t i = std::lower_bound(rows, rows + n, row) - rows;
        ivf.reconstruct_from_offset(list, offset, x + i * ivf.d);
    });
}

void reconstruct_transformed(const faiss::IndexPreTransform& pre, size_t n, const idx_t* rows, float* x) {
    std::vector<float> inner(n * pre.index->d);
    reconstruct(*pre.index, n, rows, inner.data());
    pre.reverse_chain(n, inner.data(), x);
}

void reconstruct(const Index& index, size_t n, const idx_t* rows, float* x) {
    match(
            index,
            [=](const faiss::IndexRefine& refine) { reconstruct(*refine.refine_index, n, rows, x); },
            [=](const faiss::IndexPreTransform& chain) { reconstruct_transformed(chain, n, rows, x); },
            [=](const faiss::IndexIVF& ivf) { reconstruct_lists(ivf, n, rows, x); },
            [=](const Index& codes) {
                for (size_t i = 0; i < n; i++) {
                    codes.reconstruct(rows[i], x + i * codes.d);
                }
            });
}

} // namespace

extern "C" {

/// Distances from one query to rows, all of them 0 <= row < rows.
int vinedb_faiss_distances(const Handle* handle, const float* query, bool products, size_t n, const int64_t* rows, float* distances) {
    return guarded([&] {
        const SingleThreaded here;
        const auto computer = row_distances(*handle->index, products);
        computer->set_query(query);
        measure(*computer, n, rows, distances);
    });
}

/// What is kept of rows, ascending and all of them 0 <= row < rows, as vectors.
int vinedb_faiss_reconstruct(const Handle* handle, size_t n, const int64_t* rows, float* x) {
    return guarded([&] {
        const SingleThreaded here;
        reconstruct(*handle->index, n, rows, x);
    });
}

} // extern "C"
