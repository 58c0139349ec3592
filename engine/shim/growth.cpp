// Training and k-means: as many OpenMP threads as the caller allows.

#include "shim.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include <faiss/Clustering.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/IndexRefine.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/utils/distances.h>

using namespace shim;

void shim::blocked_search(const IndexFlat& flat, idx_t n, const float* x, idx_t k, float* distances, idx_t* rows) {
    const idx_t block = 1024;
    std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic) if (n > block)
    for (idx_t start = 0; start < n; start += block) {
        const idx_t count = std::min(block, n - start);
        try {
            flat.IndexFlat::search(count, x + start * flat.d, k, distances + start * k, rows + start * k);
        } catch (...) {
#pragma omp critical(vinedb_failure)
            failure = std::current_exception();
        }
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
}

namespace {

/// Called before each iteration of k-means; false ends it.
using Step = bool (*)(void* context);

/// The index that k-means assigns points with: flat, all cores at work, BLAS on one thread each. FAISS searches it once
/// per iteration, outside of its parallel regions, so that an exception thrown here ends the training.
struct Assigner final : IndexFlat {
    Step step = nullptr;
    void* context = nullptr;

    using IndexFlat::IndexFlat;
    void search(idx_t n, const float* x, idx_t k, float* distances, idx_t* labels, const faiss::SearchParameters*) const override {
        if (step && !step(context)) {
            throw std::runtime_error("it was told to stop");
        }
        blocked_search(*this, n, x, k, distances, labels);
    }
};

/// The inverted lists in an index, if it has some.
faiss::IndexIVF* lists_of(Index& index) {
    if (auto refine = dynamic_cast<faiss::IndexRefine*>(&index)) {
        return lists_of(*refine->base_index);
    }
    if (auto pre = dynamic_cast<faiss::IndexPreTransform*>(&index)) {
        return lists_of(*pre->index);
    }
    return dynamic_cast<faiss::IndexIVF*>(&index);
}

/// FAISS trains a graph of centroids for L2 and inner product alone; it leaves centroids be that are there.
void train_graph(faiss::IndexIVF& ivf, idx_t n, const float* x, Assigner& assigner) {
    const bool trained = ivf.metric_type == faiss::METRIC_L2 || ivf.metric_type == faiss::METRIC_INNER_PRODUCT;
    if (trained || !dynamic_cast<const IndexHNSW*>(ivf.quantizer)) {
        return;
    }
    faiss::Clustering clustering(ivf.d, ivf.nlist, ivf.cp);
    clustering.train(n, x, assigner);
    ivf.quantizer->reset();
    ivf.quantizer->add(ivf.nlist, clustering.centroids.data());
}

void train_lists(IndexIDMap& map, faiss::IndexIVF& ivf, idx_t n, const float* x) {
    Assigner assigner(ivf.d, ivf.metric_type);
    assigner.metric_arg = ivf.metric_arg;
    ivf.clustering_index = &assigner;
    std::exception_ptr failure;
    try {
        train_graph(ivf, n, x, assigner);
        map.train(n, x);
    } catch (...) {
        failure = std::current_exception();
    }
    ivf.clustering_index = nullptr;
    if (failure) {
        std::rethrow_exception(failure);
    }
}

} // namespace

extern "C" {

int vinedb_faiss_train(IndexIDMap* map, int64_t n, const float* x) {
    return guarded([&] {
        if (auto ivf = lists_of(*map->index)) {
            train_lists(*map, *ivf, n, x);
        } else {
            map->train(n, x);
        }
    });
}

/// Mirrors `KmeansSettings` in ffi/native.rs.
struct VinedbKmeans {
    int32_t seed;
    int32_t iterations;
    bool spherical;
};

/// Lloyd's iterations on all n points, from the centroids that are `given`, else from random points. `step` is called
/// before each. `objective` has room for `settings.iterations` values; `steps` receives how many there are (FAISS makes
/// none worth the name when n equals k).
int vinedb_faiss_kmeans(
        int64_t d,
        int64_t n,
        const float* x,
        int64_t k,
        const VinedbKmeans* settings,
        Step step,
        void* context,
        bool given,
        float* centroids,
        float* objective,
        size_t* steps) {
    return guarded([&] {
        faiss::ClusteringParameters parameters;
        parameters.seed = settings->seed;
        parameters.niter = settings->iterations;
        parameters.spherical = settings->spherical;
        parameters.min_points_per_centroid = 1;
        parameters.max_points_per_centroid = INT32_MAX;
        faiss::Clustering clustering(int(d), int(k), parameters);
        if (given) {
            clustering.centroids.assign(centroids, centroids + k * d);
        }
        Assigner assigner(d, settings->spherical ? faiss::METRIC_INNER_PRODUCT : faiss::METRIC_L2);
        assigner.step = step;
        assigner.context = context;
        clustering.train(n, x, assigner);
        const auto& all = clustering.iteration_stats;
        *steps = std::min(all.size(), size_t(settings->iterations));
        std::transform(all.end() - *steps, all.end(), objective, [](const auto& step) { return step.obj; });
        std::copy(clustering.centroids.begin(), clustering.centroids.end(), centroids);
    });
}

} // extern "C"
