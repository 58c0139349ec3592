// What an index is, read from what FAISS holds rather than from what it was made with, and how much memory it takes.

#include "kinds.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

#include <faiss/impl/FaissAssert.h>
#include <faiss/invlists/BlockInvertedLists.h>

using namespace faiss;
using shim::exactly;
using shim::match;
using std::string;
using std::to_string;

void shim::refuse_class(const std::type_info& type, const char* place) {
    std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(type.name(), nullptr, nullptr, nullptr), std::free);
    FAISS_THROW_FMT("it has a %s%s, which is no part of any kind of index here", name ? name.get() : type.name(), place);
}

std::vector<Index*> shim::children(const Index& index) {
    using Children = std::vector<Index*>;
    return match(
            index,
            [](const IndexRefine& refine) { return Children{refine.base_index, refine.refine_index}; },
            [](const IndexPreTransform& chain) { return Children{chain.index}; },
            [](const IndexHNSW& graph) { return Children{graph.storage}; },
            [](const IndexNSG& graph) { return Children{graph.storage}; },
            [](const IndexIVF& ivf) { return Children{ivf.quantizer}; },
            [](const Index&) { return Children{}; });
}

const ProductQuantizer* shim::product_quantizer(const Index& index) {
    return match(
            index,
            [](const IndexPQ& codes) { return &codes.pq; },
            [](const IndexPQFastScan& codes) { return &codes.pq; },
            [](const IndexIVFPQ& ivf) { return &ivf.pq; },
            [](const IndexIVFPQFastScan& ivf) { return &ivf.pq; },
            [](const Index&) { return static_cast<const ProductQuantizer*>(nullptr); });
}

const ScalarQuantizer* shim::scalar_quantizer(const Index& index) {
    return match(
            index,
            [](const IndexScalarQuantizer& codes) { return &codes.sq; },
            [](const IndexIVFScalarQuantizer& ivf) { return &ivf.sq; },
            [](const Index&) { return static_cast<const ScalarQuantizer*>(nullptr); });
}

namespace {

string scalar_name(const ScalarQuantizer& sq) {
    switch (sq.qtype) {
        case ScalarQuantizer::QT_8bit:
            return "SQ8";
        case ScalarQuantizer::QT_6bit:
            return "SQ6";
        case ScalarQuantizer::QT_4bit:
            return "SQ4";
        case ScalarQuantizer::QT_fp16:
            return "SQfp16";
        case ScalarQuantizer::QT_bf16:
            return "SQbf16";
        default:
            FAISS_THROW_FMT("it has scalar codes of FAISS's type %d, which is no part of any kind of index here", int(sq.qtype));
    }
}

string pq_name(const ProductQuantizer& pq) {
    return "PQ" + to_string(pq.M) + "x" + to_string(pq.nbits);
}

/// What graphs and refinement go over.
string codes_name(const Index& index, const char* place) {
    return match(
            index,
            [](const IndexFlat&) -> string { return "Flat"; },
            [](const IndexScalarQuantizer& codes) { return scalar_name(codes.sq); },
            [](const IndexPQ& codes) { return pq_name(codes.pq); },
            [=](const Index& other) -> string { shim::refuse_class(typeid(other), place); });
}

string list_codes_name(const IndexIVF& ivf) {
    return match(
            static_cast<const Index&>(ivf),
            [](const IndexIVFFlat&) -> string { return "Flat"; },
            [](const IndexIVFScalarQuantizer& lists) { return scalar_name(lists.sq); },
            [](const IndexIVFPQ& lists) { return pq_name(lists.pq); },
            [](const IndexIVFPQFastScan& lists) { return pq_name(lists.pq) + "fs" + (lists.by_residual ? "r" : ""); },
            [](const IndexIVFRaBitQ&) -> string { return "RaBitQ"; },
            [](const Index& other) -> string { shim::refuse_class(typeid(other), ""); });
}

string hnsw_name(const HNSW& graph) {
    return "HNSW" + to_string(graph.nb_neighbors(0) / 2);
}

string ivf_name(const IndexIVF& ivf) {
    FAISS_THROW_IF_NOT_MSG(ivf.quantizer, "its lists have no centroids");
    const string graph = match(
            static_cast<const Index&>(*ivf.quantizer),
            [](const IndexHNSWFlat& quantizer) { return "_" + hnsw_name(quantizer.hnsw); },
            [](const IndexFlat&) { return string(); },
            [](const Index& other) -> string { shim::refuse_class(typeid(other), " over its centroids"); });
    return "IVF" + to_string(ivf.nlist) + graph + "," + list_codes_name(ivf);
}

string graph_name(const string& graph, const Index* storage) {
    FAISS_THROW_IF_NOT_MSG(storage, "its graph has no vectors");
    return graph + "," + codes_name(*storage, " beneath its graph");
}

string pca_name(const PCAMatrix& pca) {
    const bool whiten = pca.eigen_power == -0.5f;
    if ((!whiten && pca.eigen_power != 0) || pca.balanced_bins != 0) {
        FAISS_THROW_MSG("its PCA has other powers or bins than any kind of index here");
    }
    return string("PCA") + (whiten ? "W" : "") + (pca.random_rotation ? "R" : "") + to_string(pca.d_out);
}

/// FAISS's files keep the matrix of an OPQ without its m, which only training needs: the codes' m stands for it.
string opq_name(const LinearTransform& transform, const Index& beneath) {
    auto opq = exactly<const OPQMatrix>(static_cast<const VectorTransform&>(transform));
    auto pq = shim::product_quantizer(beneath);
    size_t m = opq ? opq->M : pq ? pq->M : 1;
    m = m > 0 && transform.d_out % m == 0 ? m : 1;
    return "OPQ" + to_string(m) + "_" + to_string(transform.d_out);
}

bool only_pads(const RemapDimensionsTransform& remap) {
    for (size_t i = 0; i < remap.map.size(); i++) {
        if (remap.map[i] != (int(i) < remap.d_in ? int(i) : -1)) {
            return false;
        }
    }
    return remap.d_in <= remap.d_out;
}

string transform_name(const VectorTransform& transform, const Index& beneath) {
    const string output = to_string(transform.d_out);
    return match(
            transform,
            [](const PCAMatrix& pca) { return pca_name(pca); },
            [&](const RandomRotationMatrix&) { return "RR" + output; },
            [&](const ITQTransform& itq) { return itq.do_pca ? "ITQ" + output : "ITQ"; },
            [](const NormalizationTransform& norm) -> string {
                FAISS_THROW_IF_NOT_MSG(norm.norm == 2, "it normalizes by another norm than L2");
                return "L2norm";
            },
            [&](const RemapDimensionsTransform& remap) {
                FAISS_THROW_IF_NOT_MSG(only_pads(remap), "it moves dimensions, where kinds of index here only pad");
                return "Pad" + output;
            },
            [&](const LinearTransform& linear) { return opq_name(linear, beneath); });
}

/// Without refinement.
string transformed_name(const Index& index);

/// Without transforms and refinement.
string core_name(const Index& index) {
    return match(
            index,
            [](const IndexLSH& lsh) {
                return "LSH" + to_string(lsh.nbits) + (lsh.rotate_data ? "r" : "") + (lsh.train_thresholds ? "t" : "");
            },
            [](const IndexPQFastScan& codes) { return pq_name(codes.pq) + "fs"; },
            [](const IndexRaBitQ&) -> string { return "RaBitQ"; },
            [](const IndexIVF& ivf) { return ivf_name(ivf); },
            [](const IndexHNSW& graph) { return graph_name(hnsw_name(graph.hnsw), graph.storage); },
            [](const IndexNSG& graph) { return graph_name("NSG" + to_string(graph.nsg.R), graph.storage); },
            [](const Index& codes) { return codes_name(codes, ""); });
}

string transformed_name(const Index& index) {
    auto chain = exactly<const IndexPreTransform>(index);
    if (!chain) {
        return core_name(index);
    }
    FAISS_THROW_IF_NOT_MSG(chain->index, "its transforms have no index");
    string names;
    for (const VectorTransform* transform : chain->chain) {
        names += transform_name(*transform, *chain->index) + ",";
    }
    return names + core_name(*chain->index);
}

size_t floats(const std::vector<float>& numbers) {
    return numbers.size() * sizeof(float);
}

size_t memory_of_linear(const LinearTransform& linear) {
    return floats(linear.A) + floats(linear.b);
}

size_t memory_of_transform(const VectorTransform& transform) {
    return match(
            transform,
            [](const PCAMatrix& pca) {
                return memory_of_linear(pca) + floats(pca.mean) + floats(pca.eigenvalues) + floats(pca.PCAMat);
            },
            [](const LinearTransform& linear) { return memory_of_linear(linear); },
            [](const ITQTransform& itq) {
                return floats(itq.mean) + memory_of_linear(itq.itq) + memory_of_linear(itq.pca_then_itq);
            },
            [](const RemapDimensionsTransform& remap) { return remap.map.size() * sizeof(int); },
            [](const VectorTransform&) { return size_t(0); });
}

size_t memory_of_lists(const IndexIVF& ivf) {
    size_t bytes = ivf.direct_map.array.size() * sizeof(idx_t);
    if (auto blocks = dynamic_cast<const BlockInvertedLists*>(ivf.invlists)) {
        bytes += blocks->nlist * (sizeof(blocks->codes[0]) + sizeof(blocks->ids[0]));
        for (size_t list = 0; list < blocks->nlist; list++) {
            bytes += blocks->codes[list].nbytes() + blocks->ids[list].size() * sizeof(idx_t);
        }
    } else if (auto arrays = dynamic_cast<const ArrayInvertedLists*>(ivf.invlists)) {
        bytes += arrays->nlist * (sizeof(arrays->codes[0]) + sizeof(arrays->ids[0])) + ivf.ntotal * (ivf.code_size + sizeof(idx_t));
    }
    return bytes;
}

/// What codes are encoded and measured by.
size_t memory_of_tables(const Index& index) {
    size_t bytes = 0;
    if (auto pq = shim::product_quantizer(index)) {
        bytes += floats(pq->centroids) + floats(pq->transposed_centroids) + floats(pq->centroids_sq_lengths) + floats(pq->sdc_table);
    }
    if (auto sq = shim::scalar_quantizer(index)) {
        bytes += floats(sq->trained);
    }
    return bytes + match(
            index,
            [](const IndexFlatL2& flat) { return floats(flat.cached_l2norms); },
            [](const IndexLSH& lsh) { return floats(lsh.thresholds) + memory_of_linear(lsh.rrot); },
            [](const IndexRaBitQ& bits) { return floats(bits.center); },
            [](const IndexIVFPQ& ivf) { return ivf.precomputed_table.nbytes(); },
            [](const IndexIVFPQFastScan& ivf) { return ivf.precomputed_table.nbytes(); },
            [](const Index&) { return size_t(0); });
}

size_t memory_of_level(const Index& index) {
    return match(
            index,
            [](const IndexFlatCodes& codes) { return codes.codes.size(); },
            [](const IndexIVF& ivf) { return memory_of_lists(ivf); },
            [](const IndexPQFastScan& codes) { return codes.codes.nbytes(); },
            [](const IndexHNSW& index) {
                const HNSW& graph = index.hnsw;
                return graph.neighbors.byte_size() + graph.offsets.size() * sizeof(size_t) + graph.levels.size() * sizeof(int);
            },
            [](const IndexNSG& index) {
                const auto& graph = index.nsg.final_graph;
                return graph ? size_t(graph->N) * graph->K * sizeof(int32_t) : 0;
            },
            [](const IndexPreTransform& chain) {
                size_t bytes = 0;
                for (const VectorTransform* transform : chain.chain) {
                    bytes += memory_of_transform(*transform);
                }
                return bytes;
            },
            [](const Index&) { return size_t(0); });
}

} // namespace

string shim::kind_of(const Index& index) {
    return match(
            index,
            [](const IndexRefine& refine) {
                FAISS_THROW_IF_NOT_MSG(refine.base_index && refine.refine_index, "its refinement lacks an index");
                const string base = transformed_name(*refine.base_index);
                return base + ",Refine(" + codes_name(*refine.refine_index, " to refine with") + ")";
            },
            [](const Index& other) { return transformed_name(other); });
}

size_t shim::memory_of(const Index& index) {
    size_t bytes = memory_of_level(index) + memory_of_tables(index);
    for (const Index* child : children(index)) {
        bytes += child ? memory_of(*child) : 0;
    }
    return bytes;
}
