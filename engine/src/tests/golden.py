"""Writes golden.json: what FAISS answers in Python, for golden.rs to compare with.

    pip install faiss-cpu==1.12.0 numpy && python golden.py > golden.json

The points are integers so small that every squared distance is an integer below 2**24: the same number in whatever
order a processor adds. golden.rs makes the same points with the same generator (SplitMix64).
"""

import json

import faiss
import numpy as np

DIMENSION, ROWS, QUERIES, K = 8, 4000, 10, 5


def points(seed, rows):
    mask, state, values = (1 << 64) - 1, seed, []
    for _ in range(rows * DIMENSION):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        values.append((z ^ (z >> 31)) % 1001 - 500)
    return np.array(values, dtype="float32").reshape(rows, DIMENSION)


def unit(vectors):
    double = vectors.astype("float64")
    return (double / np.linalg.norm(double, axis=1, keepdims=True)).astype("float32")


def answers(name, factory, metric, data, queries, parameter=None):
    index = faiss.index_factory(DIMENSION, "IDMap," + factory, metric)
    index.train(data)
    index.add_with_ids(data, np.arange(len(data), dtype="int64") * 3 + 10)
    if parameter:
        faiss.ParameterSpace().set_index_parameter(index, *parameter)
    distances, ids = index.search(queries, K)
    return {"name": name, "ids": ids.tolist(), "distances": distances.tolist()}


def clusters(data, spherical):
    kmeans = faiss.Kmeans(DIMENSION, 6, niter=8, seed=1234, spherical=spherical, max_points_per_centroid=10**6)
    kmeans.train(data)
    return {"objective": [float(step) for step in kmeans.obj], "centroids": kmeans.centroids.flatten().tolist()}


faiss.omp_set_num_threads(1)  # HNSW links depend on the order of insertion
data, queries = points(1, ROWS), points(2, QUERIES)
l2, ip = faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT
golden = {
    "faiss": faiss.__version__,
    "searches": [
        answers("flat l2", "Flat", l2, data, queries),
        answers("flat inner_product", "Flat", ip, data, queries),
        answers("flat cosine", "Flat", ip, unit(data), unit(queries)),
        answers("hnsw ef 6", "HNSW4", l2, data, queries, ("efSearch", 6)),
        answers("hnsw ef 40", "HNSW4", l2, data, queries, ("efSearch", 40)),
        answers("ivf nprobe 1", "IVF32,Flat", l2, data, queries, ("nprobe", 1)),
        answers("ivf nprobe 4", "IVF32,Flat", l2, data, queries, ("nprobe", 4)),
    ],
    "kmeans": clusters(data, False),
    "spherical": clusters(unit(data), True),
}
print(json.dumps(golden))
