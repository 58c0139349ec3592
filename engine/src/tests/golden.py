"""Writes golden.json: what FAISS answers in Python, for golden.rs to compare with.

    pip install faiss-cpu==1.12.0 numpy
    python golden.py > golden.json                 # 1.12 is what is built in, so its numbers are the ones kept
    python golden.py --against golden.json         # with another version: which answers it gives otherwise

The points are integers so small that every squared distance is an integer below 2**24: the same number in whatever
order a processor adds. golden.rs makes the same points as seeded.py does.
"""

import json
import sys

import faiss
import numpy as np

from seeded import points, unit

DIMENSION, ROWS, QUERIES, K = 16, 4000, 3, 4
METRICS = {
    "l2": faiss.METRIC_L2,
    "inner_product": faiss.METRIC_INNER_PRODUCT,
    "cosine": faiss.METRIC_INNER_PRODUCT,
    "l1": faiss.METRIC_L1,
    "linf": faiss.METRIC_Linf,
    "lp(3)": faiss.METRIC_Lp,
    "canberra": faiss.METRIC_Canberra,
    "braycurtis": faiss.METRIC_BrayCurtis,
    "jensenshannon": faiss.METRIC_JensenShannon,
}
PRODUCTS = ["l2", "inner_product", "cosine"]
DISTANCES = ["l2", "cosine"]
EF, PROBE = {"ef_search": 20}, {"nprobe": 4}
# ITQ is left out: its iterations start from eigenvectors, whose signs every LAPACK chooses for itself.
# What is searched: factory string, metrics, parameters, and the number of points where 4,000 do not train it.
KINDS = [
    ("Flat", list(METRICS), {}),
    *((codes, PRODUCTS, {}) for codes in ("SQ8", "SQ6", "SQ4", "SQfp16", "SQbf16", "PQ8x4", "PQ8x4fs", "RaBitQ")),
    *((codes, DISTANCES, {}) for codes in ("LSH", "LSH64r", "LSH32rt")),
    ("HNSW8", list(METRICS), {"ef_search": 10}),
    ("HNSW8", ["l2"], {"ef_search": 40}),
    *((f"HNSW8,{codes}", PRODUCTS, EF) for codes in ("SQ8", "SQ6", "SQ4", "SQfp16", "SQbf16")),
    ("HNSW8,PQ8x4", DISTANCES, EF),
    *((kind, DISTANCES, EF) for kind in ("NSG8", "NSG8,SQ8", "NSG8,PQ8x4")),
    ("IVF16,Flat", list(METRICS), PROBE),
    ("IVF16,Flat", ["l2"], {"nprobe": 1}),
    ("IVF16,Flat", ["l2"], {"nprobe": 8, "max_codes": 600}),
    *((f"IVF16,{codes}", PRODUCTS, PROBE) for codes in ("SQ8", "SQ6", "SQ4", "SQfp16", "SQbf16", "PQ8x4")),
    *((f"IVF16,{codes}", PRODUCTS, PROBE) for codes in ("PQ8x4fs", "PQ8x4fsr", "RaBitQ")),
    *((f"IVF16_HNSW8,{codes}", PRODUCTS, PROBE) for codes in ("Flat", "SQ8", "PQ8x4")),
    ("IVF16,PQ4", ["l2"], PROBE, 10_000),
    *((f"{transform},Flat", PRODUCTS, {}) for transform in ("PCA8", "PCAW8", "L2norm")),
    ("PCAR8,HNSW8", PRODUCTS, EF),
    ("RR16,IVF16,RaBitQ", PRODUCTS, PROBE),
    ("Pad24,SQ8", PRODUCTS, {}),
    ("PCA8,IVF16,PQ8x4", PRODUCTS, PROBE),
    ("OPQ4,PQ4", ["l2"], {}, 10_000),
    ("SQ4,RFlat", PRODUCTS, {"rescore": 2}),
    ("PQ8x4,RFlat", PRODUCTS, {"rescore": 4}),
    ("RaBitQ,Refine(SQ8)", PRODUCTS, {"rescore": 4}),
    ("HNSW8,SQ4,RFlat", PRODUCTS, {**EF, "rescore": 3}),
    ("IVF16,PQ8x4fs,RFlat", PRODUCTS, {**PROBE, "rescore": 4}),
    ("IVF16,RaBitQ,Refine(SQfp16)", PRODUCTS, {**PROBE, "rescore": 4}),
]


def prepared(vectors, metric):
    """As vectors.rs prepares them; components of 0 or more for the metrics that know no others."""
    if metric == "cosine":
        return unit(vectors)
    if metric in ("braycurtis", "jensenshannon"):
        vectors = np.abs(vectors)
    if metric in ("canberra", "braycurtis", "jensenshannon"):
        vectors = np.where(vectors == 0, np.float32(1e-30), vectors)
    return vectors


def found_by_l2(factory, metric):
    """Kinds that know L2 alone; and cosine behind transforms that shift vectors."""
    shifted = metric == "cosine" and "PCA" in factory
    return shifted or "LSH" in factory or "NSG" in factory or factory.startswith("HNSW8,PQ")


def parts(index):
    """The index and all below it."""
    index = faiss.downcast_index(index)
    below = [getattr(index, name, None) for name in ("index", "storage", "quantizer", "base_index", "refine_index")]
    return [index] + [part for inner in below if inner is not None for part in parts(inner)]


def built(factory, metric, data):
    native = faiss.METRIC_L2 if found_by_l2(factory, metric) else METRICS[metric]
    index = faiss.index_factory(DIMENSION, factory, native)
    for part in parts(index):
        if metric == "lp(3)":
            part.metric_arg = 3.0
    index.train(data)
    index.add(data)
    return index


def set_parameters(index, parameters):
    for part in parts(index):
        if "nprobe" in parameters and hasattr(part, "nprobe"):
            part.nprobe = parameters["nprobe"]
            part.max_codes = parameters.get("max_codes", 0)
        if "ef_search" in parameters and hasattr(part, "hnsw"):
            part.hnsw.efSearch = parameters["ef_search"]
        if "ef_search" in parameters and hasattr(part, "nsg"):
            part.nsg.search_L = parameters["ef_search"]
        if "rescore" in parameters and hasattr(part, "k_factor"):
            part.k_factor = parameters["rescore"]


def as_cosine(index, distances):
    """What an index that knows L2 alone says about vectors of length 1."""
    for part in parts(index):
        if isinstance(part, faiss.IndexLSH):
            return np.cos(np.pi * distances / part.nbits)
    return 1 - distances / 2


def answers(factory, metric, parameters, rows=ROWS):
    data, queries = (prepared(points(seed, n, DIMENSION), metric) for seed, n in ((1, rows), (2, QUERIES)))
    index = built(factory, metric, data)
    set_parameters(index, parameters)
    distances, found = index.search(queries, K)
    if metric == "cosine" and found_by_l2(factory, metric):
        distances = as_cosine(index, distances)
    distances = [[float(f"{distance:.7g}") for distance in row] for row in distances.tolist()]
    ids = np.where(found < 0, -1, found * 3 + 10).tolist()
    return {"kind": factory, "metric": metric, "params": parameters, "rows": rows, "ids": ids, "distances": distances}


def golden():
    searches = [answers(factory, metric, *rest) for factory, metrics, *rest in KINDS for metric in metrics]
    return {"faiss": faiss.__version__, "searches": searches}


def lines(value):
    """One line for each search, so that a change shows."""
    searches = ",\n".join(json.dumps(search) for search in value["searches"])
    return f'{{"faiss": "{value["faiss"]}", "searches": [\n{searches}\n]}}'


def compare(kept, now):
    print(f"kept: {kept['faiss']}, now: {now['faiss']}")
    for one, two in zip(kept["searches"], now["searches"], strict=True):
        close = np.allclose(one["distances"], two["distances"], rtol=1e-4, atol=1e-4)
        if one["ids"] != two["ids"] or not close:
            same = np.mean([len(set(a) & set(b)) / K for a, b in zip(one["ids"], two["ids"])])
            print(f"{one['kind']} {one['metric']}: {same:.0%} of the ids, distances {'close' if close else 'other'}")


faiss.omp_set_num_threads(1)  # a graph's links depend on the order of insertion
if len(sys.argv) == 3 and sys.argv[1] == "--against":
    with open(sys.argv[2]) as file:
        compare(json.load(file), golden())
else:
    print(lines(golden()))
