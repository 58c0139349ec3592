// Linking the vectors of a graph (HNSW) once they are stored, however many pieces they came in. FAISS links what one call
// brings, so a graph that grows by pieces has its upper layers made of the first ones alone; where vectors come in some
// order, say words by their frequency, whole regions of the later ones are then out of reach of most walks.
//
// Afterwards every vector can be looked for by a short walk, and what it misses gets one more link to it, from where the
// walk ended. Links are only added, or put in the place of the last of a full list; their number stays the same.

#include "build_hnsw.h"

#include <algorithm>
#include <utility>

#include <faiss/utils/random.h>

using namespace shim;
using faiss::DistanceComputer;
using faiss::HNSW;

namespace {

/// Rows between two reports. Mirrors `LINKED_PER_STEP` in backend/faiss/growing.rs.
constexpr size_t LINKED_PER_STEP = 1024;
/// What a walk of the second breadth finds is within reach; most is found by one of the first already.
constexpr int QUICK = 2;
constexpr int BREADTH = 10;
/// A new link turns other walks aside; so those around it are looked for again, so many times.
constexpr int ROUNDS = 4;

/// What one thread needs to walk through the graph.
struct Walker {
    const IndexHNSW& index;
    faiss::VisitedTable visited;
    std::unique_ptr<DistanceComputer> distances;
    std::vector<float> vector;
    Scratch scratch;
    Row rows[BREADTH];
    float far[BREADTH];

    explicit Walker(const IndexHNSW& index)
            : index(index),
              visited(int(index.storage->ntotal)),
              distances(graph_distances(*index.storage)),
              vector(index.d),
              scratch(index.hnsw) {}

    /// Makes distances those to a row, which the storage keeps whole or in codes.
    void look_for(idx_t row) {
        if (auto flat = dynamic_cast<const IndexFlat*>(index.storage)) {
            return distances->set_query(flat->get_xb() + row * flat->d);
        }
        index.storage->reconstruct(row, vector.data());
        distances->set_query(vector.data());
    }

    /// Fills `rows`, closest first, -1 behind them.
    void walk(int breadth) {
        idx_t found[BREADTH];
        using Results = faiss::HeapBlockResultHandler<HNSW::C>;
        Results results(1, far, found, breadth);
        Found result(results);
        result.begin(0);
        walk_graph(index, *distances, visited, breadth, nullptr, result);
        result.end();
        std::copy(found, found + breadth, rows);
    }

    /// Whether a walk for the row that is looked for ends at it, or at others that are no farther.
    bool finds(Row row, int breadth) {
        walk(breadth);
        return std::find(rows, rows + breadth, row) != rows + breadth || (rows[0] >= 0 && far[0] <= (*distances)(row));
    }
};

/// A walker for each thread.
struct Crew {
    const IndexHNSW& index;
    std::vector<std::unique_ptr<Walker>> walkers;

    explicit Crew(const IndexHNSW& index) : index(index) {
        for (int i = 0; i < omp_get_max_threads(); i++) {
            walkers.push_back(std::make_unique<Walker>(index));
        }
    }

    /// Calls `work` with a walker for each of the rows, side by side, and `step` every LINKED_PER_STEP rows.
    template <class Work>
    void over(const std::vector<Row>& rows, const Steps& steps, const Work& work) {
        for (size_t start = 0; start < rows.size(); start += LINKED_PER_STEP) {
            steps.next();
            part(rows.data() + start, std::min(LINKED_PER_STEP, rows.size() - start), work);
        }
    }

    /// Those of the rows, which ascend, that are not found.
    std::vector<Row> missed(const std::vector<Row>& rows, const Steps& steps) {
        std::vector<uint8_t> found(index.ntotal);
        over(rows, steps, [&](Walker& walker, Row row) {
            walker.look_for(row);
            found[row] = walker.finds(row, QUICK) || walker.finds(row, BREADTH);
        });
        std::vector<Row> missed;
        std::copy_if(rows.begin(), rows.end(), std::back_inserter(missed), [&](Row row) { return !found[row]; });
        return missed;
    }

private:
    template <class Work>
    void part(const Row* rows, size_t n, const Work& work) {
        Failure failure;
#pragma omp parallel for schedule(dynamic, 8) if (n > 100)
        for (size_t i = 0; i < n; i++) {
            failure.catching([&] { work(*walkers[omp_get_thread_num()], rows[i]); });
        }
        failure.rethrow();
    }
};

/// The rows from `first` on by their number of layers, in the order in which FAISS links them (`hnsw_add_vertices` in
/// IndexHNSW.cpp): those of the last first, each shuffled.
std::vector<std::vector<Row>> by_level(const HNSW& hnsw, idx_t first) {
    std::vector<std::vector<Row>> levels;
    for (size_t row = first; row < hnsw.levels.size(); row++) {
        const size_t level = hnsw.levels[row] - 1;
        levels.resize(std::max(levels.size(), level + 1));
        levels[level].push_back(Row(row));
    }
    faiss::RandomGenerator random(789);
    for (auto level = levels.rbegin(); level != levels.rend(); ++level) {
        const int n = int(level->size());
        for (int i = 0; i < n; i++) {
            std::swap((*level)[i], (*level)[i + random.rand_int(n - i)]);
        }
    }
    return levels;
}

/// Makes one of these rows, which are none behind the first -1, lead to `row` on the lowest layer: the first with a free
/// place for a link, else the first of all, in place of its last. Returns the row that lost a link, or -1.
Row lead(HNSW& hnsw, const Row* from, Row row) {
    Row* last = nullptr;
    for (int i = 0; i < BREADTH && from[i] >= 0; i++) {
        size_t begin, end;
        hnsw.neighbor_range(from[i], 0, &begin, &end);
        Row* const links = hnsw.neighbors.data();
        Row* const place = std::find_if(links + begin, links + end, [&](Row other) { return other < 0 || other == row; });
        if (place == links + end) {
            last = last ? last : place - 1;
        } else if (*place < 0) {
            *place = row;
            return -1;
        }
    }
    return last ? std::exchange(*last, row) : -1;
}

/// Adds links until a walk for a row finds it, from where such walks end. Rows that lose a link by that are to be looked for again.
void lead_to(IndexHNSW& index, Walker& walker, Row row, std::vector<Row>& again) {
    walker.look_for(row);
    for (int tries = 0; tries < BREADTH && !walker.finds(row, BREADTH); tries++) {
        const Row loser = lead(index.hnsw, walker.rows, row);
        if (loser >= 0) {
            again.push_back(loser);
        }
    }
}

/// Puts those that a row leads to on the lowest layer behind the others.
void add_links(const HNSW& hnsw, Row row, std::vector<Row>& rows) {
    size_t begin, end;
    hnsw.neighbor_range(row, 0, &begin, &end);
    for (size_t i = begin; i < end && hnsw.neighbors[i] >= 0; i++) {
        rows.push_back(hnsw.neighbors[i]);
    }
}

} // namespace

void shim::link_graph(IndexHNSW& index, idx_t n, const float* x, const Steps& steps) {
    const idx_t first = index.ntotal;
    const idx_t rows = index.storage->ntotal;
    if (first == rows) {
        return;
    }
    index.hnsw.prepare_level_tab(rows - first, false);
    index.ntotal = rows;
    Entry entry;
    const auto locks = std::make_unique<Locks>();
    Crew crew(index);
    const auto levels = by_level(index.hnsw, first);
    for (size_t level = levels.size(); level-- > 0;) {
        const bool full = index.keep_max_size_level0 && level == 0;
        crew.over(levels[level], steps, [&](Walker& walker, Row row) {
            if (row >= rows - n) {
                walker.distances->set_query(x + (row - (rows - n)) * index.d);
            } else {
                walker.look_for(row);
            }
            join_graph(index, row, full, *walker.distances, walker.visited, {walker.scratch, *locks, entry});
        });
    }
}

void shim::reach(IndexHNSW& index, idx_t first, const Steps& steps) {
    std::vector<Row> rows;
    for (idx_t row = first; row < index.ntotal; row++) {
        rows.push_back(Row(row));
    }
    Crew crew(index);
    for (int round = 0; round < ROUNDS && !rows.empty(); round++) {
        std::vector<Row> missed = crew.missed(rows, steps);
        rows.clear();
        for (const Row row : missed) {
            lead_to(index, *crew.walkers[0], row, rows);
            add_links(index.hnsw, row, rows);
        }
        std::sort(rows.begin(), rows.end());
        rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    }
}
