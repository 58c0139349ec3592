// Building a graph (HNSW): how one row joins it, by the links that FAISS's HNSW::add_with_locks (HNSW.cpp) gives it, after
// Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical navigable small world
// graphs" (algorithms 1, 2 and 4), by steps of our own (search_hnsw.h).

#include "build_hnsw.h"

#include <algorithm>

using namespace shim;
using faiss::HNSW;

namespace {

/// One layer of a row that joins.
struct Newcomer {
    HNSW& hnsw;
    Joining& joining;
    Walk walk;
    const Row row;
    const bool full; // the lowest layer's lists are filled up with what the choice of links leaves out

    faiss::DistanceComputer& distances() const {
        return walk.distances;
    }

    /// Fills `found` with those close to it on a layer, as many as the construction's breadth, found from one of them.
    void look_around(Row start, float distance, int level) {
        auto& found = joining.scratch.found;
        auto& candidates = joining.scratch.nearest;
        found.clear();
        candidates.clear();
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
    }

    /// Links it with those around it on a layer, both ways.
    void link(Row start, float distance, int level) {
        look_around(start, distance, level);
        choose(hnsw.nb_neighbors(level));
        auto& others = joining.scratch.others;
        others.assign(joining.scratch.chosen.begin(), joining.scratch.chosen.end());
        {
            const auto lock = joining.locks.lock(row);
            for (const Row other : others) {
                add(row, other, level);
            }
        }
        for (const Row other : others) {
            const auto lock = joining.locks.lock(other);
            add(other, row, level);
        }
    }

    /// Fills `chosen` out of `found`: all of them where they are fewer than `most`, or else no more than that, and none that is
    /// closer to one of the others than to where distances are from. The farthest first; from queue to queue as FAISS does it
    /// (HNSW::shrink_neighbor_list), so that ties end the same way.
    void choose(size_t most) {
        auto& [found, candidates, kept, outsiders, chosen, others] = joining.scratch;
        if (found.size() >= most) {
            candidates.clear();
            for (; !found.empty(); found.pop()) {
                candidates.emplace(found.top().d, found.top().id);
            }
            kept.clear();
            outsiders.clear();
            for (; !candidates.empty() && kept.size() < most; candidates.pop()) {
                const HNSW::NodeDistFarther next = candidates.top();
                const bool apart = std::all_of(kept.begin(), kept.end(), [&](const HNSW::NodeDistFarther& other) {
                    return !(distances().symmetric_dis(other.id, next.id) < next.d);
                });
                (apart ? kept : outsiders).push_back(next);
            }
            for (size_t i = 0; full && i < outsiders.size() && kept.size() < most; i++) {
                kept.push_back(outsiders[i]);
            }
            for (const auto& node : kept) {
                found.emplace(node.d, node.id);
            }
        }
        chosen.clear();
        for (; !found.empty(); found.pop()) {
            chosen.push_back(found.top().id);
        }
    }

    /// Adds a link, under the lock of `from`; where there is no room for it, chooses anew which there are to be. Nothing is
    /// allocated: the scratch has room for every link.
    void add(Row from, Row to, int level) {
        size_t begin, end;
        hnsw.neighbor_range(from, level, &begin, &end);
        Row* const first = hnsw.neighbors.data() + begin;
        Row* const last = hnsw.neighbors.data() + end;
        // A graph that comes from elsewhere may have free places in the middle, behind which nobody looks.
        Row* const free = std::find_if(first, last, [](Row other) { return other < 0; });
        if (free != last) {
            store_link(*free, to);
            return;
        }
        std::for_each(first, last, [&](Row other) { walk.prefetch(other); });
        auto& linked = joining.scratch.found;
        linked.clear();
        linked.emplace(distances().symmetric_dis(from, to), to);
        std::for_each(first, last, [&](Row other) { linked.emplace(distances().symmetric_dis(from, other), other); });
        choose(end - begin);
        const auto& kept = joining.scratch.chosen;
        for (size_t i = 0; i < end - begin; i++) {
            store_link(first[i], i < kept.size() ? kept[i] : -1);
        }
    }
};

} // namespace

Scratch::Scratch(const HNSW& hnsw) {
    size_t most = hnsw.efConstruction;
    for (size_t level = 0; level + 1 < hnsw.cum_nneighbor_per_level.size(); level++) {
        most = std::max<size_t>(most, hnsw.nb_neighbors(level));
    }
    most += 2; // one that is to be added, and one too many before it is dropped
    found.reserve(most);
    nearest.reserve(8 * most);
    kept.reserve(most);
    outsiders.reserve(most);
    chosen.reserve(most);
    others.reserve(most);
}

Row Entry::enter(HNSW& hnsw, Row row, int level, int& layer) {
    const std::lock_guard<std::mutex> lock(mutex);
    const Row nearest = hnsw.entry_point;
    layer = hnsw.max_level;
    if (nearest < 0) {
        hnsw.entry_point = row;
        hnsw.max_level = level;
    }
    return nearest;
}

void Entry::raise(HNSW& hnsw, Row row, int level) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (level > hnsw.max_level) {
        hnsw.entry_point = row;
        hnsw.max_level = level;
    }
}

void shim::join_graph(IndexHNSW& index, Row row, bool full, faiss::DistanceComputer& distances, faiss::VisitedTable& visited, Joining joining) {
    HNSW& hnsw = index.hnsw;
    const int level = hnsw.levels[row] - 1;
    int layer;
    Row nearest = joining.entry.enter(hnsw, row, level, layer);
    if (nearest < 0) {
        return;
    }
    Newcomer newcomer{hnsw, joining, Walk(index, distances, visited), row, full};
    float distance = distances(nearest);
    for (; layer > level; layer--) {
        newcomer.walk.descend(nearest, distance, layer);
    }
    for (; layer >= 0; layer--) {
        newcomer.link(nearest, distance, layer);
    }
    joining.entry.raise(hnsw, row, level);
}
