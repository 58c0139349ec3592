// Distances to vectors of one byte per component (SQ8): L2 and inner product, four rows side by side. FAISS's own
// (ScalarQuantizer.cpp) decode each component in full and add up in one chain, where every sum waits for the one before.
//
// A byte c stands for start + step·c. So x − y is (x − start) − step·c, and x·y is x·start + (x·step)·c: what does not
// depend on the row is worked out once per query.

#include "shim.h"

#include <algorithm>
#include <cstring>
#include <vector>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include <faiss/IndexScalarQuantizer.h>

using namespace shim;
using faiss::DistanceComputer;

namespace {

constexpr size_t WIDE = 8;
using Floats = float __attribute__((vector_size(WIDE * sizeof(float))));

inline Floats load(const float* x) {
    Floats floats;
    std::memcpy(&floats, x, sizeof floats);
    return floats;
}

inline Floats widen(const uint8_t* bytes) {
#ifdef __AVX2__
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
    return ((x[0] + x[4]) + (x[1] + x[5])) + ((x[2] + x[6]) + (x[3] + x[7]));
}

/// Components go in blocks of WIDE. Where they do not divide into such, the last block begins earlier, in components that
/// another one has, and has zeros for those.
template <bool product>
struct ByteDistances final : DistanceComputer {
    const uint8_t* codes;
    const float* least; // of each component; behind it how far each one reaches
    size_t d;
    size_t blocks;
    std::vector<float> step;
    std::vector<float> shifted; // by component, x − start; for products x · step
    float constant = 0;

    explicit ByteDistances(const faiss::IndexScalarQuantizer& index)
            : codes(index.codes.data()),
              least(index.sq.trained.data()),
              d(index.d),
              blocks((d + WIDE - 1) / WIDE),
              step(blocks * WIDE),
              shifted(blocks * WIDE) {
        for (size_t i = 0; i < d; i++) {
            step[place(i)] = least[d + i] / 255;
        }
    }

    size_t place(size_t i) const {
        return i < d / WIDE * WIDE ? i : i + blocks * WIDE - d;
    }

    void set_query(const float* x) override {
        double sum = 0;
        for (size_t i = 0; i < d; i++) {
            const float each = step[place(i)];
            const float start = least[i] + each / 2;
            shifted[place(i)] = product ? x[i] * each : x[i] - start;
            sum += product ? double(x[i]) * start : 0;
        }
        constant = float(sum);
    }

    template <size_t rows>
    void measure(const uint8_t* const (&row)[rows], float (&distances)[rows]) const {
        Floats sums[rows] = {};
        for (size_t b = 0; b < blocks; b++) {
            const size_t offset = std::min(b * WIDE, d - WIDE);
            const Floats x = load(shifted.data() + b * WIDE);
            const Floats each = load(step.data() + b * WIDE);
            for (size_t r = 0; r < rows; r++) {
                const Floats bytes = widen(row[r] + offset);
                const Floats difference = x - each * bytes;
                sums[r] += product ? x * bytes : difference * difference;
            }
        }
        for (size_t r = 0; r < rows; r++) {
            distances[r] = total(sums[r]) + constant;
        }
    }

    float operator()(idx_t i) override {
        float distance[1];
        measure<1>({codes + i * d}, distance);
        return distance[0];
    }

    void distances_batch_4(idx_t a, idx_t b, idx_t c, idx_t e, float& to_a, float& to_b, float& to_c, float& to_e) override {
        float distances[4];
        measure<4>({codes + a * d, codes + b * d, codes + c * d, codes + e * d}, distances);
        to_a = distances[0];
        to_b = distances[1];
        to_c = distances[2];
        to_e = distances[3];
    }

    /// Between two rows, which building a graph asks for.
    float symmetric_dis(idx_t i, idx_t j) override {
        const uint8_t *one = codes + i * d, *other = codes + j * d;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t c = 0; c < d; c++) {
            const float each = least[d + c] / 255;
            const float start = least[c] + each / 2;
            const float difference = each * (float(one[c]) - float(other[c]));
            sum += product ? (start + each * float(one[c])) * (start + each * float(other[c])) : difference * difference;
        }
        return sum;
    }
};

} // namespace

bool shim::has_quick_distances(const Index& index) {
    auto bytes = dynamic_cast<const faiss::IndexScalarQuantizer*>(&index);
    const bool measured = index.metric_type == faiss::METRIC_L2 || index.metric_type == faiss::METRIC_INNER_PRODUCT;
    return measured && bytes && bytes->sq.qtype == faiss::ScalarQuantizer::QT_8bit && size_t(bytes->d) >= WIDE;
}

std::unique_ptr<DistanceComputer> shim::code_distances(const Index& index) {
    if (!has_quick_distances(index)) {
        return std::unique_ptr<DistanceComputer>(index.get_distance_computer());
    }
    const auto& bytes = dynamic_cast<const faiss::IndexScalarQuantizer&>(index);
    if (index.metric_type == faiss::METRIC_L2) {
        return std::make_unique<ByteDistances<false>>(bytes);
    }
    return std::make_unique<ByteDistances<true>>(bytes);
}
