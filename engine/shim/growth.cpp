// Training and k-means: as many OpenMP threads as the caller allows.

#include "shim.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include <faiss/Clustering.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/IndexRefine.h>
#include <faiss/VectorTransform.h>
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

/// Tells of each step of training; throws when there is to be no next one.
struct Steps {
    Step step;
    void* context;
    void operator()() const {
        if (step && !step(context)) {
            throw std::runtime_error("it was told to stop");
        }
    }
};

/// The centroids come from our assigner, whatever is to find them afterwards: FAISS has graphs over them trained for L2
/// and spherical inner product alone.
void train_lists(faiss::IndexIVF& ivf, idx_t n, const float* x, const Steps& steps) {
    Assigner assigner(ivf.d, ivf.metric_type);
    assigner.metric_arg = ivf.metric_arg;
    assigner.step = steps.step;
    assigner.context = steps.context;
    ivf.quantizer_trains_alone = 0;
    ivf.clustering_index = &assigner;
    std::exception_ptr failure;
    try {
        ivf.train(n, x);
    } catch (...) {
        failure = std::current_exception();
    }
    ivf.clustering_index = nullptr;
    if (failure) {
        std::rethrow_exception(failure);
    }
}

/// What FAISS does (IndexPreTransform::train, IndexRefine::train), with a step in between.
void train_level(Index& index, idx_t n, const float* x, const Steps& steps) {
    if (index.is_trained) {
        return;
    }
    if (auto refine = dynamic_cast<faiss::IndexRefine*>(&index)) {
        train_level(*refine->base_index, n, x, steps);
        train_level(*refine->refine_index, n, x, steps);
    } else if (auto chain = dynamic_cast<faiss::IndexPreTransform*>(&index)) {
        std::vector<float> changed;
        for (faiss::VectorTransform* transform : chain->chain) {
            if (!transform->is_trained) {
                steps();
                transform->train(n, x);
            }
            std::vector<float> next(size_t(n) * transform->d_out);
            transform->apply_noalloc(n, x, next.data());
            changed.swap(next);
            x = changed.data();
        }
        train_level(*chain->index, n, x, steps);
    } else if (auto ivf = dynamic_cast<faiss::IndexIVF*>(&index)) {
        train_lists(*ivf, n, x, steps);
    } else {
        steps();
        index.train(n, x);
    }
    index.is_trained = true;
}

} // namespace

extern "C" {

/// `step` is called before each transform, each iteration of the lists' k-means, and each other kind of code. After a
/// failure the index is trained in parts, and of no use.
int vinedb_faiss_train(IndexIDMap* map, int64_t n, const float* x, Step step, void* context) {
    return guarded([&] {
        train_level(*map->index, n, x, {step, context});
        map->is_trained = true;
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
