#!/usr/bin/env python3
"""Asks a running server by OpenAI's own Python client, and compares what it gives for one text in every way.

    pip install openai
    python openai_client.py http://127.0.0.1:8080 all-MiniLM-L6-v2
"""

import sys

import openai


def main():
    url, model = sys.argv[1:]
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    create = lambda **more: client.embeddings.create(model=model, **more)
    one = create(input="a dry white wine")
    several = create(input=["gear oil", "a dry white wine"], encoding_format="float")
    vector = one.data[0].embedding
    assert isinstance(vector[0], float) and [item.index for item in several.data] == [0, 1]
    assert all(abs(a - b) < 1e-4 for a, b in zip(vector, several.data[1].embedding))
    assert one.usage.prompt_tokens == one.usage.total_tokens > 0
    short = create(input="a dry white wine", dimensions=32).data[0].embedding
    assert len(short) == 32 and abs(sum(value * value for value in short) - 1) < 1e-4
    for refused, kind in [
        (lambda: create(input=[1, 2, 3]), openai.BadRequestError),
        (lambda: create(input=""), openai.BadRequestError),
        (lambda: create(input="a", dimensions=100000), openai.BadRequestError),
        (lambda: client.embeddings.create(model="text-embedding-3-small", input="a"), openai.NotFoundError),
    ]:
        try:
            refused()
        except kind as error:
            assert error.body["message"] and error.type == "invalid_request_error", error
        else:
            raise AssertionError(f"{kind} was expected")
    print(f"openai {openai.__version__}: {len(vector)} dimensions, {one.usage.total_tokens} tokens, errors as expected")


if __name__ == "__main__":
    main()
