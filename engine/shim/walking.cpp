// Searching a graph (HNSW): the walk of FAISS's HNSW::search (HNSW.cpp), by steps of our own (walk.h). What it finds is the
// same.

#include "shim.h"
#include "walk.h"

#include <algorithm>
#include <limits>

using namespace shim;
using faiss::HNSW;

void shim::walk_graph(
        const IndexHNSW& index,
        faiss::DistanceComputer& distances,
        faiss::VisitedTable& visited,
        int breadth,
        const faiss::IDSelector* selector,
        Found& found) {
    const HNSW& hnsw = index.hnsw;
    Walk::Row nearest = hnsw.entry_point;
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
    const auto take = [&](Walk::Row row, float to_row) {
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
        const Walk::Row at = candidates.pop_min(&closest);
        // Where candidates are no more than the breadth, the one at hand among them, fewer are closer.
        if (at < 0 || (breadth < candidates.n && candidates.count_below(closest) >= breadth)) {
            break;
        }
        walk.measure_around(at, 0, take);
    }
    visited.advance();
}
