#!/usr/bin/env python3
"""Writes tiny/: models of every kind that is converted, a few thousand seeded weights each, with what `transformers` makes
of two short texts in 32-bit floats on the CPU.

    pip install 'transformers==4.57.6' torch safetensors
    python tiny.py

Each folder has what a published model has, config.json and the weights, and states.json: the tokens' numbers, row by row
with padding, and the last hidden states of those that are no padding. Weights are drawn wide, so that every part of a
model shows in its output. What varies: the activation, 16-bit weights, weights in two files, a head's prefix, old names.
"""

import json
import pathlib
import shutil

import safetensors.torch
import torch
import transformers
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

HERE = pathlib.Path(__file__).parent / "tiny"
COMMON = {
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 24,
    "initializer_range": 0.3,
}
MODELS = {
    "bert": ("Bert", {**COMMON, "type_vocab_size": 2, "hidden_act": "gelu_new"}),
    "bert_old_names": ("Bert", {**COMMON, "type_vocab_size": 2, "layer_norm_eps": 1e-6}),
    "electra": ("Electra", {**COMMON, "embedding_size": 16}),
    "roberta": ("Roberta", {**COMMON, "type_vocab_size": 1, "pad_token_id": 1, "layer_norm_eps": 1e-5}),
    "xlm_roberta_bf16": ("XLMRoberta", {**COMMON, "type_vocab_size": 1, "pad_token_id": 1, "hidden_act": "relu"}),
    "distilbert": ("DistilBert", {
        "vocab_size": 40, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 40,
        "max_position_embeddings": 24, "initializer_range": 0.3,
    }),
    "mpnet": ("MPNet", {**COMMON, "pad_token_id": 1, "max_position_embeddings": 64}),
    "modernbert": ("ModernBert", {
        **COMMON, "num_hidden_layers": 4, "pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1,
        "eos_token_id": 2, "local_attention": 6, "reference_compile": False,
    }),
}
# Roberta counts positions from behind its padding, so that 24 positions are good for 22 tokens.
LENGTHS = (20, 11)


def ids(config):
    """Two texts; the padding's number occurs in none of them."""
    pad = config.pad_token_id if config.pad_token_id is not None else 0
    rows = [[5 + (row * 17 + place * 7) % 30 for place in range(length)] for row, length in enumerate(LENGTHS)]
    if config.model_type == "mpnet":
        rows[0] = (rows[0] * 3)[:50]
    width = len(rows[0])
    return [row + [pad] * (width - len(row)) for row in rows], [len(row) for row in rows]


def weights(name, model):
    """The model's tensors under the names and in the types of this variant."""
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    if name == "bert_old_names":
        old = lambda key: key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        state = {"bert." + old(key): value for key, value in state.items()}
    if name == "roberta":
        state = {"roberta." + key: value for key, value in state.items()}
    if name == "xlm_roberta_bf16":
        state = {key: value.to(torch.bfloat16) if value.is_floating_point() else value for key, value in state.items()}
    return state


def save(folder, state, in_two):
    """One file, or two and their index."""
    if not in_two:
        safetensors.torch.save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = sorted(state)
    files = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in files.items():
        safetensors.torch.save_file({key: state[key] for key in part}, folder / file, metadata={"format": "pt"})
    places = {key: file for file, part in files.items() for key in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}, indent=1))


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    for number, (name, (kind, settings)) in enumerate(MODELS.items()):
        torch.manual_seed(number)
        config = getattr(transformers, kind + "Config")(**settings)
        head = {} if kind in ("DistilBert", "ModernBert", "Electra") else {"add_pooling_layer": False}
        model = getattr(transformers, kind + "Model")(config, **head).eval()
        with torch.no_grad():
            for value in model.parameters():
                value.add_(torch.randn_like(value) * 0.1)
                if name == "xlm_roberta_bf16":
                    value.copy_(value.to(torch.bfloat16).float())
        folder = HERE / name
        folder.mkdir(parents=True)
        save(folder, weights(name, model), in_two=name == "distilbert")
        config.save_pretrained(folder)
        rows, lengths = ids(config)
        mask = [[int(place < length) for place in range(len(rows[0]))] for length in lengths]
        types = [[place % 2 for place in range(len(rows[0]))] for _ in rows]
        inputs = {"input_ids": torch.tensor(rows), "attention_mask": torch.tensor(mask)}
        if getattr(config, "type_vocab_size", 0) > 1:
            inputs["token_type_ids"] = torch.tensor(types)
        with torch.no_grad():
            states = model(**inputs).last_hidden_state
        kept = [[[round(float(v), 5) for v in token] for token in row[:length]] for row, length in zip(states, lengths)]
        body = {"input_ids": rows, "attention_mask": mask}
        if "token_type_ids" in inputs:
            body["token_type_ids"] = types
        body["last_hidden_state"] = kept
        (folder / "states.json").write_text(json.dumps(body, separators=(",", ":")))
        print(name, config.model_type, float(states.abs().mean()))
    distances = torch.arange(-600, 601).unsqueeze(0)
    buckets = MPNetEncoder.relative_position_bucket(distances)[0].tolist()
    (HERE / "mpnet_buckets.json").write_text(json.dumps(buckets, separators=(",", ":")))


if __name__ == "__main__":
    main()
