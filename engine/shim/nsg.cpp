// Building NSG (Fu et al., VLDB 2019). FAISS makes the graph from one of neighbours; the last step is done here. FAISS
// attaches what cannot be reached to a vector that has room for a link, drawing until it finds one: for ever, where
// many vectors are equal, since those have as many links as there can be, all among themselves.

#include "shim.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <faiss/IndexNNDescent.h>
#include <faiss/IndexNSG.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/utils/distances.h>

using namespace shim;
using Graph = faiss::nsg::Graph<int32_t>;

namespace {

/// Thrown where FAISS begins to attach.
struct Unreached {};

/// The vectors, as FAISS reads them while it builds. Once there are links, the next that asks is the step that attaches.
struct Storage final : Index {
    const Index& vectors;
    const faiss::NSG& nsg;

    Storage(const Index& vectors, const faiss::NSG& nsg)
            : Index(vectors.d, vectors.metric_type), vectors(vectors), nsg(nsg) {
        ntotal = vectors.ntotal;
    }

    faiss::DistanceComputer* get_distance_computer() const override {
        if (nsg.final_graph) {
            throw Unreached();
        }
        return vectors.get_distance_computer();
    }

    void reconstruct(idx_t row, float* x) const override {
        vectors.reconstruct(row, x);
    }

    void add(idx_t, const float*) override {
        FAISS_THROW_MSG("vectors are added before");
    }

    void reset() override {
        FAISS_THROW_MSG("vectors are added before");
    }

    void search(idx_t, const float*, idx_t, float*, idx_t*, const faiss::SearchParameters*) const override {
        FAISS_THROW_MSG("vectors are not searched");
    }
};

/// The tree by which every vector is reached from where searches start.
struct Tree {
    Graph& links;
    std::vector<int32_t> parents; // itself for the first; -1 for what is not reached

    Tree(Graph& links, int32_t first) : links(links), parents(links.N, -1) {
        parents[first] = first;
        reach(first);
    }

    bool has(idx_t row) const {
        return parents[row] >= 0;
    }

    /// Everything that can be reached from a vector that is.
    void reach(int32_t from) {
        std::vector<int32_t> waiting{from};
        while (!waiting.empty()) {
            const int32_t row = waiting.back();
            waiting.pop_back();
            for (int i = 0; i < links.K && links.at(row, i) >= 0; i++) {
                const int32_t next = links.at(row, i);
                if (!has(next)) {
                    parents[next] = row;
                    waiting.push_back(next);
                }
            }
        }
    }

    /// Links a vector to one that is reached, in a free place or in that of the farthest link that the tree can do
    /// without; one whose links are all of the tree passes it on to its first child, and leaves have none of those.
    void attach(int32_t row, int32_t to) {
        for (;;) {
            int place = links.K - 1;
            while (place >= 0 && links.at(to, place) >= 0 && parents[links.at(to, place)] == to) {
                place--;
            }
            if (place >= 0) {
                while (place > 0 && links.at(to, place - 1) < 0) {
                    place--;
                }
                links.at(to, place) = row;
                parents[row] = to;
                return reach(row);
            }
            to = links.at(to, 0);
        }
    }
};

/// The nearest vector that is reached: one of the neighbours, or else found by measuring all.
int32_t nearest_reached(const Tree& tree, const Index& vectors, int32_t row, const std::vector<idx_t>& neighbours, int each) {
    for (int i = 0; i < each; i++) {
        const idx_t next = neighbours[size_t(row) * each + i];
        if (next >= 0 && next < tree.links.N && tree.has(next)) {
            return int32_t(next);
        }
    }
    std::vector<float> x(vectors.d);
    vectors.reconstruct(row, x.data());
    const std::unique_ptr<faiss::DistanceComputer> distances(vectors.get_distance_computer());
    distances->set_query(x.data());
    const float sign = is_similarity(vectors, false) ? -1 : 1;
    int32_t best = -1;
    float least = 0;
    for (int32_t other = 0; other < tree.links.N; other++) {
        if (tree.has(other)) {
            const float distance = sign * (*distances)(other);
            if (best < 0 || distance < least) {
                best = other;
                least = distance;
            }
        }
    }
    return best;
}

/// The neighbours of every vector, exactly, without itself: with equal vectors around, it need not be the first.
std::vector<idx_t> true_neighbours(idx_t n, const float* x, size_t d, idx_t each) {
    const idx_t block = 1024;
    const idx_t wide = each + 1;
    std::vector<idx_t> graph(n * each);
    Failure failure;
#pragma omp parallel for schedule(dynamic)
    for (idx_t start = 0; start < n; start += block) {
        failure.catching([&] {
            const idx_t rows = std::min(block, n - start);
            std::vector<float> distances(rows * wide);
            std::vector<idx_t> found(rows * wide);
            faiss::knn_L2sqr(x + start * d, x, d, rows, n, wide, distances.data(), found.data());
            for (idx_t i = 0; i < rows; i++) {
                const auto first = found.begin() + i * wide;
                const auto itself = std::find(first, first + each, start + i);
                const auto target = std::copy(first, itself, graph.begin() + (start + i) * each);
                std::copy(itself + 1, first + wide, target);
            }
        });
    }
    failure.rethrow();
    return graph;
}

/// FAISS's approximation (NN-descent, IndexNNDescent.cpp), as IndexNSG::add has it made. Adds the vectors.
std::vector<idx_t> about_neighbours(faiss::IndexNSG& index, idx_t n, const float* x) {
    faiss::IndexNNDescent descent(index.storage, index.GK);
    descent.own_fields = false;
    descent.nndescent.S = index.nndescent_S;
    descent.nndescent.R = index.nndescent_R;
    descent.nndescent.L = std::max(index.nndescent_L, index.GK + 50);
    descent.nndescent.iter = index.nndescent_iter;
    descent.add(n, x);
    const auto& graph = descent.nndescent.final_graph;
    return std::vector<idx_t>(graph.begin(), graph.end());
}

} // namespace

/// The true neighbours are taken where finding them is not too much work, which grows with the square of their number.
void shim::build_nsg(faiss::IndexNSG& index, idx_t n, const float* x) {
    const idx_t most = 32768;
    std::vector<idx_t> neighbours;
    if (n > most) {
        neighbours = about_neighbours(index, n, x);
    } else {
        neighbours = true_neighbours(n, x, index.d, index.GK);
        index.storage->add(n, x);
    }
    Storage storage(*index.storage, index.nsg);
    try {
        index.nsg.build(&storage, n, faiss::nsg::Graph<idx_t>(neighbours.data(), int(n), index.GK), false);
    } catch (const Unreached&) {
        Tree tree(*index.nsg.final_graph, index.nsg.enterpoint);
        for (int32_t row = 0; row < n; row++) {
            if (!tree.has(row)) {
                tree.attach(row, nearest_reached(tree, *index.storage, row, neighbours, index.GK));
            }
        }
        index.nsg.is_built = true;
    }
    index.ntotal = n;
    index.is_built = true;
}
