"""Makes the index files that the tests import, and what FAISS itself answers from them.

    pip install faiss-cpu==1.12.0 numpy && python tests/exchange/make.py

Vectors are multiples of 1/64, so that every distance is the same on every machine, whatever order it is summed in.
"""

import json
import pathlib

import faiss
import numpy

HERE = pathlib.Path(__file__).parent
N, DIMENSION, K = 320, 8, 5

faiss.omp_set_num_threads(1)
random = numpy.random.default_rng(7)


def vectors(n):
    return random.integers(-64, 65, (n, DIMENSION)).astype("float32") / 64


base, queries = vectors(N), vectors(4)
unit = base / numpy.linalg.norm(base, axis=1, keepdims=True)
# In no order, with gaps, and beyond what 32 bits hold.
ids = random.permutation(N).astype("int64") * 3 + 5
ids[0] = 2**40


def idmap(factory, metric, data):
    index = faiss.IndexIDMap(faiss.index_factory(DIMENSION, factory, metric))
    index.train(data)
    index.add_with_ids(data, ids)
    return index


def lists(factory, metric, data):
    index = faiss.index_factory(DIMENSION, factory, metric)
    index.train(data)
    index.add_with_ids(data, ids)
    return index


def plain(factory, metric, data):
    index = faiss.index_factory(DIMENSION, factory, metric)
    index.train(data)
    index.add(data)
    return index


files = {
    "hnsw": idmap("HNSW16,Flat", faiss.METRIC_L2, base),
    "flat": plain("Flat", faiss.METRIC_L1, base),
    "lists": lists("IVF4,Flat", faiss.METRIC_INNER_PRODUCT, unit),
    "codes": idmap("SQ8", faiss.METRIC_L2, base),
}
answers = {"queries": queries.tolist(), "ids": ids.tolist(), "vectors": base.tolist()}
for name, index in files.items():
    faiss.write_index(index, str(HERE / f"{name}.faiss"))
    if name == "lists":
        index.nprobe = 4
    if name == "hnsw":
        faiss.downcast_index(index.index).hnsw.efSearch = N
    distances, found = index.search(queries, K)
    answers[name] = {"ids": found.tolist(), "distances": distances.tolist()}
(HERE / "answers.json").write_text(json.dumps(answers) + "\n")
