// What threads share, and what each one has of its own, while rows join a graph (HNSW).

#pragma once

#include "search_hnsw.h"
#include "shim.h"

#include <array>
#include <mutex>
#include <queue>
#include <vector>

namespace shim {

/// A queue that can be emptied and given room.
template <class T>
struct Queue : std::priority_queue<T> {
    void clear() {
        this->c.clear();
    }
    void reserve(size_t room) {
        this->c.reserve(room);
    }
};

/// What one thread sorts candidates in. It has room for all links of a row before a lock is taken.
struct Scratch {
    Queue<faiss::HNSW::NodeDistCloser> found;    // the farthest on top
    Queue<faiss::HNSW::NodeDistFarther> nearest; // the nearest on top
    std::vector<faiss::HNSW::NodeDistFarther> kept;
    std::vector<faiss::HNSW::NodeDistFarther> outsiders;
    std::vector<Row> chosen;
    std::vector<Row> others;

    explicit Scratch(const faiss::HNSW& hnsw);
};

/// Locks of the rows' links. Several rows share one, and nobody holds two.
class Locks {
    std::array<std::mutex, 4096> all;

public:
    std::unique_lock<std::mutex> lock(Row row) {
        return std::unique_lock<std::mutex>(all[size_t(row) % all.size()]);
    }
};

/// Where walks begin: a row of the highest layer, which may change while rows join.
class Entry {
    std::mutex mutex;

public:
    /// Where a row of so many layers begins, and the layer of that; -1 where it is the first of all.
    Row enter(faiss::HNSW& hnsw, Row row, int level, int& layer);

    /// Makes a row that joined the one to begin at, if it is of a higher layer.
    void raise(faiss::HNSW& hnsw, Row row, int level);
};

struct Joining {
    Scratch& scratch;
    Locks& locks;
    Entry& entry;
};

/// Links a stored row of a graph, to which the distances are, with those close to it. With `full`, choosing links leaves none
/// of the places on the lowest layer empty. Other rows may join at the same time.
void join_graph(IndexHNSW& index, Row row, bool full, faiss::DistanceComputer& distances, faiss::VisitedTable& visited, Joining joining);

} // namespace shim
