"""FAISS's own Python package as one side of the bench: one JSON request per line in, one JSON answer per line out.

The same requests as in ours.rs. An index is built from the factory string, and parameters are set on it, as a user of
Python would; answers go into arrays that are kept from search to search, which is the quickest way that the package has.
"""

import json
import os
import sys
import threading
import time

import faiss
import numpy as np

# As the package comes, flat batches of short vectors do without the matrix product, at a seventh of the speed; at this
# they have it, and single queries still do without, where it would be slower.
faiss.cvar.distance_compute_blas_threshold = 1000

METRICS = {"l2": faiss.METRIC_L2, "cosine": faiss.METRIC_INNER_PRODUCT}


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Clock:
    def __init__(self):
        self.seconds, self.processor = time.perf_counter(), time.process_time()

    def read(self):
        return {"clock": time.perf_counter() - self.seconds, "processor": time.process_time() - self.processor}


class Side:
    def load(self, base, queries, dimension, metric):
        self.dimension, self.metric = dimension, metric
        self.base = np.fromfile(base, dtype="float32").reshape(-1, dimension)
        self.queries = np.fromfile(queries, dtype="float32").reshape(-1, dimension)
        if metric == "cosine":
            faiss.normalize_L2(self.queries)
        return {"version": f"faiss-cpu {faiss.__version__} ({faiss.get_compile_options().strip()})"}

    def build(self, factory, threads):
        faiss.omp_set_num_threads(threads)
        self.index = None
        before, clock = resident(), Clock()
        vectors = self.base
        if self.metric == "cosine":
            vectors = vectors.copy()
            faiss.normalize_L2(vectors)
        index = faiss.index_factory(self.dimension, factory, METRICS[self.metric])
        if not index.is_trained:
            index.train(vectors)
        index.add(vectors)
        spent = clock.read()
        del vectors
        self.index = index
        grown = resident() - before
        return {**spent, "resident": grown, "bytes": int(faiss.serialize_index(index).size)}

    def set(self, rescore=None, nprobe=None, ef_search=None):
        inner = self.index
        if rescore is not None:
            inner.k_factor = rescore
            inner = faiss.downcast_index(inner.base_index)
        if nprobe is not None:
            inner.nprobe = nprobe
        if ef_search is not None:
            inner.hnsw.efSearch = ef_search

    def find(self, params, k):
        self.set(**params)
        faiss.omp_set_num_threads(1)
        return {"rows": self.index.search(self.queries, k)[1].tolist()}

    def search(self, params, k, batch, threads, count):
        """`count` queries, `batch` at a time: batches on OpenMP's threads, single queries on threads of their own."""
        self.set(**params)
        workers = threads if batch == 1 else 1
        starts = range(0, len(self.queries) - batch + 1, batch)
        views = [self.queries[start : start + batch] for start in starts]
        calls = [views[call % len(views)] for call in range(count // batch)]
        share = -(-len(calls) // workers)
        parts = [calls[start : start + share] for start in range(0, len(calls), share)]
        ready = threading.Barrier(len(parts) + 1)
        search = self.index.search

        def work(part):
            faiss.omp_set_num_threads(threads // workers)
            distances, rows = np.empty((batch, k), "float32"), np.empty((batch, k), "int64")
            ready.wait()
            for queries in part:
                search(queries, k, D=distances, I=rows)

        crew = [threading.Thread(target=work, args=(part,)) for part in parts]
        for worker in crew:
            worker.start()
        ready.wait()
        clock = Clock()
        for worker in crew:
            worker.join()
        return clock.read()


def main():
    side = Side()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(side, request.pop("do"))(**request)
        except Exception as error:
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
