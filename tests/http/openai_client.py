#!/usr/bin/env python3
"""Asks a running server by OpenAI's own Python client, in every way that the client knows, and compares the answers.

    python openai_client.py http://127.0.0.1:8080 all-MiniLM-L6-v2

`setup.sh` beside this file sets up a Python that has the client; `openai_process.rs` runs it.
"""

import sys
from array import array
from concurrent.futures import ThreadPoolExecutor

import openai

WINE = "a dry white wine"
# 8 bits round a text a little differently beside others.
SIDE_BY_SIDE = 1e-4


def near(one, other):
    return len(one) == len(other) and all(abs(a - b) < SIDE_BY_SIDE for a, b in zip(one, other))


def check_formats(create):
    """Asked for nothing the client asks for base64, and decodes it: to the floats' own numbers, of 32 bits."""
    coded, floats = create(input=WINE), create(input=WINE, encoding_format="float")
    vector = coded.data[0].embedding
    assert isinstance(vector, list) and isinstance(vector[0], float)
    assert vector == array("f", floats.data[0].embedding).tolist()
    assert coded.usage == floats.usage and coded.usage.prompt_tokens == coded.usage.total_tokens > 0
    raw = create(input=WINE, encoding_format="base64").data[0].embedding
    assert isinstance(raw, str) and len(raw) == (len(vector) * 4 + 2) // 3 * 4
    return vector


def check_arrays(create, vector):
    texts = [f"wine number {number}" for number in range(199)] + [WINE]
    coded, floats = create(input=texts), create(input=texts, encoding_format="float")
    assert [item.index for item in coded.data] == list(range(200))
    assert all(near(a.embedding, b.embedding) for a, b in zip(coded.data, floats.data))
    assert near(coded.data[199].embedding, vector) and not near(coded.data[0].embedding, vector)
    assert coded.usage == floats.usage
    alone = [create(input=text).usage.total_tokens for text in (texts[7], WINE)]
    assert create(input=[texts[7], WINE]).usage.total_tokens == sum(alone)


def check_threads(create):
    """Callers side by side get their own texts' vectors."""
    texts = [f"a {colour} wine from {place}" for colour in ("red", "white", "grey", "golden") for place in ("Jura", "Rioja")]
    alone = [create(input=text).data[0].embedding for text in texts]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda number: create(input=texts[number % 8]).data[0].embedding, range(64)))
    assert all(near(vector, alone[number % 8]) for number, vector in enumerate(together))
    assert not near(alone[0], alone[1])


def check_dimensions(create, vector):
    short = create(input=WINE, dimensions=32).data[0].embedding
    length = sum(value * value for value in vector[:32]) ** 0.5
    assert near(short, [value / length for value in vector[:32]])


def check_refusals(create):
    for kind, part, more in [
        (openai.BadRequestError, "tokens", {"input": [1, 2, 3]}),
        (openai.BadRequestError, "empty", {"input": ""}),
        (openai.BadRequestError, "empty array", {"input": []}),
        (openai.BadRequestError, "2049 texts were given, at most 2048", {"input": ["a"] * 2049}),
        (openai.BadRequestError, "100000", {"input": "a", "dimensions": 100000}),
        (openai.NotFoundError, "text-embedding-3-small", {"input": "a", "model": "text-embedding-3-small"}),
    ]:
        try:
            create(**more)
        except kind as error:
            assert part in error.body["message"] and error.type == "invalid_request_error", error
        else:
            raise AssertionError(f"{kind} was expected")


def main():
    url, model = sys.argv[1:]
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    create = lambda **more: client.embeddings.create(**{"model": model, **more})
    vector = check_formats(create)
    check_arrays(create, vector)
    check_threads(create)
    check_dimensions(create, vector)
    check_refusals(create)
    print(f"openai {openai.__version__}: {len(vector)} dimensions, all as expected")


if __name__ == "__main__":
    main()
