"""The points that the scripts here and the tests beside them make alike: SplitMix64, integers from -500 to 500."""

import functools

import numpy as np


@functools.cache
def points(seed, rows, dimension):
    mask, state, values = (1 << 64) - 1, seed, []
    for _ in range(rows * dimension):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        values.append((z ^ (z >> 31)) % 1001 - 500)
    return np.array(values, dtype="float32").reshape(rows, dimension)


def unit(vectors):
    double = vectors.astype("float64")
    return (double / np.linalg.norm(double, axis=1, keepdims=True)).astype("float32")
