// Whether the rows of an index hold what may be there: links to rows, lists of rows, finite numbers. For files that come
// without a checksum of ours.

#include "levels.h"

#include <algorithm>
#include <cmath>

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/IndexIVFPQFastScan.h>
#include <faiss/IndexIVFRaBitQ.h>
#include <faiss/IndexLSH.h>
#include <faiss/IndexNSG.h>
#include <faiss/IndexPQ.h>
#include <faiss/IndexPQFastScan.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/IndexRaBitQ.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/VectorTransform.h>
#include <faiss/impl/FaissAssert.h>

using namespace faiss;

namespace {

void require(bool holds, const char* what) {
    FAISS_THROW_IF_NOT_FMT(holds, "its %s", what);
}

void finite(const float* numbers, size_t count, const char* what) {
    const bool all = std::all_of(numbers, numbers + count, [](float number) { return std::isfinite(number); });
    FAISS_THROW_IF_NOT_FMT(all, "its %s have NaN or infinity", what);
}

void finite(const std::vector<float>& numbers, const char* what) {
    finite(numbers.data(), numbers.size(), what);
}

void check_hnsw(const HNSW& graph) {
    const size_t rows = graph.levels.size();
    const auto& layers = graph.cum_nneighbor_per_level;
    for (size_t row = 0; row < rows; row++) {
        const int levels = graph.levels[row];
        require(levels >= 1 && levels <= graph.max_level + 1, "graph has a row on no layer");
        require(graph.offsets[row + 1] - graph.offsets[row] == size_t(layers[levels]), "graph has a row of another number of links");
    }
    for (size_t row = 0; row < rows; row++) {
        const int32_t* links = graph.neighbors.data() + graph.offsets[row];
        for (int level = 0; level < graph.levels[row]; level++) {
            for (int link = layers[level]; link < layers[level + 1]; link++) {
                const int32_t to = links[link];
                require(to >= -1 && (to < 0 || size_t(to) < rows), "graph has a link to no row");
                require(to < 0 || graph.levels[to] > level, "graph has a link to a row of a lower layer");
            }
        }
    }
}

void check_nsg(const NSG& graph) {
    const size_t links = size_t(graph.ntotal) * graph.R;
    for (size_t link = 0; graph.is_built && link < links; link++) {
        const int32_t to = graph.final_graph->data[link];
        require(to >= -1 && to < graph.ntotal, "graph has a link to no row");
    }
}

void check_lists(const IndexIVF& ivf) {
    const bool mapped = ivf.direct_map.type == DirectMap::Array;
    std::vector<bool> seen(ivf.ntotal);
    for (size_t list = 0; list < ivf.nlist; list++) {
        const size_t size = ivf.invlists->list_size(list);
        const idx_t* rows = ivf.invlists->get_ids(list);
        for (size_t place = 0; place < size; place++) {
            const idx_t row = rows[place];
            require(row >= 0 && row < ivf.ntotal && !seen[row], "lists do not hold each row once");
            seen[row] = true;
            require(!mapped || ivf.direct_map.array[row] == idx_t(lo_build(list, place)), "rows are mapped to other places");
        }
    }
}

void check_linear(const LinearTransform& linear) {
    finite(linear.A, "transform's numbers");
    finite(linear.b, "transform's numbers");
}

void check_transform(const VectorTransform& transform) {
    if (auto linear = dynamic_cast<const LinearTransform*>(&transform)) {
        check_linear(*linear);
    } else if (auto itq = dynamic_cast<const ITQTransform*>(&transform)) {
        finite(itq->mean, "transform's numbers");
        check_linear(itq->pca_then_itq);
    }
}

void check_numbers(const Index& index) {
    if (auto flat = dynamic_cast<const IndexFlat*>(&index)) {
        finite(flat->get_xb(), flat->ntotal * size_t(flat->d), "vectors");
    } else if (auto sq = dynamic_cast<const IndexScalarQuantizer*>(&index)) {
        finite(sq->sq.trained, "ranges");
    } else if (auto sq = dynamic_cast<const IndexIVFScalarQuantizer*>(&index)) {
        finite(sq->sq.trained, "ranges");
    } else if (auto pq = dynamic_cast<const IndexPQ*>(&index)) {
        finite(pq->pq.centroids, "centroids");
    } else if (auto pq = dynamic_cast<const IndexPQFastScan*>(&index)) {
        finite(pq->pq.centroids, "centroids");
    } else if (auto pq = dynamic_cast<const IndexIVFPQ*>(&index)) {
        finite(pq->pq.centroids, "centroids");
    } else if (auto pq = dynamic_cast<const IndexIVFPQFastScan*>(&index)) {
        finite(pq->pq.centroids, "centroids");
    } else if (auto lsh = dynamic_cast<const IndexLSH*>(&index)) {
        finite(lsh->thresholds, "thresholds");
        check_linear(lsh->rrot);
    } else if (auto rabitq = dynamic_cast<const IndexRaBitQ*>(&index)) {
        finite(rabitq->center, "center's numbers");
    } else if (auto chain = dynamic_cast<const IndexPreTransform*>(&index)) {
        for (const VectorTransform* transform : chain->chain) {
            check_transform(*transform);
        }
    }
}

void check_below(const Index& index) {
    check_numbers(index);
    if (auto hnsw = dynamic_cast<const IndexHNSW*>(&index)) {
        check_hnsw(hnsw->hnsw);
    } else if (auto nsg = dynamic_cast<const IndexNSG*>(&index)) {
        check_nsg(nsg->nsg);
    } else if (auto ivf = dynamic_cast<const IndexIVF*>(&index)) {
        check_lists(*ivf);
    }
    for (const Index* child : shim::children(index)) {
        check_below(*child);
    }
}

} // namespace

void shim::check_content(const Index& index) {
    check_below(index);
}
