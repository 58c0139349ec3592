// Whether the parts of an index fit together: sizes, dimensions, metrics. FAISS trusts these, and reads out of bounds or
// aborts where they do not hold. The rows themselves the file's checksum vouches for.

#include "levels.h"

#include <cstring>

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/IndexIVFPQFastScan.h>
#include <faiss/IndexIVFRaBitQ.h>
#include <faiss/IndexLSH.h>
#include <faiss/IndexNSG.h>
#include <faiss/IndexPQ.h>
#include <faiss/IndexPQFastScan.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/IndexRaBitQ.h>
#include <faiss/IndexRefine.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/VectorTransform.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/invlists/BlockInvertedLists.h>

using namespace faiss;

namespace {

void require(bool holds, const char* what) {
    FAISS_THROW_IF_NOT_FMT(holds, "its %s", what);
}

void check_scalar(const ScalarQuantizer& sq, size_t d, bool trained) {
    require(sq.d == d, "scalar codes are of another dimension");
    const ScalarQuantizer expected(d, sq.qtype);
    require(sq.code_size == expected.code_size && sq.bits == expected.bits, "scalar codes have another size");
    const bool ranges = sq.qtype == ScalarQuantizer::QT_8bit || sq.qtype == ScalarQuantizer::QT_6bit || sq.qtype == ScalarQuantizer::QT_4bit;
    require(!ranges || !trained || sq.trained.size() == 2 * d, "scalar codes lack their ranges");
}

void check_pq(const ProductQuantizer& pq, size_t d) {
    require(pq.d == d && pq.M > 0 && d % pq.M == 0, "product codes are of another dimension");
    require(pq.nbits >= 1 && pq.nbits <= 16 && pq.ksub == size_t(1) << pq.nbits, "product codes have a wrong number of bits");
    require(pq.dsub == d / pq.M && pq.code_size == (pq.M * pq.nbits + 7) / 8, "product codes have another size");
    require(pq.centroids.size() == d * pq.ksub, "product codes lack centroids");
}

void check_linear(const LinearTransform& linear, int d_in, int d_out) {
    require(linear.d_in == d_in && linear.d_out == d_out, "transform is of another dimension");
    require(linear.A.size() == size_t(d_in) * d_out, "transform's matrix has another size");
    require(linear.have_bias ? linear.b.size() == size_t(d_out) : linear.b.empty(), "transform's bias has another size");
}

void check_transform(const VectorTransform& transform) {
    require(transform.d_in > 0 && transform.d_out > 0, "transform has no dimension");
    require(transform.is_trained, "transform is not trained");
    if (auto pca = dynamic_cast<const PCAMatrix*>(&transform)) {
        require(pca->mean.size() == size_t(pca->d_in), "PCA has another mean");
    }
    if (auto linear = dynamic_cast<const LinearTransform*>(&transform)) {
        check_linear(*linear, transform.d_in, transform.d_out);
    } else if (auto itq = dynamic_cast<const ITQTransform*>(&transform)) {
        require(itq->mean.size() == size_t(itq->d_in), "ITQ has another mean");
        check_linear(itq->pca_then_itq, itq->d_in, itq->d_out);
    } else if (auto remap = dynamic_cast<const RemapDimensionsTransform*>(&transform)) {
        require(remap->map.size() == size_t(remap->d_out), "padding has another size");
        for (const int from : remap->map) {
            require(from >= -1 && from < remap->d_in, "padding leads out of the vector");
        }
    } else {
        require(transform.d_in == transform.d_out, "transform is of another dimension");
    }
}

void check_chain(const IndexPreTransform& chain) {
    int d = chain.d;
    for (const VectorTransform* transform : chain.chain) {
        require(transform->d_in == d, "transforms do not follow each other");
        check_transform(*transform);
        d = transform->d_out;
    }
    require(chain.index->d == d, "transforms do not lead to its vectors");
}

void check_lsh(const IndexLSH& lsh) {
    require(lsh.nbits > 0 && lsh.code_size == size_t(lsh.nbits + 7) / 8, "bits have another size");
    require(lsh.rotate_data || lsh.nbits <= lsh.d, "bits are more than its components");
    require(!lsh.train_thresholds || lsh.thresholds.size() == size_t(lsh.nbits), "bits lack their thresholds");
    if (lsh.rotate_data) {
        check_linear(lsh.rrot, int(lsh.d), lsh.nbits);
    }
}

void check_codes(const IndexFlatCodes& codes) {
    if (auto sq = dynamic_cast<const IndexScalarQuantizer*>(&codes)) {
        check_scalar(sq->sq, sq->d, sq->is_trained);
        require(sq->code_size == sq->sq.code_size, "scalar codes have another size");
    } else if (auto pq = dynamic_cast<const IndexPQ*>(&codes)) {
        check_pq(pq->pq, pq->d);
        require(pq->code_size == pq->pq.code_size, "product codes have another size");
    } else if (auto lsh = dynamic_cast<const IndexLSH*>(&codes)) {
        check_lsh(*lsh);
    } else if (auto rabitq = dynamic_cast<const IndexRaBitQ*>(&codes)) {
        const RaBitQuantizer expected(rabitq->d, rabitq->metric_type);
        require(rabitq->rabitq.d == size_t(rabitq->d) && rabitq->code_size == expected.code_size, "bits have another size");
        require(rabitq->rabitq.metric_type == rabitq->metric_type, "bits are of another metric");
        require(!rabitq->is_trained || rabitq->center.size() == size_t(rabitq->d), "center is of another dimension");
        require(rabitq->qb <= 8, "queries have more than 8 bits");
    } else {
        require(codes.code_size == codes.d * sizeof(float), "vectors have another size");
    }
    require(codes.codes.size() == size_t(codes.ntotal) * codes.code_size, "vectors are of another number");
}

void check_fast_scan(const IndexPQFastScan& scan) {
    check_pq(scan.pq, scan.d);
    require(scan.pq.nbits == 4 && scan.nbits == 4 && scan.ksub == 16 && scan.M == scan.pq.M, "product codes do not have 4 bits");
    require(scan.code_size == scan.pq.code_size && scan.M2 == (scan.M + 1) / 2 * 2, "product codes have another size");
    require(scan.bbs > 0 && scan.bbs % 32 == 0 && scan.implem == 0 && scan.qbs == 0, "blocks have another layout");
    require(scan.ntotal2 == size_t((scan.ntotal + scan.bbs - 1) / scan.bbs) * scan.bbs, "blocks are of another number");
    require(scan.codes.size() == scan.ntotal2 * scan.M2 / 2, "blocks have another size");
}

void check_hnsw(const IndexHNSW& index) {
    const HNSW& graph = index.hnsw;
    const size_t rows = index.ntotal;
    const auto& layers = graph.cum_nneighbor_per_level;
    require(layers.size() >= 2 && layers[0] == 0 && layers.size() == graph.assign_probas.size() + 1, "graph has no layers");
    for (size_t layer = 1; layer < layers.size(); layer++) {
        require(layers[layer] > layers[layer - 1], "graph has a layer without links");
    }
    require(layers[1] % 2 == 0, "graph has another number of links");
    require(graph.levels.size() == rows && graph.offsets.size() == rows + 1 && graph.offsets[0] == 0, "graph has another number of rows");
    require(graph.neighbors.size() == graph.offsets[rows], "graph has another number of links");
    if (rows == 0) {
        return require(graph.entry_point == -1 && graph.max_level == -1, "graph is entered at no row");
    }
    require(graph.entry_point >= 0 && size_t(graph.entry_point) < rows, "graph is entered at no row");
    require(graph.max_level >= 0 && size_t(graph.max_level) + 1 < layers.size(), "graph has more layers than links");
    require(graph.levels[graph.entry_point] == graph.max_level + 1, "graph is entered on a wrong layer");
}

void check_nsg(const IndexNSG& index) {
    const NSG& graph = index.nsg;
    if (index.ntotal == 0) {
        return require(!graph.is_built, "graph is of another number of rows");
    }
    require(graph.is_built && graph.final_graph, "graph is not built");
    require(graph.ntotal == index.ntotal && graph.final_graph->N == index.ntotal, "graph has another number of rows");
    require(graph.R > 0 && graph.final_graph->K == graph.R, "graph has another number of links");
    require(graph.enterpoint >= 0 && graph.enterpoint < index.ntotal, "graph is entered at no row");
}

void check_array_lists(const IndexIVF& ivf, const ArrayInvertedLists& lists) {
    require(lists.code_size == ivf.code_size, "lists hold codes of another size");
    require(lists.ids.size() == ivf.nlist && lists.codes.size() == ivf.nlist, "lists are of another number");
    for (size_t list = 0; list < ivf.nlist; list++) {
        require(lists.codes[list].size() == lists.ids[list].size() * ivf.code_size, "lists have another size");
    }
}

void check_block_lists(const IndexIVFPQFastScan& ivf, const BlockInvertedLists& lists) {
    require(ivf.pq.nbits == 4 && ivf.nbits == 4 && ivf.ksub == 16 && ivf.M == ivf.pq.M, "product codes do not have 4 bits");
    require(ivf.M2 == (ivf.M + 1) / 2 * 2 && ivf.implem == 0, "blocks have another layout");
    require(ivf.bbs > 0 && ivf.bbs % 32 == 0 && lists.n_per_block == size_t(ivf.bbs), "blocks have another layout");
    require(lists.block_size == ivf.bbs * ivf.M2 / 2 && lists.packer, "blocks have another size");
    require(lists.ids.size() == ivf.nlist && lists.codes.size() == ivf.nlist, "lists are of another number");
    for (size_t list = 0; list < ivf.nlist; list++) {
        const size_t blocks = (lists.ids[list].size() + lists.n_per_block - 1) / lists.n_per_block;
        require(lists.codes[list].size() == blocks * lists.block_size, "lists have another size");
    }
}

void check_list_codes(const IndexIVF& ivf) {
    if (auto pq = dynamic_cast<const IndexIVFPQ*>(&ivf)) {
        check_pq(pq->pq, pq->d);
        require(pq->code_size == pq->pq.code_size, "product codes have another size");
    } else if (auto pq = dynamic_cast<const IndexIVFPQFastScan*>(&ivf)) {
        check_pq(pq->pq, pq->d);
        require(pq->code_size == pq->pq.code_size, "product codes have another size");
    } else if (auto sq = dynamic_cast<const IndexIVFScalarQuantizer*>(&ivf)) {
        check_scalar(sq->sq, sq->d, sq->is_trained);
        require(sq->code_size == sq->sq.code_size, "scalar codes have another size");
    } else if (auto rabitq = dynamic_cast<const IndexIVFRaBitQ*>(&ivf)) {
        const RaBitQuantizer expected(rabitq->d, rabitq->metric_type);
        require(rabitq->rabitq.d == size_t(rabitq->d) && rabitq->code_size == expected.code_size, "bits have another size");
        require(rabitq->rabitq.code_size == expected.code_size && rabitq->rabitq.metric_type == rabitq->metric_type, "bits are of another metric");
        require(rabitq->by_residual && rabitq->qb <= 8, "queries have more than 8 bits");
    } else {
        require(ivf.code_size == ivf.d * sizeof(float), "vectors have another size");
    }
}

void check_ivf(const IndexIVF& ivf) {
    require(ivf.nlist > 0 && ivf.invlists && ivf.invlists->nlist == ivf.nlist, "lists are of another number");
    require(ivf.quantizer->d == ivf.d, "centroids are of another dimension");
    require(!ivf.is_trained || size_t(ivf.quantizer->ntotal) == ivf.nlist, "centroids are of another number than its lists");
    check_list_codes(ivf);
    if (auto arrays = dynamic_cast<const ArrayInvertedLists*>(ivf.invlists)) {
        require(!dynamic_cast<const IndexIVFPQFastScan*>(&ivf), "lists have another layout");
        check_array_lists(ivf, *arrays);
    } else {
        auto blocks = dynamic_cast<const BlockInvertedLists*>(ivf.invlists);
        auto fast = dynamic_cast<const IndexIVFPQFastScan*>(&ivf);
        require(blocks && fast, "lists have another layout");
        check_block_lists(*fast, *blocks);
    }
    size_t total = 0;
    for (size_t list = 0; list < ivf.nlist; list++) {
        total += ivf.invlists->list_size(list);
    }
    require(total == size_t(ivf.ntotal), "lists hold another number of rows");
    const bool mapped = ivf.direct_map.type == DirectMap::Array && ivf.direct_map.array.size() == size_t(ivf.ntotal);
    require(mapped || ivf.direct_map.type == DirectMap::NoMap, "rows are mapped to other places");
}

void check_level(const Index& index) {
    if (auto codes = dynamic_cast<const IndexFlatCodes*>(&index)) {
        check_codes(*codes);
    } else if (auto scan = dynamic_cast<const IndexPQFastScan*>(&index)) {
        check_fast_scan(*scan);
    } else if (auto hnsw = dynamic_cast<const IndexHNSW*>(&index)) {
        check_hnsw(*hnsw);
    } else if (auto nsg = dynamic_cast<const IndexNSG*>(&index)) {
        check_nsg(*nsg);
    } else if (auto ivf = dynamic_cast<const IndexIVF*>(&index)) {
        check_ivf(*ivf);
    } else if (auto chain = dynamic_cast<const IndexPreTransform*>(&index)) {
        check_chain(*chain);
    }
}

void check_below(const Index& index) {
    const bool lists = dynamic_cast<const IndexIVF*>(&index);
    const bool transforms = dynamic_cast<const IndexPreTransform*>(&index);
    for (const Index* child : shim::children(index)) {
        require(child, "parts are missing");
        require(child->metric_type == index.metric_type && child->metric_arg == index.metric_arg, "levels have different metrics");
        require(lists || child->ntotal == index.ntotal, "levels have different numbers of rows");
        require(transforms || child->d == index.d, "levels have different dimensions");
        require(!index.is_trained || child->is_trained, "levels are not all trained");
        check_below(*child);
    }
    require(index.d > 0 && index.d <= 65536 && index.ntotal >= 0, "numbers make no sense");
    check_level(index);
}

} // namespace

void shim::check_shape(const Index& index) {
    if (auto map = dynamic_cast<const IndexIDMap*>(&index)) {
        require(map->index && map->id_map.size() == size_t(map->ntotal), "ids are of another number than its rows");
    }
    check_below(index);
}
