"""Writes kmeans.json: what FAISS's k-means finds in Python, for kmeans.rs to compare with.

    pip install faiss-cpu==1.12.0 numpy && python kmeans.py > kmeans.json

The points are those of golden.py: integers, from the same generator (SplitMix64).
"""

import json

import faiss
import numpy as np

DIMENSION, ROWS, K = 8, 1000, 6


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


def clusters(name, data, spherical, redo):
    kmeans = faiss.Kmeans(
        DIMENSION, K, niter=8, seed=1234, spherical=spherical, nredo=redo, max_points_per_centroid=10**6
    )
    kmeans.train(data)
    distances, assignment = kmeans.index.search(data, 1)
    # Of several runs FAISS keeps the objectives of all up to the best, one after another.
    objective = [kmeans.iteration_stats[i]["obj"] for i in range(len(kmeans.iteration_stats))][-8:]
    return {
        "name": name,
        "objective": objective,
        "centroids": kmeans.centroids.flatten().tolist(),
        "assignment": assignment.flatten().tolist(),
        "distances": [round(distance, 6) for distance in distances.flatten().tolist()],
    }


data = points(1, ROWS)
golden = [
    clusters("plain", data, False, 1),
    clusters("spherical", unit(data), True, 1),
    clusters("plain, best of 4", data, False, 4),
    clusters("spherical, best of 4", unit(data), True, 4),
]
print(json.dumps(golden))
