// How one row joins a graph (HNSW): the links that FAISS's HNSW::add_with_locks (HNSW.cpp) gives it, after Malkov and
// Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical navigable small world graphs"
// (algorithms 1, 2 and 4), by steps of our own (walk.h).

#include "shim.h"
#include "walk.h"

#include <algorithm>
#include <queue>
#include <vector>

using namespace shim;
using faiss::DistanceComputer;
using faiss::HNSW;

namespace {

using Row = Walk::Row;
using Farthest = std::priority_queue<HNSW::NodeDistCloser>;
using Nearest = std::priority_queue<HNSW::NodeDistFarther>;

/// One row that joins; the distances are those to it.
struct Newcomer {
    HNSW& hnsw;
    Walk& walk;
    DistanceComputer& distances;
    const Row row;
    const bool full; // the lowest layer's lists are filled up with what the choice of links leaves out
    omp_lock_t* const locks;

    /// Those close to it on a layer, as many as the construction's breadth, found from one of them.
    Farthest around(Row start, float distance, int level) {
        Nearest candidates;
        Farthest found;
        candidates.emplace(distance, start);
        found.emplace(distance, start);
        walk.visited.set(start);
        while (!candidates.empty() && candidates.top().d <= found.top().d) {
            const Row at = candidates.top().id;
            candidates.pop();
            walk.measure_around(at, level, [&](Row other, float to_other) {
                if (found.size() < size_t(hnsw.efConstruction) || to_other < found.top().d) {
                    found.emplace(to_other, other);
                    candidates.emplace(to_other, other);
                    if (found.size() > size_t(hnsw.efConstruction)) {
                        found.pop();
                    }
                }
            });
        }
        walk.visited.advance();
        return found;
    }

    /// Links it with those around it on a layer, both ways.
    void link(Row start, float distance, int level) {
        Farthest found = around(start, distance, level);
        const std::vector<Row> others = chosen(found, hnsw.nb_neighbors(level));
        omp_set_lock(&locks[row]);
        for (const Row other : others) {
            add(row, other, level);
        }
        omp_unset_lock(&locks[row]);
        for (const Row other : others) {
            omp_set_lock(&locks[other]);
            add(other, row, level);
            omp_unset_lock(&locks[other]);
        }
    }

    /// Of those found fewer than `most`, or else no more than that: none that is closer to one of the others than to where
    /// distances are from. The farthest first; from queue to queue as FAISS does it, so that ties end the same way.
    std::vector<Row> chosen(Farthest& found, size_t most) {
        if (found.size() >= most) {
            Nearest candidates;
            for (; !found.empty(); found.pop()) {
                candidates.emplace(found.top().d, found.top().id);
            }
            std::vector<HNSW::NodeDistFarther> kept;
            HNSW::shrink_neighbor_list(distances, candidates, kept, int(most), full);
            for (const auto& node : kept) {
                found.emplace(node.d, node.id);
            }
        }
        std::vector<Row> rows;
        for (; !found.empty(); found.pop()) {
            rows.push_back(found.top().id);
        }
        return rows;
    }

    /// Adds a link; where there is no room for it, chooses anew which there are to be.
    void add(Row from, Row to, int level) {
        size_t begin, end;
        hnsw.neighbor_range(from, level, &begin, &end);
        Row* const first = hnsw.neighbors.data() + begin;
        Row* const last = hnsw.neighbors.data() + end;
        // A graph that comes from elsewhere may have free places in the middle, behind which nobody looks.
        Row* const free = std::find_if(first, last, [](Row other) { return other < 0; });
        if (free != last) {
            *free = to;
            return;
        }
        std::for_each(first, last, [&](Row other) { walk.ahead.ask(other); });
        Farthest linked;
        linked.emplace(distances.symmetric_dis(from, to), to);
        std::for_each(first, last, [&](Row other) { linked.emplace(distances.symmetric_dis(from, other), other); });
        const std::vector<Row> kept = chosen(linked, end - begin);
        std::fill(std::copy(kept.begin(), kept.end(), first), last, -1);
    }
};

} // namespace

void shim::join_graph(IndexHNSW& index, Row row, bool full, DistanceComputer& distances, faiss::VisitedTable& visited, omp_lock_t* locks) {
    HNSW& hnsw = index.hnsw;
    const int level = hnsw.levels[row] - 1;
    Row nearest;
    int layer;
#pragma omp critical(vinedb_entry)
    {
        nearest = hnsw.entry_point;
        layer = hnsw.max_level;
        if (nearest < 0) {
            hnsw.entry_point = row;
            hnsw.max_level = level;
        }
    }
    if (nearest < 0) {
        return;
    }
    Walk walk(index, distances, visited);
    float distance = distances(nearest);
    for (; layer > level; layer--) {
        walk.descend(nearest, distance, layer);
    }
    Newcomer newcomer{hnsw, walk, distances, row, full, locks};
    for (; layer >= 0; layer--) {
        newcomer.link(nearest, distance, layer);
    }
#pragma omp critical(vinedb_entry)
    if (level > hnsw.max_level) {
        hnsw.entry_point = row;
        hnsw.max_level = level;
    }
}
