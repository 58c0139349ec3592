// The k nearest of what one query is compared with.

#pragma once

#include "shim.h"

#include <algorithm>

#include <faiss/utils/Heap.h>
#include <faiss/utils/ordered_key_value.h>

namespace shim {

/// A heap in the place where one query's answers go, the farthest of them on top; similarities are in it negated. Of rows
/// that are as far away as each other, the first are the nearest, in whatever order they are met.
class Nearest {
    using Farther = faiss::CMax<float, idx_t>;
    const idx_t k;
    float* const distances;
    idx_t* const rows;
    const float sign;

public:
    Nearest(const Search& one, bool similarity)
            : k(one.k), distances(one.distances), rows(one.rows), sign(similarity ? -1 : 1) {
        faiss::heap_heapify<Farther>(k, distances, rows);
    }

    void offer(idx_t row, float distance) {
        const float far = sign * distance;
        if (Farther::cmp2(distances[0], far, rows[0], row)) {
            faiss::heap_replace_top<Farther>(k, distances, rows, far, row);
        }
    }

    /// The nearest first.
    void finish() {
        faiss::heap_reorder<Farther>(k, distances, rows);
        std::transform(distances, distances + k, distances, [this](float far) { return sign * far; });
    }
};

} // namespace shim
