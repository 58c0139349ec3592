// Distances to vectors of floats, or of one byte per component (SQ8): L2 and inner product, four rows side by side, in the
// widest registers there are. FAISS's own add up the components that its registers do not divide one by one
// (distances_simd.cpp), and decode bytes in full and add up in one chain, where every sum waits for the one before
// (ScalarQuantizer.cpp).
//
// A component c stands for start + step·c: bytes by what training found, floats with start 0 and step 1. So x − y is
// (x − start) − step·c, and x·y is x·start + (x·step)·c: what does not depend on the row is worked out once per query.

#include "kinds.h"
#include "shim.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#ifdef __AVX2__
#include <immintrin.h>
#endif

using namespace shim;
using faiss::DistanceComputer;

namespace {

#ifdef __AVX512F__
constexpr size_t WIDE = 16;
#else
constexpr size_t WIDE = 8;
#endif
using Floats = float __attribute__((vector_size(WIDE * sizeof(float))));

/// How far ahead of short rows a scan prefetches, at least: the next four of them the processor has begun by itself. Measured
/// on a Zen 5, Flat over 390,000 × 50: 228 queries/s with 800 bytes, 327 with 4,096, 396 with 6,400, 510 with 9,600, 581 with
/// 16,384, where two threads no longer have 1.8 times that, and caches may be smaller.
constexpr size_t BYTES_AHEAD = 9600;

inline Floats load(const float* x) {
    Floats floats;
    std::memcpy(&floats, x, sizeof floats);
    return floats;
}

inline Floats load(const uint8_t* bytes) {
#if defined(__AVX512F__)
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes))));
#elif defined(__AVX2__)
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes))));
#else
    Floats floats;
    for (size_t i = 0; i < WIDE; i++) {
        floats[i] = bytes[i];
    }
    return floats;
#endif
}

inline float total(const Floats& x) {
#ifdef __AVX512F__
    return _mm512_reduce_add_ps(x);
#else
    return ((x[0] + x[4]) + (x[1] + x[5])) + ((x[2] + x[6]) + (x[3] + x[7]));
#endif
}

/// Components go in blocks of WIDE. Where they do not divide into such, the last block begins earlier, in components that
/// another one has, and has zeros for those. Distances are multiplied by the sign.
template <class T, bool product>
struct QuickDistances final : DistanceComputer {
    static constexpr bool whole = std::is_same_v<T, float>;
    const T* const data;
    const size_t d;
    const size_t blocks;
    const float sign;
    std::vector<float> start; // none for floats, which is 0
    std::vector<float> step;
    std::vector<float> shifted; // by component, x − start; for products x · step
    float constant = 0;

    /// Bytes have the least of each component in `trained`, and behind all of those how far each one reaches.
    QuickDistances(const T* data, size_t d, const float* trained, float sign)
            : data(data), d(d), blocks((d + WIDE - 1) / WIDE), sign(sign), step(blocks * WIDE), shifted(blocks * WIDE) {
        if constexpr (whole) {
            each_place([&](size_t, size_t place) { step[place] = 1; });
        } else {
            start.resize(blocks * WIDE);
            each_place([&](size_t i, size_t place) {
                step[place] = trained[d + i] / 255;
                start[place] = trained[i] + step[place] / 2;
            });
        }
    }

    /// Calls `work` with each component and its place in the blocks.
    template <class Work>
    void each_place(const Work& work) const {
        const size_t even = d / WIDE * WIDE;
        for (size_t i = 0; i < even; i++) {
            work(i, i);
        }
        for (size_t i = even; i < d; i++) {
            work(i, i + blocks * WIDE - d);
        }
    }

    void set_query(const float* x) override {
        if constexpr (whole) {
            each_place([&](size_t i, size_t place) { shifted[place] = x[i]; });
        } else if constexpr (product) {
            double sum = 0;
            each_place([&](size_t i, size_t place) {
                shifted[place] = x[i] * step[place];
                sum += double(x[i]) * start[place];
            });
            constant = float(sum);
        } else {
            each_place([&](size_t i, size_t place) { shifted[place] = x[i] - start[place]; });
        }
    }

    /// Adds what a block of components of the rows has to their sums; `ahead` is how far off components lie that will be
    /// wanted soon.
    template <size_t rows>
    [[gnu::always_inline]] void add(size_t place, size_t first, size_t ahead, const T* const (&row)[rows], Floats (&sums)[rows]) const {
        const Floats x = load(shifted.data() + place);
        const Floats each = load(step.data() + place);
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) {
            if (ahead) {
                __builtin_prefetch(row[r] + first + ahead);
            }
            const Floats y = load(row[r] + first);
            const Floats difference = x - each * y;
            sums[r] += product ? x * y : difference * difference;
        }
    }

    template <size_t rows>
    [[gnu::always_inline]] void measure(const T* const (&row)[rows], float (&distances)[rows], size_t ahead) const {
        Floats sums[rows] = {};
        size_t place = 0;
        for (; place + WIDE <= d; place += WIDE) {
            add(place, place, ahead, row, sums);
        }
        if (place < d) {
            add(place, d - WIDE, ahead, row, sums);
        }
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) {
            distances[r] = sign * (total(sums[r]) + constant);
        }
    }

    float operator()(idx_t i) override {
        float distance[1];
        measure<1>({data + i * d}, distance, 0);
        return distance[0];
    }

    void distances_batch_4(idx_t a, idx_t b, idx_t c, idx_t e, float& to_a, float& to_b, float& to_c, float& to_e) override {
        float distances[4];
        const T* const row[4] = {data + a * d, data + b * d, data + c * d, data + e * d};
        // Of rows side by side the next ones follow, and four streams are more than the processor foresees by itself.
        if (e - a == 3) {
            measure<4>(row, distances, std::max(4 * d, BYTES_AHEAD / sizeof(T)));
        } else {
            measure<4>(row, distances, 0);
        }
        to_a = distances[0];
        to_b = distances[1];
        to_c = distances[2];
        to_e = distances[3];
    }

    /// Between two rows, which building a graph asks for.
    float symmetric_dis(idx_t i, idx_t j) override {
        const T *one = data + i * d, *other = data + j * d;
        Floats sum = {};
        for (size_t place = 0; place < blocks * WIDE; place += WIDE) {
            const size_t first = place + WIDE <= d ? place : d - WIDE;
            const Floats from = whole ? Floats{} : load(start.data() + place);
            const Floats each = load(step.data() + place);
            const Floats x = load(one + first), y = load(other + first);
            const Floats difference = each * (x - y);
            sum += product ? (from + each * x) * (from + each * y) : difference * difference;
        }
        return sign * total(sum);
    }
};

template <class T>
std::unique_ptr<DistanceComputer> quick_distances(const Index& index, const T* data, const float* trained, bool products, float sign) {
    if (products) {
        return std::make_unique<QuickDistances<T, true>>(data, index.d, trained, sign);
    }
    return std::make_unique<QuickDistances<T, false>>(data, index.d, trained, sign);
}

} // namespace

bool shim::has_quick_distances(const Index& index) {
    const bool metric = index.metric_type == faiss::METRIC_L2 || index.metric_type == faiss::METRIC_INNER_PRODUCT;
    const bool codes = match(
            index,
            [](const IndexFlat&) { return true; },
            [](const faiss::IndexScalarQuantizer& bytes) { return bytes.sq.qtype == faiss::ScalarQuantizer::QT_8bit; },
            [](const Index&) { return false; });
    return metric && codes && size_t(index.d) >= WIDE;
}

std::unique_ptr<DistanceComputer> shim::code_distances(const Index& index, bool products, float sign) {
    if (!has_quick_distances(index)) {
        return nullptr;
    }
    if (auto flat = dynamic_cast<const IndexFlat*>(&index)) {
        return quick_distances(index, flat->get_xb(), nullptr, products, sign);
    }
    const auto& bytes = dynamic_cast<const faiss::IndexScalarQuantizer&>(index);
    return quick_distances(index, bytes.codes.data(), bytes.sq.trained.data(), products, sign);
}

std::unique_ptr<DistanceComputer> shim::graph_distances(const Index& storage) {
    const bool similarity = faiss::is_similarity_metric(storage.metric_type);
    if (auto quick = code_distances(storage, similarity, similarity ? -1 : 1)) {
        return quick;
    }
    std::unique_ptr<DistanceComputer> plain(storage.get_distance_computer());
    if (!similarity) {
        return plain;
    }
    return std::make_unique<faiss::NegativeDistanceComputer>(plain.release());
}
