// What an index is, read from what FAISS holds rather than from what it was made with, and how much memory it takes.

#include "levels.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

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
using shim::exactly;
using std::string;
using std::to_string;

namespace {

[[noreturn]] void unknown(const std::type_info& type, const char* place) {
    std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(type.name(), nullptr, nullptr, nullptr), std::free);
    FAISS_THROW_FMT("it has a %s%s, which is no part of any kind of index here", name ? name.get() : type.name(), place);
}

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

bool is_flat(const Index& index) {
    return exactly<const IndexFlat>(index) || exactly<const IndexFlatL2>(index) || exactly<const IndexFlatIP>(index);
}

/// What graphs and refinement go over.
string codes_name(const Index& index, const char* place) {
    if (is_flat(index)) {
        return "Flat";
    }
    if (auto sq = exactly<const IndexScalarQuantizer>(index)) {
        return scalar_name(sq->sq);
    }
    if (auto pq = exactly<const IndexPQ>(index)) {
        return pq_name(pq->pq);
    }
    unknown(typeid(index), place);
}

string lsh_name(const IndexLSH& lsh) {
    return "LSH" + to_string(lsh.nbits) + (lsh.rotate_data ? "r" : "") + (lsh.train_thresholds ? "t" : "");
}

string list_codes_name(const IndexIVF& ivf) {
    if (exactly<const IndexIVFFlat>(ivf)) {
        return "Flat";
    }
    if (auto sq = exactly<const IndexIVFScalarQuantizer>(ivf)) {
        return scalar_name(sq->sq);
    }
    if (auto pq = exactly<const IndexIVFPQ>(ivf)) {
        return pq_name(pq->pq);
    }
    if (auto pq = exactly<const IndexIVFPQFastScan>(ivf)) {
        return pq_name(pq->pq) + "fs" + (pq->by_residual ? "r" : "");
    }
    if (exactly<const IndexIVFRaBitQ>(ivf)) {
        return "RaBitQ";
    }
    unknown(typeid(ivf), "");
}

string ivf_name(const IndexIVF& ivf) {
    const string codes = list_codes_name(ivf);
    FAISS_THROW_IF_NOT_MSG(ivf.quantizer, "its lists have no centroids");
    const Index& quantizer = *ivf.quantizer;
    string graph;
    if (auto hnsw = exactly<const IndexHNSWFlat>(quantizer)) {
        graph = "_HNSW" + to_string(hnsw->hnsw.nb_neighbors(0) / 2);
    } else if (!is_flat(quantizer)) {
        unknown(typeid(quantizer), " over its centroids");
    }
    return "IVF" + to_string(ivf.nlist) + graph + "," + codes;
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
size_t opq_m(const LinearTransform& transform, const Index& beneath) {
    if (auto opq = exactly<const OPQMatrix>(transform)) {
        return opq->M;
    }
    size_t m = 1;
    if (auto pq = exactly<const IndexPQ>(beneath)) {
        m = pq->pq.M;
    } else if (auto pq = exactly<const IndexPQFastScan>(beneath)) {
        m = pq->pq.M;
    } else if (auto pq = exactly<const IndexIVFPQ>(beneath)) {
        m = pq->pq.M;
    } else if (auto pq = exactly<const IndexIVFPQFastScan>(beneath)) {
        m = pq->pq.M;
    }
    return m > 0 && transform.d_out % m == 0 ? m : 1;
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
    if (auto pca = exactly<const PCAMatrix>(transform)) {
        return pca_name(*pca);
    }
    if (exactly<const RandomRotationMatrix>(transform)) {
        return "RR" + output;
    }
    if (auto itq = exactly<const ITQTransform>(transform)) {
        return itq->do_pca ? "ITQ" + output : "ITQ";
    }
    if (auto norm = exactly<const NormalizationTransform>(transform); norm && norm->norm == 2) {
        return "L2norm";
    }
    if (auto remap = exactly<const RemapDimensionsTransform>(transform); remap && only_pads(*remap)) {
        return "Pad" + output;
    }
    if (exactly<const OPQMatrix>(transform) || exactly<const LinearTransform>(transform)) {
        return "OPQ" + to_string(opq_m(static_cast<const LinearTransform&>(transform), beneath)) + "_" + output;
    }
    unknown(typeid(transform), " before it");
}

/// Without transforms and refinement.
string core_name(const Index& index) {
    if (auto lsh = exactly<const IndexLSH>(index)) {
        return lsh_name(*lsh);
    }
    if (auto pq = exactly<const IndexPQFastScan>(index)) {
        return pq_name(pq->pq) + "fs";
    }
    if (exactly<const IndexRaBitQ>(index)) {
        return "RaBitQ";
    }
    if (auto ivf = dynamic_cast<const IndexIVF*>(&index)) {
        return ivf_name(*ivf);
    }
    const bool is_hnsw = exactly<const IndexHNSWFlat>(index) || exactly<const IndexHNSWSQ>(index) || exactly<const IndexHNSWPQ>(index);
    if (is_hnsw) {
        const auto& hnsw = static_cast<const IndexHNSW&>(index);
        return graph_name("HNSW" + to_string(hnsw.hnsw.nb_neighbors(0) / 2), hnsw.storage);
    }
    const bool is_nsg = exactly<const IndexNSGFlat>(index) || exactly<const IndexNSGSQ>(index) || exactly<const IndexNSGPQ>(index);
    if (is_nsg) {
        const auto& nsg = static_cast<const IndexNSG&>(index);
        return graph_name("NSG" + to_string(nsg.nsg.R), nsg.storage);
    }
    return codes_name(index, "");
}

/// Without refinement.
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

size_t tables_of(const ProductQuantizer& pq) {
    return floats(pq.centroids) + floats(pq.transposed_centroids) + floats(pq.centroids_sq_lengths) + floats(pq.sdc_table);
}

size_t memory_of_transform(const VectorTransform& transform) {
    size_t bytes = 0;
    if (auto linear = dynamic_cast<const LinearTransform*>(&transform)) {
        bytes += floats(linear->A) + floats(linear->b);
    }
    if (auto pca = dynamic_cast<const PCAMatrix*>(&transform)) {
        bytes += floats(pca->mean) + floats(pca->eigenvalues) + floats(pca->PCAMat);
    }
    if (auto itq = dynamic_cast<const ITQTransform*>(&transform)) {
        bytes += floats(itq->mean) + memory_of_transform(itq->itq) + memory_of_transform(itq->pca_then_itq);
    }
    if (auto remap = dynamic_cast<const RemapDimensionsTransform*>(&transform)) {
        bytes += remap->map.size() * sizeof(int);
    }
    return bytes;
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
    if (auto pq = dynamic_cast<const IndexIVFPQ*>(&ivf)) {
        bytes += tables_of(pq->pq) + pq->precomputed_table.nbytes();
    } else if (auto pq = dynamic_cast<const IndexIVFPQFastScan*>(&ivf)) {
        bytes += tables_of(pq->pq) + pq->precomputed_table.nbytes();
    } else if (auto sq = dynamic_cast<const IndexIVFScalarQuantizer*>(&ivf)) {
        bytes += floats(sq->sq.trained);
    }
    return bytes;
}

size_t memory_of_codes(const IndexFlatCodes& codes) {
    size_t bytes = codes.codes.size();
    if (auto flat = dynamic_cast<const IndexFlatL2*>(&codes)) {
        bytes += floats(flat->cached_l2norms);
    } else if (auto pq = dynamic_cast<const IndexPQ*>(&codes)) {
        bytes += tables_of(pq->pq);
    } else if (auto sq = dynamic_cast<const IndexScalarQuantizer*>(&codes)) {
        bytes += floats(sq->sq.trained);
    } else if (auto lsh = dynamic_cast<const IndexLSH*>(&codes)) {
        bytes += floats(lsh->thresholds) + memory_of_transform(lsh->rrot);
    } else if (auto rabitq = dynamic_cast<const IndexRaBitQ*>(&codes)) {
        bytes += floats(rabitq->center);
    }
    return bytes;
}

size_t memory_of_level(const Index& index) {
    if (auto codes = dynamic_cast<const IndexFlatCodes*>(&index)) {
        return memory_of_codes(*codes);
    }
    if (auto ivf = dynamic_cast<const IndexIVF*>(&index)) {
        return memory_of_lists(*ivf);
    }
    if (auto map = dynamic_cast<const IndexIDMap*>(&index)) {
        return map->id_map.size() * sizeof(idx_t);
    }
    if (auto pq = dynamic_cast<const IndexPQFastScan*>(&index)) {
        return pq->codes.nbytes() + tables_of(pq->pq);
    }
    if (auto hnsw = dynamic_cast<const IndexHNSW*>(&index)) {
        const HNSW& graph = hnsw->hnsw;
        return graph.neighbors.byte_size() + graph.offsets.size() * sizeof(size_t) + graph.levels.size() * sizeof(int);
    }
    if (auto nsg = dynamic_cast<const IndexNSG*>(&index)) {
        const auto& graph = nsg->nsg.final_graph;
        return graph ? size_t(graph->N) * graph->K * sizeof(int32_t) : 0;
    }
    size_t bytes = 0;
    if (auto chain = dynamic_cast<const IndexPreTransform*>(&index)) {
        for (const VectorTransform* transform : chain->chain) {
            bytes += memory_of_transform(*transform);
        }
    }
    return bytes;
}

} // namespace

std::vector<Index*> shim::children(const Index& index) {
    if (auto map = dynamic_cast<const IndexIDMap*>(&index)) {
        return {map->index};
    }
    if (auto refine = dynamic_cast<const IndexRefine*>(&index)) {
        return {refine->base_index, refine->refine_index};
    }
    if (auto chain = dynamic_cast<const IndexPreTransform*>(&index)) {
        return {chain->index};
    }
    if (auto hnsw = dynamic_cast<const IndexHNSW*>(&index)) {
        return {hnsw->storage};
    }
    if (auto nsg = dynamic_cast<const IndexNSG*>(&index)) {
        return {nsg->storage};
    }
    if (auto ivf = dynamic_cast<const IndexIVF*>(&index)) {
        return {ivf->quantizer};
    }
    return {};
}

string shim::kind_of(const Index& index) {
    auto refine = dynamic_cast<const IndexRefine*>(&index);
    if (!refine) {
        return transformed_name(index);
    }
    FAISS_THROW_IF_NOT_MSG(refine->base_index && refine->refine_index, "its refinement lacks an index");
    const string base = transformed_name(*refine->base_index);
    return base + ",Refine(" + codes_name(*refine->refine_index, " to refine with") + ")";
}

size_t shim::memory_of(const Index& index) {
    size_t bytes = memory_of_level(index);
    for (const Index* child : children(index)) {
        bytes += child ? memory_of(*child) : 0;
    }
    return bytes;
}
