#!/usr/bin/env python3
"""Writes the tiny model folders beside it, and vectors.json: what sentence-transformers makes of some texts with each, and
of some pairs of texts with those folders that are cross-encoders.

    pip install 'sentence-transformers==5.7.0' 'transformers==4.57.6' 'torch==2.15.0' onnx
    python make.py

The weights are drawn from a seed and mean nothing; architecture, tokenizer, pooling, later modules, prompts and settings
differ from folder to folder. Vectors are of single texts, in 32-bit floats on the CPU. Weights and vectors may differ in
their last digits with another version of PyTorch, so folders and vectors are always written together.
"""

import json
import pathlib
import shutil
import tempfile

import onnx
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from tokenizers import ByteLevelBPETokenizer, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
    RobertaModel,
)

HERE = pathlib.Path(__file__).parent
WIDTH = 16
POSITIONS = 40
MAX_LENGTH = 24
INPUTS = ["input_ids", "attention_mask"]

TEXTS = [
    "",
    "wine",
    "The cellar is cold in winter.",
    "Black cherry, tar and dried rose over firm, dusty tannins; it wants ten more years or a very rich stew.",
    "CHÂTEAU d'Été, 15.5% \u2014 ΟΔΟΣ",
    "\U0001f377 红酒",
    "[SEP] a [MASK] <s>",
    "Pale straw in the glass. " * 12,
]

QUESTION = "What goes with rich stew?"

CORPUS = TEXTS + [
    "A sweet late harvest riesling: apricot, honey, petrol, and enough acidity to keep the third glass interesting.",
    "query: passage: represent this sentence for searching relevant passages:",
    "Overripe, stewed plums, a lot of vanilla from new oak, and alcohol that burns on the way down.",
]


def bert_tokenizer(lowercase, types=False):
    """WordPiece, as BERT has it; with `types` the network takes token_type_ids."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=150, special_tokens=special, show_progress=False))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        mask_token="[MASK]",
        model_max_length=MAX_LENGTH,
        model_input_names=INPUTS + (["token_type_ids"] if types else []),
    )


def roberta_tokenizer():
    """BPE over bytes, as RoBERTa has it; its padding is token 1."""
    tokenizer = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(CORPUS, vocab_size=320, special_tokens=special, show_progress=False)
    tokenizer = tokenizer._tokenizer
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=MAX_LENGTH,
        model_input_names=INPUTS,
    )


def common(tokenizer, layers=1):
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 2 * WIDTH,
        "max_position_embeddings": POSITIONS,
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": 0.4,
    }


def bert(lowercase=True):
    tokenizer = bert_tokenizer(lowercase, types=True)
    return BertModel(BertConfig(**common(tokenizer)), add_pooling_layer=False), tokenizer


def roberta():
    tokenizer = roberta_tokenizer()
    return RobertaModel(RobertaConfig(**common(tokenizer), type_vocab_size=1), add_pooling_layer=False), tokenizer


def mpnet():
    tokenizer = roberta_tokenizer()
    return MPNetModel(MPNetConfig(**common(tokenizer)), add_pooling_layer=False), tokenizer


def distilbert():
    tokenizer = bert_tokenizer(True)
    config = DistilBertConfig(
        vocab_size=len(tokenizer),
        dim=WIDTH,
        hidden_dim=2 * WIDTH,
        n_layers=1,
        n_heads=2,
        max_position_embeddings=POSITIONS,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.4,
    )
    return DistilBertModel(config), tokenizer


def modernbert():
    tokenizer = bert_tokenizer(False)
    config = ModernBertConfig(
        **common(tokenizer, layers=2),
        local_attention=8,
        global_attn_every_n_layers=1,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        attn_implementation="eager",
    )
    return ModernBertModel(config), tokenizer


# folder: network, pooling, what comes after it, where the ONNX file lies, and what else the folder says
FOLDERS = {
    "bert-mean": dict(network=bert, pooling="mean", then=["normalize"]),
    "bert-cls": dict(
        network=bert,
        pooling="cls",
        then=["normalize"],
        prompts={"query": "Represent this sentence for searching relevant passages: "},
    ),
    "bert-max-lower": dict(network=lambda: bert(False), pooling="max", then=[], old=True),
    "bert-weighted": dict(network=bert, pooling="weightedmean", then=[]),
    "bert-sqrt-and-cls": dict(network=bert, pooling=["cls", "mean_sqrt_len_tokens"], then=["normalize"]),
    "bert-dense": dict(network=bert, pooling="mean", then=["dense", "normalize"]),
    "bert-matryoshka": dict(network=bert, pooling="mean", then=["normalize"], truncate=6),
    "distilbert-last": dict(network=distilbert, pooling="lasttoken", then=["normalize"], onnx="onnx/model.onnx"),
    "roberta-e5": dict(
        network=roberta,
        pooling="mean",
        then=["normalize"],
        prompts={"query": "query: ", "document": "passage: "},
        onnx="onnx/model.onnx",
    ),
    "mpnet-mean": dict(network=mpnet, pooling="mean", then=[]),
    "modernbert-no-prompt": dict(
        network=modernbert,
        pooling=["mean", "weightedmean", "lasttoken", "max", "cls"],
        then=[],
        include_prompt=False,
        prompts={"query": "passages for: ", "document": "a passage: "},
    ),
}


def modules(folder, spec):
    """The sentence-transformers model of a folder, by way of a transformers folder."""
    torch.manual_seed(sum(map(ord, folder)))
    network, tokenizer = spec["network"]()
    network.eval()
    with tempfile.TemporaryDirectory() as base:
        network.save_pretrained(base)
        tokenizer.save_pretrained(base)
        transformer = Transformer(base, max_seq_length=MAX_LENGTH)
    pooling = Pooling(WIDTH, spec["pooling"], include_prompt=spec.get("include_prompt", True))
    width = pooling.pooling_output_dimension
    later = {"normalize": Normalize, "dense": lambda: Dense(width, 12)}
    return [transformer, pooling] + [later[name]() for name in spec["then"]]


def bert_cross():
    tokenizer = bert_tokenizer(True, types=True)
    return BertForSequenceClassification(BertConfig(**common(tokenizer), num_labels=1)), tokenizer


def roberta_cross():
    tokenizer = roberta_tokenizer()
    return RobertaForSequenceClassification(RobertaConfig(**common(tokenizer), type_vocab_size=1, num_labels=1)), tokenizer


# folder: network, and the function that the model's settings name for its logit
CROSS_ENCODERS = {
    "bert-cross": (bert_cross, None),
    "roberta-cross": (roberta_cross, "torch.nn.modules.linear.Identity"),
}


class Output(torch.nn.Module):
    """The network with its inputs by place and one output alone."""

    def __init__(self, network, names, output):
        super().__init__()
        self.network, self.names, self.output = network, names, output

    def forward(self, *inputs):
        return self.network(**dict(zip(self.names, inputs)))[self.output]


def export(network, tokenizer, path, output="last_hidden_state"):
    """The ONNX file, with just those inputs that the network has."""
    inputs = tokenizer(["a red wine", "b"], padding=True, return_tensors="pt")
    names = list(inputs)
    path.parent.mkdir(exist_ok=True)
    axes = {name: {0: "batch", 1: "sequence"} for name in names}
    axes[output] = {0: "batch"} if output == "logits" else {0: "batch", 1: "sequence"}
    torch.onnx.export(
        Output(network, names, output).eval(),
        tuple(inputs[name] for name in names),
        str(path),
        input_names=names,
        output_names=[output],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    shorten(path)


def shorten(path):
    """Gives the graph's inner values short names: they are longer than the weights."""
    model = onnx.load(str(path))
    graph = model.graph
    short = {value.name: value.name for value in [*graph.input, *graph.output]}
    short[""] = ""
    for node in graph.node:
        node.ClearField("name")
        node.ClearField("doc_string")
        for names in (node.input, node.output):
            names[:] = [short.setdefault(name, f"v{len(short)}") for name in names]
    for weight in graph.initializer:
        weight.name = short[weight.name]
    graph.ClearField("value_info")
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def age(folder, spec):
    """Writes the settings as versions of sentence-transformers before 5.6 did, and has texts lower-cased."""
    old = {"max_seq_length": MAX_LENGTH - 4, "do_lower_case": True}
    (folder / "sentence_bert_config.json").write_text(json.dumps(old))
    switches = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
    old = {"word_embedding_dimension": WIDTH} | {f"pooling_mode_{name}": name.startswith(spec["pooling"]) for name in switches}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(old))


KEPT = ["config.json", "tokenizer.json", "tokenizer_config.json", "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"]


def tidy(folder):
    """Drops what vinedb doesn't read: the weights in other formats, model cards, lists of special tokens."""
    for path in folder.rglob("*"):
        dense = "Dense" in path.parent.name
        kept = path.name in KEPT or path.suffix == ".onnx" or dense
        if path.is_file() and not kept:
            path.unlink()


def rounded(vectors):
    return [[round(float(value), 6) for value in vector] for vector in vectors]


def make(name, spec):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    parts = modules(name, spec)
    model = SentenceTransformer(modules=parts, device="cpu", prompts=spec.get("prompts", {}), truncate_dim=spec.get("truncate"))
    model.save(str(folder))
    if spec.get("old"):
        age(folder, spec)
    # What counts is what the folder says, so it is read again.
    model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"attn_implementation": "eager"})
    encode = lambda method: rounded(method([text], convert_to_numpy=True)[0] for text in TEXTS)
    with torch.no_grad():
        queries, documents = encode(model.encode_query), encode(model.encode_document)
        export(model[0].auto_model, model.tokenizer, folder / spec.get("onnx", "model.onnx"))
    tidy(folder)
    return {"folder": name, "queries": queries, "documents": documents}


def make_cross(name, build, activation):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(sum(map(ord, name)))
    network, tokenizer = build()
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if activation:
        config = json.loads((folder / "config.json").read_text())
        config["sentence_transformers"] = {"activation_fn": activation}
        (folder / "config.json").write_text(json.dumps(config, indent=2))
    model = CrossEncoder(str(folder), device="cpu", model_kwargs={"attn_implementation": "eager"})
    with torch.no_grad():
        scores = [round(float(model.predict([(QUESTION, text)])[0]), 6) for text in TEXTS]
        export(model[0].auto_model, model.tokenizer, folder / "model.onnx", output="logits")
    tidy(folder)
    return {"folder": name, "question": QUESTION, "scores": scores}


def main():
    cross = [make_cross(name, *spec) for name, spec in CROSS_ENCODERS.items()]
    made = [make(name, spec) for name, spec in FOLDERS.items()]
    lines = ",\n".join(json.dumps(item, separators=(",", ":")) for item in made)
    crosses = ",\n".join(json.dumps(item, separators=(",", ":")) for item in cross)
    body = '{"texts":' + json.dumps(TEXTS) + ',\n"models":[\n' + lines + '\n],\n"cross_encoders":[\n' + crosses + "\n]}\n"
    (HERE / "vectors.json").write_text(body)


if __name__ == "__main__":
    main()
