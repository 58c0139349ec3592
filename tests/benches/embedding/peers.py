"""What others make of the same texts: one JSON request per line in, one JSON answer per line out.

sentence-transformers and fastembed work as they come, on the same weights in 32-bit floats. ONNX Runtime alone gets the
texts tokenized and sorted beforehand, throws its outputs away, and works in whichever setting was found to be the
quickest here. One side works at a time.
"""

import json
import sys
import threading
import time

import numpy as np
import onnx
import onnxruntime
from tokenizers import Tokenizer

MAX_TOKENS = 256
BUDGETS = [256, 512, 1024, 2048, 4096]


class Clock:
    def __init__(self):
        self.seconds, self.processor = time.perf_counter(), time.process_time()

    def read(self):
        return {"clock": time.perf_counter() - self.seconds, "processor": time.process_time() - self.processor}


def tokenized(folder, texts):
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def open_sessions(path, sessions, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return [onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]) for _ in range(sessions)]


class Bare:
    """ONNX Runtime alone."""

    def __init__(self, folder, texts, cores):
        self.path = f"{folder}/model.onnx"
        self.ids = sorted(tokenized(folder, texts), key=len, reverse=True)
        self.names = {one.name for one in open_sessions(self.path, 1, 1)[0].get_inputs()}
        self.cores = cores

    def feed(self, ids):
        width = len(ids[0])
        tokens = np.zeros((len(ids), width), "int64")
        mask = np.zeros((len(ids), width), "int64")
        for row, one in enumerate(ids):
            tokens[row, : len(one)], mask[row, : len(one)] = one, 1
        feed = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        return {name: value for name, value in feed.items() if name in self.names}

    def batches(self, ids, budget):
        start = 0
        while start < len(ids):
            count = max(1, budget // len(ids[start]))
            yield self.feed(ids[start : start + count])
            start += count

    def run(self, sessions, ids, budget):
        batches = list(self.batches(ids, budget))
        clock, place, lock = Clock(), iter(batches), threading.Lock()

        def work(session):
            while True:
                with lock:
                    batch = next(place, None)
                if batch is None:
                    return
                session.run(None, batch)

        crew = [threading.Thread(target=work, args=(session,)) for session in sessions]
        for worker in crew:
            worker.start()
        for worker in crew:
            worker.join()
        return clock.read()

    def tune(self):
        """The quickest of sessions × threads × tokens per batch, on every fourth text."""
        tried = []
        for sessions, threads in {(self.cores, 1), (1, self.cores)}:
            opened = open_sessions(self.path, sessions, threads)
            for budget in BUDGETS:
                self.run(opened, self.ids[::8], budget)
                tried.append((self.run(opened, self.ids[::4], budget)["clock"], sessions, threads, budget))
        _, sessions, threads, self.budget = min(tried)
        self.sessions = open_sessions(self.path, sessions, threads)
        return {"setting": f"{sessions} × {threads} threads, {self.budget} tokens"}

    def all(self):
        return self.run(self.sessions, self.ids, self.budget)


class SentenceTransformers:
    def __init__(self, folder, texts):
        from sentence_transformers import SentenceTransformer

        self.model, self.texts = SentenceTransformer(folder, device="cpu"), texts

    def all(self):
        clock = Clock()
        self.model.encode(self.texts)
        return clock.read()


class FastEmbed:
    """It wants two more files than a model needs; what is in them is what the tokenizer says itself."""

    def __init__(self, folder, texts):
        names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
        tokens = {f"{name}_token": token for name, token in names.items()}
        for file, content in {"tokenizer_config.json": {**tokens, "model_max_length": MAX_TOKENS}, "special_tokens_map.json": tokens}.items():
            with open(f"{folder}/{file}", "w") as out:
                json.dump(content, out)
        from fastembed import TextEmbedding
        from fastembed.common.model_description import ModelSource, PoolingType

        TextEmbedding.add_custom_model(
            model="vinedb/floats",
            pooling=PoolingType.MEAN,
            normalization=True,
            sources=ModelSource(hf="vinedb/floats"),
            dim=384,
            model_file="model.onnx",
        )
        self.model, self.texts = TextEmbedding("vinedb/floats", specific_model_path=folder), texts

    def all(self):
        clock = Clock()
        for _ in self.model.embed(self.texts):
            pass
        return clock.read()


def product_model(rows, inner, columns):
    """One MatMulInteger of constant size: what ONNX Runtime reaches where there is nothing else to do."""
    weights = np.random.default_rng(1).integers(-127, 127, (inner, columns), dtype="int8")
    node = onnx.helper.make_node("MatMulInteger", ["a", "w"], ["y"])
    a = onnx.helper.make_tensor_value_info("a", onnx.TensorProto.UINT8, [rows, inner])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.INT32, [rows, columns])
    graph = onnx.helper.make_graph([node], "product", [a], [y], [onnx.numpy_helper.from_array(weights, "w")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


def peak(cores):
    """Operations per second of 8-bit products, one thread per core."""
    rows, inner, columns, rounds = 1024, 1536, 1536, 40
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = product_model(rows, inner, columns)
    sessions = [onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]) for _ in range(cores)]
    feed = {"a": np.random.default_rng(2).integers(0, 255, (rows, inner), dtype="uint8")}

    def work(session):
        for _ in range(rounds):
            session.run(None, feed)

    best = 0.0
    for _ in range(3):
        crew = [threading.Thread(target=work, args=(session,)) for session in sessions]
        start = time.perf_counter()
        for worker in crew:
            worker.start()
        for worker in crew:
            worker.join()
        best = max(best, 2.0 * rows * inner * columns * rounds * cores / (time.perf_counter() - start))
    return {"operations": best}


class Sides:
    def open(self, published, floats, int8, texts, cores):
        self.cores = cores
        self.sides = {
            "sentence-transformers": SentenceTransformers(published, texts),
            "fastembed": FastEmbed(floats, texts),
            "floats": Bare(floats, texts, cores),
            "int8": Bare(int8, texts, cores),
        }
        self.tokens = sum(len(ids) for ids in self.sides["int8"].ids)
        from importlib.metadata import version

        names = ["sentence-transformers", "torch", "fastembed", "onnxruntime"]
        return {"versions": ", ".join(f"{name} {version(name)}" for name in names), "tokens": self.tokens}

    def tune(self, side):
        return self.sides[side].tune()

    def all(self, side):
        return self.sides[side].all()

    def query(self, text, count, threads):
        """Milliseconds of one short text, tokenized beforehand: the median."""
        bare = self.sides["int8"]
        tokenizer = Tokenizer.from_file(bare.path.replace("model.onnx", "tokenizer.json"))
        tokenizer.no_padding()
        feed = bare.feed([tokenizer.encode(text).ids])
        (session,) = open_sessions(bare.path, 1, threads)
        times = []
        for _ in range(count):
            start = time.perf_counter()
            session.run(None, feed)
            times.append((time.perf_counter() - start) * 1e3)
        return {"ms": float(np.median(times[count // 10 :]))}

    def peak(self):
        return peak(self.cores)


def main():
    sides = Sides()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(sides, request.pop("do"))(**request)
        except Exception as error:
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
