// Training and k-means: as many OpenMP threads as the caller allows.

#include "kinds.h"
#include "shim.h"

#include <algorithm>
#include <vector>

#include <faiss/Clustering.h>

using namespace shim;

void shim::blocked_search(const IndexFlat& flat, idx_t n, const float* x, idx_t k, float* distances, idx_t* rows) {
    const idx_t block = 1024;
    Failure failure;
#pragma omp parallel for schedule(dynamic) if (n > block)
    for (idx_t start = 0; start < n; start += block) {
        failure.catching([&] {
            const idx_t count = std::min(block, n - start);
            flat.IndexFlat::search(count, x + start * flat.d, k, distances + start * k, rows + start * k);
        });
    }
    failure.rethrow();
}

namespace {

/// The index that k-means assigns points with: flat, all cores at work, BLAS on one thread each. FAISS searches it once
/// per iteration, outside of its parallel regions, so that an exception thrown here ends the training.
struct Assigner final : IndexFlat {
    const Steps& steps;

    Assigner(idx_t d, faiss::MetricType metric, const Steps& steps) : IndexFlat(d, metric), steps(steps) {}

    void search(idx_t n, const float* x, idx_t k, float* distances, idx_t* labels, const faiss::SearchParameters*) const override {
        steps.next();
        blocked_search(*this, n, x, k, distances, labels);
    }
};

/// The centroids come from our assigner, whatever is to find them afterwards: FAISS has graphs over them trained for L2
/// and spherical inner product alone.
void train_lists(faiss::IndexIVF& ivf, idx_t n, const float* x, const Steps& steps) {
    Assigner assigner(ivf.d, ivf.metric_type, steps);
    assigner.metric_arg = ivf.metric_arg;
    ivf.quantizer_trains_alone = 0;
    const Borrowed<Index*> borrowed(ivf.clustering_index, &assigner);
    ivf.train(n, x);
}

void train_level(Index& index, idx_t n, const float* x, const Steps& steps);

/// What FAISS does (IndexPreTransform::train), with a step in between.
void train_chain(faiss::IndexPreTransform& chain, idx_t n, const float* x, const Steps& steps) {
    std::vector<float> changed;
    for (faiss::VectorTransform* transform : chain.chain) {
        if (!transform->is_trained) {
            steps.next();
            transform->train(n, x);
        }
        std::vector<float> next(size_t(n) * transform->d_out);
        transform->apply_noalloc(n, x, next.data());
        changed.swap(next);
        x = changed.data();
    }
    train_level(*chain.index, n, x, steps);
}

void train_level(Index& index, idx_t n, const float* x, const Steps& steps) {
    if (index.is_trained) {
        return;
    }
    match(
            index,
            [&](faiss::IndexRefine& refine) {
                train_level(*refine.base_index, n, x, steps);
                train_level(*refine.refine_index, n, x, steps);
            },
            [&](faiss::IndexPreTransform& chain) { train_chain(chain, n, x, steps); },
            [&](faiss::IndexIVF& ivf) { train_lists(ivf, n, x, steps); },
            [&](Index& codes) {
                steps.next();
                codes.train(n, x);
            });
    index.is_trained = true;
}

} // namespace

extern "C" {

/// `step` is called before each transform, each iteration of the lists' k-means, and each other kind of code. After a
/// failure the index is trained in parts, and of no use.
int vinedb_faiss_train(Handle* handle, int64_t n, const float* x, StepCallback step, void* context) {
    return guarded([&] {
        train_level(*handle->index, n, x, {step, context});
        handle->is_trained = true;
    });
}

/// Mirrors `KmeansSettings` in backend/faiss/native.rs.
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
        StepCallback step,
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
        const Steps watched{step, context};
        Assigner assigner(d, settings->spherical ? faiss::METRIC_INNER_PRODUCT : faiss::METRIC_L2, watched);
        clustering.train(n, x, assigner);
        const auto& all = clustering.iteration_stats;
        *steps = std::min(all.size(), size_t(settings->iterations));
        std::transform(all.end() - *steps, all.end(), objective, [](const auto& step) { return step.obj; });
        std::copy(clustering.centroids.begin(), clustering.centroids.end(), centroids);
    });
}

} // extern "C"
