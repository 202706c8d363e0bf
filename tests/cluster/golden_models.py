"""The golden checkpoints of tests/golden as folders that can be served: they come without a tokenizer, so each
gets one of its own vocabulary size, cut from the bundled model's."""

import json
import pathlib

from harness import MODEL, ROOT

CASES = ROOT / "tests/golden/models"


def write_tokenizer(folder, vocab_size):
    """The bundled tokenizer with its first ids, its later added tokens moved below `vocab_size`."""
    tokenizer = json.loads((MODEL / "tokenizer.json").read_text())
    added = sorted(tokenizer["added_tokens"], key=lambda token: token["id"])
    vocabulary = tokenizer["model"]["vocab"]
    moved = [token for token in added if token["content"] not in vocabulary or token["id"] >= 16]
    first = vocab_size - len(moved)
    kept = {text: i for text, i in vocabulary.items() if i < first}
    for i, token in enumerate(moved):
        token["id"] = first + i
        kept.pop(token["content"], None)
    tokenizer["model"]["vocab"] = kept
    tokenizer["model"]["merges"] = [m for m in tokenizer["model"]["merges"] if "".join(m.split(" ")) in kept]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))
    (folder / "tokenizer_config.json").write_text((MODEL / "tokenizer_config.json").read_text())


def serving_folder(case, parent):
    """`parent`/<case>: the case's checkpoint and a tokenizer."""
    folder = pathlib.Path(parent) / case
    folder.mkdir()
    for file in (CASES / case).iterdir():
        if not file.name.startswith("golden"):
            (folder / file.name).symlink_to(file)
    write_tokenizer(folder, json.loads((folder / "config.json").read_text())["vocab_size"])
    return folder


def golden(case):
    """Prompt and greedy continuation."""
    data = json.loads((CASES / case / "golden.json").read_text())
    return data["input_ids"], data["greedy_tokens"]
