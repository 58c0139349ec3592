// What is set at every level of an index, when it is made and when it is read; and copying.

#include "kinds.h"
#include "shim.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <tuple>

#include <faiss/clone_index.h>
#include <faiss/index_io.h>
#include <faiss/invlists/InvertedLists.h>

using namespace faiss;
using shim::match;

namespace {

/// FAISS reads a byte into it, whatever its value.
void settle(bool& flag) {
    uint8_t byte;
    std::memcpy(&byte, &flag, sizeof byte);
    flag = byte != 0;
}

void settle(VectorTransform& transform) {
    settle(transform.is_trained);
    match(
            transform,
            [](PCAMatrix& pca) {
                settle(pca.have_bias);
                settle(pca.random_rotation);
            },
            [](LinearTransform& linear) { settle(linear.have_bias); },
            [](ITQTransform& itq) {
                settle(itq.do_pca);
                settle(itq.pca_then_itq.have_bias);
            },
            [](VectorTransform&) {});
}

/// FAISS's clone_index lacks some classes, leaves others with pointers into the original (fast scan over lists), and has
/// the copy of a mapped index be mapped too. So it is used for the plain kinds in memory, which are those that are large.
bool copies_itself(const Index& index) {
    return match(
            index,
            [](const IndexFlat& flat) { return flat.codes.is_owned; },
            [](const IndexScalarQuantizer& codes) { return codes.codes.is_owned; },
            [](const IndexHNSW& graph) { return graph.hnsw.neighbors.is_owned && copies_itself(*graph.storage); },
            [](const IndexIVFFlat& ivf) {
                auto lists = dynamic_cast<const ArrayInvertedLists*>(ivf.invlists);
                const auto owned = [](const auto& codes) { return codes.is_owned; };
                return lists && std::all_of(lists->codes.begin(), lists->codes.end(), owned) && copies_itself(*ivf.quantizer);
            },
            [](const Index&) { return false; });
}

} // namespace

void shim::set_metric(Index& index, MetricType metric, float exponent) {
    index.metric_type = metric;
    index.metric_arg = exponent;
    match(index, [](IndexIVF& ivf) { ivf.cp.spherical = false; }, [](Index&) {});
    for (Index* child : children(index)) {
        set_metric(*child, metric, exponent);
    }
}

/// Rows of lists with whole vectors are found through a direct map, which FAISS then keeps up to date; and training leaves
/// out the long search for an order of a product quantizer's centroids that only polysemous search has a use for.
void shim::set_up(Index& index) {
    match(
            index,
            [](IndexIVFFlat& ivf) { ivf.make_direct_map(true); },
            [](IndexPQ& codes) { codes.do_polysemous_training = false; },
            [](IndexIVFPQ& ivf) { ivf.do_polysemous_training = false; },
            [](Index&) {});
    for (Index* child : children(index)) {
        set_up(*child);
    }
}

/// Every field of a file that none of the checks bounds, and that FAISS or the code here reads afterwards.
void shim::set_parameters(Index& index) {
    settle(index.is_trained);
    match(
            index,
            [](IndexHNSW& graph) {
                const HNSW fresh;
                graph.hnsw.efConstruction = fresh.efConstruction;
                graph.hnsw.efSearch = fresh.efSearch;
            },
            [](IndexNSG& graph) {
                settle(graph.nsg.is_built);
                graph.is_built = graph.nsg.is_built;
                const NSG fresh(std::clamp(graph.nsg.R, 1, MOST_LINKS));
                std::tie(graph.nsg.L, graph.nsg.C, graph.nsg.search_L) = std::tie(fresh.L, fresh.C, fresh.search_L);
                const IndexNSG built;
                graph.GK = built.GK;
                std::tie(graph.nndescent_S, graph.nndescent_R) = std::tie(built.nndescent_S, built.nndescent_R);
                std::tie(graph.nndescent_L, graph.nndescent_iter) = std::tie(built.nndescent_L, built.nndescent_iter);
            },
            [](IndexPQ& codes) {
                codes.search_type = IndexPQ::ST_PQ;
                codes.encode_signs = false;
                codes.polysemous_ht = int(codes.pq.nbits * codes.pq.M + 1);
            },
            [](IndexPQFastScan& codes) { codes.implem = codes.qbs = codes.skip = 0; },
            [](IndexLSH& lsh) {
                settle(lsh.rotate_data);
                settle(lsh.train_thresholds);
                settle(lsh.rrot.have_bias);
            },
            [](IndexIVFPQFastScan& ivf) {
                settle(ivf.by_residual);
                ivf.nprobe = 1;
                ivf.implem = ivf.qbs = ivf.skip = 0;
                ivf.qbs2 = 0;
            },
            [](IndexIVF& ivf) {
                settle(ivf.by_residual);
                ivf.nprobe = 1;
            },
            [](IndexRefine& refine) { refine.k_factor = 1; },
            [](IndexPreTransform& chain) {
                for (VectorTransform* transform : chain.chain) {
                    settle(*transform);
                }
            },
            [](Index&) {});
    for (Index* child : children(index)) {
        if (child) {
            set_parameters(*child);
        }
    }
}

/// The table of a product quantizer over residuals; the one of distances between codes, by which graphs over them are built:
/// without it the build throws within a parallel region, which ends the process. Lists of fast scan decode through a pointer
/// to their quantizer, which is null in an index that was read.
void shim::complete(Index& index) {
    const auto between_codes = [](Index* storage) {
        auto codes = dynamic_cast<IndexPQ*>(storage);
        if (codes && codes->is_trained) {
            codes->pq.compute_sdc_table();
        }
    };
    match(
            index,
            [](IndexIVFPQ& ivf) {
                if (ivf.is_trained && ivf.by_residual) {
                    ivf.use_precomputed_table = 0;
                    ivf.precompute_table();
                }
            },
            [](IndexIVFPQFastScan& ivf) { ivf.fine_quantizer = &ivf.pq; },
            [&](IndexHNSW& graph) { between_codes(graph.storage); },
            [&](IndexNSG& graph) {
                if (graph.ntotal == 0) {
                    between_codes(graph.storage);
                }
            },
            [](Index&) {});
    for (Index* child : children(index)) {
        complete(*child);
    }
}

Index* shim::copy(const Index& index) {
    if (copies_itself(index)) {
        return clone_index(&index);
    }
    VectorIOWriter bytes;
    write_index(&index, &bytes);
    VectorIOReader reader;
    reader.data = std::move(bytes.data);
    std::unique_ptr<Index> read(read_index(&reader, READING));
    set_parameters(*read);
    set_up(*read);
    complete(*read);
    return read.release();
}
