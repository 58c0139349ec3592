// Whether an index that was read is sound: FAISS trusts sizes, links and lists, and reads out of bounds or aborts where they
// do not hold. A checksum tells damage from what was written, not a sound index from one that was made to do harm; so every
// index that is read is checked, whoever wrote it. First the shape, then, in one pass at the speed of memory, the content.
//
// Codes need no check: each pattern of bits is one that its quantizer decodes.

#include "kinds.h"
#include "shim.h"

#include <cstring>

#include <faiss/impl/FaissAssert.h>
#include <faiss/invlists/BlockInvertedLists.h>

using namespace faiss;
using shim::match;

namespace {

void require(bool holds, const char* what) {
    FAISS_THROW_IF_NOT_FMT(holds, "its %s", what);
}

/// Whether what is read in place, from a mapped file, is where a T can be.
template <class T>
bool aligned(const void* data) {
    return uintptr_t(data) % alignof(T) == 0;
}

// Quantizers and transforms.

void check_scalar(const ScalarQuantizer& sq, const Index& index, size_t code_size) {
    const size_t d = index.d;
    require(sq.d == d, "scalar codes are of another dimension");
    const ScalarQuantizer expected(d, sq.qtype);
    require(sq.code_size == expected.code_size && sq.bits == expected.bits, "scalar codes have another size");
    require(code_size == sq.code_size, "scalar codes have another size");
    const bool ranges = sq.qtype == ScalarQuantizer::QT_8bit || sq.qtype == ScalarQuantizer::QT_6bit || sq.qtype == ScalarQuantizer::QT_4bit;
    require(!ranges || !index.is_trained || sq.trained.size() == 2 * d, "scalar codes lack their ranges");
}

void check_pq(const ProductQuantizer& pq, const Index& index, size_t code_size) {
    const size_t d = index.d;
    require(pq.d == d && pq.M > 0 && d % pq.M == 0, "product codes are of another dimension");
    require(pq.nbits >= 1 && pq.nbits <= 16 && pq.ksub == size_t(1) << pq.nbits, "product codes have a wrong number of bits");
    require(pq.dsub == d / pq.M && pq.code_size == (pq.M * pq.nbits + 7) / 8, "product codes have another size");
    require(code_size == pq.code_size, "product codes have another size");
    require(pq.centroids.size() == d * pq.ksub, "product codes lack centroids");
}

void check_rabitq(const RaBitQuantizer& bits, const Index& index, size_t code_size, int query_bits) {
    const RaBitQuantizer expected(index.d, index.metric_type);
    require(bits.d == size_t(index.d) && bits.code_size == expected.code_size && code_size == expected.code_size, "bits have another size");
    require(bits.metric_type == index.metric_type, "bits are of another metric");
    require(query_bits <= 8, "queries have more than 8 bits");
}

void check_linear(const LinearTransform& linear, int d_in, int d_out) {
    require(linear.d_in == d_in && linear.d_out == d_out, "transform is of another dimension");
    require(linear.A.size() == size_t(d_in) * d_out, "transform's matrix has another size");
    require(linear.have_bias ? linear.b.size() == size_t(d_out) : linear.b.empty(), "transform's bias has another size");
}

void check_transform(const VectorTransform& transform) {
    const int d_in = transform.d_in, d_out = transform.d_out;
    require(d_in > 0 && d_out > 0, "transform has no dimension");
    require(transform.is_trained, "transform is not trained");
    match(
            transform,
            [=](const PCAMatrix& pca) {
                require(pca.mean.size() == size_t(d_in), "PCA has another mean");
                check_linear(pca, d_in, d_out);
            },
            [=](const LinearTransform& linear) { check_linear(linear, d_in, d_out); },
            [=](const ITQTransform& itq) {
                require(itq.mean.size() == size_t(d_in), "ITQ has another mean");
                check_linear(itq.pca_then_itq, d_in, d_out);
            },
            [=](const RemapDimensionsTransform& remap) {
                require(remap.map.size() == size_t(d_out), "padding has another size");
                for (const int from : remap.map) {
                    require(from >= -1 && from < d_in, "padding leads out of the vector");
                }
            },
            [=](const VectorTransform&) { require(d_in == d_out, "transform is of another dimension"); });
}

// The shape of each level.

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
    match(
            static_cast<const Index&>(codes),
            [](const IndexScalarQuantizer& codes) { check_scalar(codes.sq, codes, codes.code_size); },
            [](const IndexPQ& codes) { check_pq(codes.pq, codes, codes.code_size); },
            [](const IndexLSH& lsh) { check_lsh(lsh); },
            [](const IndexRaBitQ& bits) {
                check_rabitq(bits.rabitq, bits, bits.code_size, bits.qb);
                require(!bits.is_trained || bits.center.size() == size_t(bits.d), "center is of another dimension");
            },
            [&](const Index& flat) { require(codes.code_size == flat.d * sizeof(float), "vectors have another size"); });
    require(codes.codes.size() == size_t(codes.ntotal) * codes.code_size, "vectors are of another number");
    require(aligned<float>(codes.codes.data()), "vectors are not aligned");
}

/// Blocks of 4-bit codes as FAISS's kernels take them.
void check_layout(const ProductQuantizer& pq, size_t nbits, size_t ksub, size_t m, size_t m2, int bbs) {
    require(pq.nbits == 4 && nbits == 4 && ksub == 16 && m == pq.M, "product codes do not have 4 bits");
    require(m2 == (m + 1) / 2 * 2 && bbs > 0 && bbs % 32 == 0 && bbs <= 160, "blocks have another layout");
}

void check_fast_scan(const IndexPQFastScan& scan) {
    check_pq(scan.pq, scan, scan.code_size);
    check_layout(scan.pq, scan.nbits, scan.ksub, scan.M, scan.M2, scan.bbs);
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
    require(graph.neighbors.size() == graph.offsets[rows] && aligned<int32_t>(graph.neighbors.data()), "graph has another number of links");
    if (rows == 0) {
        return require(graph.entry_point == -1 && graph.max_level == -1, "graph is entered at no row");
    }
    require(graph.entry_point >= 0 && size_t(graph.entry_point) < rows, "graph is entered at no row");
    require(graph.max_level >= 0 && size_t(graph.max_level) + 1 < layers.size(), "graph has more layers than links");
    require(graph.levels[graph.entry_point] == graph.max_level + 1, "graph is entered on a wrong layer");
}

void check_nsg(const IndexNSG& index) {
    const NSG& graph = index.nsg;
    require(graph.R > 0 && graph.R <= shim::MOST_LINKS, "graph has another number of links");
    if (index.ntotal == 0) {
        return require(!graph.is_built, "graph is of another number of rows");
    }
    require(graph.is_built && graph.final_graph, "graph is not built");
    require(graph.ntotal == index.ntotal && graph.final_graph->N == index.ntotal, "graph has another number of rows");
    require(graph.final_graph->K == graph.R, "graph has another number of links");
    require(graph.enterpoint >= 0 && graph.enterpoint < index.ntotal, "graph is entered at no row");
}

void check_lists(const IndexIVF& ivf, const ArrayInvertedLists& lists) {
    require(lists.code_size == ivf.code_size, "lists hold codes of another size");
    require(lists.ids.size() == ivf.nlist && lists.codes.size() == ivf.nlist, "lists are of another number");
    for (size_t list = 0; list < ivf.nlist; list++) {
        require(lists.codes[list].size() == lists.ids[list].size() * ivf.code_size, "lists have another size");
        require(aligned<idx_t>(lists.ids[list].data()) && aligned<float>(lists.codes[list].data()), "lists are not aligned");
    }
}

void check_lists(const IndexIVFPQFastScan& ivf, const BlockInvertedLists& lists) {
    check_layout(ivf.pq, ivf.nbits, ivf.ksub, ivf.M, ivf.M2, ivf.bbs);
    require(lists.n_per_block == size_t(ivf.bbs) && lists.block_size == ivf.bbs * ivf.M2 / 2 && lists.packer, "blocks have another size");
    require(lists.ids.size() == ivf.nlist && lists.codes.size() == ivf.nlist, "lists are of another number");
    for (size_t list = 0; list < ivf.nlist; list++) {
        const size_t blocks = (lists.ids[list].size() + lists.n_per_block - 1) / lists.n_per_block;
        require(lists.codes[list].size() == blocks * lists.block_size, "lists have another size");
    }
}

void check_list_codes(const IndexIVF& ivf) {
    match(
            static_cast<const Index&>(ivf),
            [](const IndexIVFPQ& ivf) { check_pq(ivf.pq, ivf, ivf.code_size); },
            [](const IndexIVFPQFastScan& ivf) { check_pq(ivf.pq, ivf, ivf.code_size); },
            [](const IndexIVFScalarQuantizer& ivf) { check_scalar(ivf.sq, ivf, ivf.code_size); },
            [](const IndexIVFRaBitQ& ivf) {
                check_rabitq(ivf.rabitq, ivf, ivf.code_size, ivf.qb);
                require(ivf.by_residual, "bits are not of residuals");
            },
            [&](const Index& flat) { require(ivf.code_size == flat.d * sizeof(float), "vectors have another size"); });
}

void check_ivf(const IndexIVF& ivf) {
    require(ivf.nlist > 0 && ivf.invlists && ivf.invlists->nlist == ivf.nlist, "lists are of another number");
    require(ivf.quantizer->d == ivf.d, "centroids are of another dimension");
    require(!ivf.is_trained || size_t(ivf.quantizer->ntotal) == ivf.nlist, "centroids are of another number than its lists");
    check_list_codes(ivf);
    auto packed = dynamic_cast<const IndexIVFPQFastScan*>(&ivf);
    auto arrays = dynamic_cast<const ArrayInvertedLists*>(ivf.invlists);
    auto blocks = dynamic_cast<const BlockInvertedLists*>(ivf.invlists);
    require(packed ? blocks != nullptr : arrays != nullptr, "lists have another layout");
    packed ? check_lists(*packed, *blocks) : check_lists(ivf, *arrays);
    size_t total = 0;
    for (size_t list = 0; list < ivf.nlist; list++) {
        total += ivf.invlists->list_size(list);
    }
    require(total == size_t(ivf.ntotal), "lists hold another number of rows");
    const bool mapped = ivf.direct_map.type == DirectMap::Array && ivf.direct_map.array.size() == size_t(ivf.ntotal);
    require(mapped || ivf.direct_map.type == DirectMap::NoMap, "rows are mapped to other places");
}

void check_shape(const Index& index) {
    const bool lists = dynamic_cast<const IndexIVF*>(&index);
    const bool transforms = dynamic_cast<const IndexPreTransform*>(&index);
    for (const Index* child : shim::children(index)) {
        require(child, "parts are missing");
        require(child->metric_type == index.metric_type && child->metric_arg == index.metric_arg, "levels have different metrics");
        require(lists || child->ntotal == index.ntotal, "levels have different numbers of rows");
        require(transforms || child->d == index.d, "levels have different dimensions");
        require(!index.is_trained || child->is_trained, "levels are not all trained");
        check_shape(*child);
    }
    require(index.d > 0 && index.d <= 65536 && index.ntotal >= 0, "numbers make no sense");
    require(index.is_trained || index.ntotal == 0, "levels hold rows and are not trained");
    match(
            index,
            [](const IndexFlatCodes& codes) { check_codes(codes); },
            [](const IndexPQFastScan& scan) { check_fast_scan(scan); },
            [](const IndexHNSW& graph) { check_hnsw(graph); },
            [](const IndexNSG& graph) { check_nsg(graph); },
            [](const IndexIVF& ivf) { check_ivf(ivf); },
            [](const IndexPreTransform& chain) { check_chain(chain); },
            [](const Index&) {});
}

// The content.

/// Throws unless `holds` is true for all blocks of the numbers below `count`, which are looked at side by side.
template <class Holds>
void require_all(size_t count, const Holds& holds, const char* what) {
    constexpr size_t BLOCK = 1 << 14;
    bool all = true;
#pragma omp parallel for schedule(static) reduction(&& : all) if (count > 4 * BLOCK)
    for (size_t first = 0; first < count; first += BLOCK) {
        all = holds(first, std::min(first + BLOCK, count)) && all;
    }
    require(all, what);
}

/// Neither NaN nor infinity: their exponents have all bits set.
void finite(const float* numbers, size_t count, const char* what) {
    const auto holds = [=](size_t first, size_t last) {
        uint32_t found = 0;
        for (size_t i = first; i < last; i++) {
            uint32_t bits;
            std::memcpy(&bits, numbers + i, sizeof bits);
            found |= (bits & 0x7f800000) == 0x7f800000;
        }
        return found == 0;
    };
    require_all(count, holds, what);
}

void finite(const std::vector<float>& numbers, const char* what) {
    finite(numbers.data(), numbers.size(), what);
}

void check_links(const HNSW& graph) {
    const size_t rows = graph.levels.size();
    const auto& layers = graph.cum_nneighbor_per_level;
    const auto sized = [&](size_t first, size_t last) {
        bool all = true;
        for (size_t row = first; row < last && all; row++) {
            const int levels = graph.levels[row];
            all = levels >= 1 && levels <= graph.max_level + 1 && graph.offsets[row + 1] - graph.offsets[row] == size_t(layers[levels]);
        }
        return all;
    };
    require_all(rows, sized, "graph has a row of another number of links");
    const auto linked = [&](size_t first, size_t last) {
        bool all = true;
        for (size_t row = first; row < last && all; row++) {
            const int32_t* links = graph.neighbors.data() + graph.offsets[row];
            for (int level = 0; level < graph.levels[row]; level++) {
                for (int link = layers[level]; link < layers[level + 1]; link++) {
                    const int32_t to = links[link];
                    all &= to == -1 || (to >= 0 && size_t(to) < rows && graph.levels[to] > level);
                }
            }
        }
        return all;
    };
    require_all(rows, linked, "graph has a link to no row, or to one of a lower layer");
}

void check_links(const NSG& graph) {
    const size_t links = graph.is_built ? size_t(graph.ntotal) * graph.R : 0;
    const auto linked = [&](size_t first, size_t last) {
        bool all = true;
        for (size_t link = first; link < last; link++) {
            const int32_t to = graph.final_graph->data[link];
            all &= to >= -1 && to < graph.ntotal;
        }
        return all;
    };
    require_all(links, linked, "graph has a link to no row");
}

void check_rows(const IndexIVF& ivf) {
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

void check_numbers(const LinearTransform& linear) {
    finite(linear.A, "transform's numbers have NaN or infinity");
    finite(linear.b, "transform's numbers have NaN or infinity");
}

void check_numbers(const VectorTransform& transform) {
    match(
            transform,
            [](const PCAMatrix& pca) {
                finite(pca.mean, "transform's numbers have NaN or infinity");
                check_numbers(static_cast<const LinearTransform&>(pca));
            },
            [](const LinearTransform& linear) { check_numbers(linear); },
            [](const ITQTransform& itq) {
                finite(itq.mean, "transform's numbers have NaN or infinity");
                check_numbers(static_cast<const LinearTransform&>(itq.pca_then_itq));
            },
            [](const VectorTransform&) {});
}

void check_content(const Index& index) {
    if (auto sq = shim::scalar_quantizer(index)) {
        finite(sq->trained, "ranges have NaN or infinity");
    }
    if (auto pq = shim::product_quantizer(index)) {
        finite(pq->centroids, "centroids have NaN or infinity");
    }
    match(
            index,
            [](const IndexFlat& flat) { finite(flat.get_xb(), flat.ntotal * size_t(flat.d), "vectors have NaN or infinity"); },
            [](const IndexIVFFlat& ivf) {
                check_rows(ivf);
                for (size_t list = 0; list < ivf.nlist; list++) {
                    const auto vectors = reinterpret_cast<const float*>(ivf.invlists->get_codes(list));
                    finite(vectors, ivf.invlists->list_size(list) * size_t(ivf.d), "vectors have NaN or infinity");
                }
            },
            [](const IndexIVF& ivf) { check_rows(ivf); },
            [](const IndexHNSW& graph) { check_links(graph.hnsw); },
            [](const IndexNSG& graph) { check_links(graph.nsg); },
            [](const IndexLSH& lsh) {
                finite(lsh.thresholds, "thresholds have NaN or infinity");
                check_numbers(static_cast<const LinearTransform&>(lsh.rrot));
            },
            [](const IndexRaBitQ& bits) { finite(bits.center, "center's numbers have NaN or infinity"); },
            [](const IndexPreTransform& chain) {
                for (const VectorTransform* transform : chain.chain) {
                    check_numbers(*transform);
                }
            },
            [](const Index&) {});
    for (const Index* child : shim::children(index)) {
        check_content(*child);
    }
}

} // namespace

void shim::check(const Index& index) {
    kind_of(index); // no class but ours
    check_shape(index);
    check_content(index);
}
