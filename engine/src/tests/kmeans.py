"""Writes kmeans.json: what FAISS's k-means finds in Python, for kmeans.rs to compare with.

    pip install faiss-cpu==1.12.0 numpy && python kmeans.py > kmeans.json

The points are those of golden.py, by seeded.py.
"""

import json

import faiss

from seeded import points, unit

DIMENSION, ROWS, K = 8, 1000, 6


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


data = points(1, ROWS, DIMENSION)
golden = [
    clusters("plain", data, False, 1),
    clusters("spherical", unit(data), True, 1),
    clusters("plain, best of 4", data, False, 4),
    clusters("spherical, best of 4", unit(data), True, 4),
]
print(json.dumps(golden))
