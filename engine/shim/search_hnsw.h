// One step of a walk through a graph (HNSW). Nearly all the time of a walk goes by waiting for memory, so the vectors that a
// step will measure are all prefetched before the first of them is read.
//
// While a graph is built, threads read links that others write. Both go by relaxed atomics, as plain moves do in the machine:
// a row that is linked was stored before, and a walk that sees an older list merely takes another way.

#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <faiss/IndexFlatCodes.h>
#include <faiss/IndexHNSW.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/DistanceComputer.h>

namespace shim {

using Row = faiss::HNSW::storage_idx_t;

inline Row load_link(const Row& link) {
    return __atomic_load_n(&link, __ATOMIC_RELAXED);
}

inline void store_link(Row& link, Row to) {
    __atomic_store_n(&link, to, __ATOMIC_RELAXED);
}

/// Prefetches what the storage keeps of a row: its beginning, behind which the processor reads ahead by itself.
struct Prefetch {
    static constexpr size_t LINE = 64;
    static constexpr size_t MOST = 6 * LINE;
    const uint8_t* codes = nullptr;
    size_t size = 0;

    explicit Prefetch(const faiss::Index& storage) {
        if (auto flat = dynamic_cast<const faiss::IndexFlatCodes*>(&storage)) {
            codes = flat->codes.data();
            size = flat->code_size;
        }
    }

    void operator()(size_t row) const {
        const uint8_t* const code = codes + row * size;
        const size_t ahead = std::min(size, MOST);
        for (size_t at = 0; at < ahead; at += LINE) {
            __builtin_prefetch(code + at);
        }
        if (ahead > 0) {
            __builtin_prefetch(code + ahead - 1);
        }
    }
};

/// A walk, by the distances to its query; no row that is visited already is measured.
struct Walk {
    const faiss::HNSW& hnsw;
    const Prefetch prefetch;
    faiss::DistanceComputer& distances;
    faiss::VisitedTable& visited;
    std::vector<Row> step; // the rows of one step, no more than a row has links

    Walk(const faiss::IndexHNSW& index, faiss::DistanceComputer& distances, faiss::VisitedTable& visited)
            : hnsw(index.hnsw), prefetch(*index.storage), distances(distances), visited(visited) {}

    /// Goes to closer rows on a layer until none that its links lead to is closer.
    void descend(Row& nearest, float& distance, int layer) {
        for (Row before = -1; before != nearest;) {
            before = nearest;
            look_around(nearest, layer, false);
            measure([&](Row row, float to_row) {
                if (to_row < distance) {
                    nearest = row;
                    distance = to_row;
                }
            });
        }
    }

    /// Measures those that a row leads to on a layer and that are not visited, and marks them; calls `take` with each and its
    /// distance.
    template <class Take>
    void measure_around(Row at, int layer, const Take& take) {
        look_around(at, layer, true);
        measure(take);
    }

private:
    template <class Take>
    void measure(const Take& take) {
        size_t i = 0;
        for (; i + 4 <= step.size(); i += 4) {
            float to[4];
            distances.distances_batch_4(step[i], step[i + 1], step[i + 2], step[i + 3], to[0], to[1], to[2], to[3]);
            for (size_t j = 0; j < 4; j++) {
                take(step[i + j], to[j]);
            }
        }
        for (; i < step.size(); i++) {
            take(step[i], distances(step[i]));
        }
    }

    /// Fills `step` with those that a row leads to and that are not visited.
    void look_around(Row at, int layer, bool mark) {
        size_t begin, end;
        hnsw.neighbor_range(at, layer, &begin, &end);
        const Row* const links = hnsw.neighbors.data();
        step.clear();
        for (size_t i = begin; i < end; i++) {
            const Row other = load_link(links[i]);
            if (other < 0) {
                break;
            }
            if (!visited.get(other)) {
                if (mark) {
                    visited.set(other);
                }
                prefetch(other);
                step.push_back(other);
            }
        }
    }
};

} // namespace shim
