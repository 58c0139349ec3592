// The shim's distances to floats and bytes, as this program's flags compile them, against plain sums in double precision:
// dimensions that the registers divide and others, either metric, either sign, rows side by side and apart. Prints how many
// distances it compared; ends with 1 at the first that is wrong.

#include "shim.h"

#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include <faiss/IndexScalarQuantizer.h>

using namespace shim;

namespace {

constexpr idx_t ROWS = 24;
long compared = 0;

/// What a row is worth to the index: of bytes, what they stand for.
std::vector<float> stored(const Index& index) {
    std::vector<float> all(ROWS * index.d);
    index.reconstruct_n(0, ROWS, all.data());
    return all;
}

struct Expected {
    double distance;
    double scale; // what it is the sum of, without signs
};

Expected plain(const float* x, const float* y, int d, bool products) {
    Expected expected{0, 0};
    for (int i = 0; i < d; i++) {
        const double term = products ? double(x[i]) * y[i] : (double(x[i]) - y[i]) * (double(x[i]) - y[i]);
        expected.distance += term;
        expected.scale += std::fabs(term) + std::fabs(double(x[i]) * x[i]) + std::fabs(double(y[i]) * y[i]);
    }
    return expected;
}

void compare(const char* what, const Index& index, bool products, float sign, Expected expected, float found) {
    compared++;
    const double off = std::fabs(found - sign * expected.distance);
    if (!(off <= 2e-6 * expected.scale)) {
        std::printf("%s, dimension %d, products %d, sign %g: %.9g where %.9g is right\n", what, index.d, products, sign, found, sign * expected.distance);
        std::exit(1);
    }
}

void check(const Index& index, const float* query, bool products, float sign) {
    const auto distances = code_distances(index, products, sign);
    if (!distances) {
        std::printf("dimension %d: no distances of ours\n", index.d);
        std::exit(1);
    }
    const std::vector<float> rows = stored(index);
    const auto to_query = [&](idx_t row) { return plain(query, rows.data() + row * index.d, index.d, products); };
    distances->set_query(query);
    for (idx_t row = 0; row < ROWS; row++) {
        compare("one row", index, products, sign, to_query(row), (*distances)(row));
        for (idx_t other = 0; other < ROWS; other++) {
            const Expected expected = plain(rows.data() + row * index.d, rows.data() + other * index.d, index.d, products);
            compare("two rows", index, products, sign, expected, distances->symmetric_dis(row, other));
        }
    }
    const idx_t fours[][4] = {{0, 1, 2, 3}, {20, 21, 22, 23}, {7, 7, 7, 7}, {23, 0, 11, 5}};
    for (const auto& four : fours) {
        float found[4];
        distances->distances_batch_4(four[0], four[1], four[2], four[3], found[0], found[1], found[2], found[3]);
        for (int i = 0; i < 4; i++) {
            compare("one of four", index, products, sign, to_query(four[i]), found[i]);
        }
    }
}

void check_dimension(int d, std::mt19937& random) {
    std::uniform_real_distribution<float> number(-3, 3);
    std::vector<float> vectors((ROWS + 1) * d);
    for (float& x : vectors) {
        x = number(random);
    }
    const float* const query = vectors.data() + ROWS * d;
    for (const auto metric : {faiss::METRIC_L2, faiss::METRIC_INNER_PRODUCT}) {
        IndexFlat flat(d, metric);
        flat.add(ROWS, vectors.data());
        faiss::IndexScalarQuantizer bytes(d, faiss::ScalarQuantizer::QT_8bit, metric);
        bytes.train(ROWS, vectors.data());
        bytes.add(ROWS, vectors.data());
        for (const bool products : {false, true}) {
            for (const float sign : {1.f, -1.f}) {
                check(flat, query, products, sign);
                check(bytes, query, products, sign);
            }
        }
    }
}

} // namespace

int main() {
    std::mt19937 random(7);
    for (const int d : {16, 17, 23, 24, 25, 31, 32, 33, 47, 48, 50, 63, 64, 65, 100, 127, 128, 130, 384, 769}) {
        check_dimension(d, random);
    }
    std::printf("%ld distances\n", compared);
}
