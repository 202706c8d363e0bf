"""Builds tokenizer.json and tokenizer_config.json, and holds a small pure-Python tokenizer so that training needs no other package.

Pre-tokenizer and special tokens are DeepSeek-V3's. Merges only ever build whole words that begin with a space or a capital, so digits
and the letters of a word to be spelled stay one token each. Running this again after the generator changed may give other
ids: the weights then have to be trained from the start."""
import collections
import json
import pathlib
import random
import re

HERE = pathlib.Path(__file__).resolve().parent
SIZE = 768
BOS, EOS, PAD, USER, ASSISTANT, THINK, UNTHINK = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>", "<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"
TOOLS = [f"<｜tool▁{name}｜>" for name in ("calls▁begin", "calls▁end", "call▁begin", "call▁end", "outputs▁begin", "outputs▁end", "output▁begin", "output▁end", "sep")]
SPECIAL = [BOS, EOS, PAD]  # ids 0, 1, 2 and the only ones with special: true, as DeepSeek has them
ADDED_LAST = [USER, ASSISTANT, THINK, UNTHINK] + TOOLS
SPLITS = ["\\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
          "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]
# The same three rules for the ASCII text that the generator writes.
_PIECES = re.compile(r"""[0-9]{1,3}|[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[ \t]?[A-Za-z]+| ?[^\sA-Za-z0-9]+[\r\n]*|\s*[\r\n]+|\s+?(?=[0-9])|\s+(?!\S)|\s+""")

# R1's template: past answers lose everything up to </think>; the generation prompt has no <think>, the model writes it itself.
CHAT_TEMPLATE = "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='', is_first_sp=true) %}{%- for message in messages %}{%- if message['role'] == 'system' %}{%- if ns.is_first_sp %}{% set ns.system_prompt = ns.system_prompt + message['content'] %}{% set ns.is_first_sp = false %}{%- else %}{% set ns.system_prompt = ns.system_prompt + '\\n\\n' + message['content'] %}{%- endif %}{%- endif %}{%- endfor %}{{ bos_token }}{{ ns.system_prompt }}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<｜User｜>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and 'tool_calls' in message %}{%- set ns.is_tool = false -%}{%- for tool in message['tool_calls'] %}{%- if not ns.is_first %}{%- if message['content'] is none %}{{'<｜Assistant｜><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + tool['function']['name'] + '\\n' + '```json' + '\\n' + tool['function']['arguments'] + '\\n' + '```' + '<｜tool▁call▁end｜>'}}{%- else %}{{'<｜Assistant｜>' + message['content'] + '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + tool['function']['name'] + '\\n' + '```json' + '\\n' + tool['function']['arguments'] + '\\n' + '```' + '<｜tool▁call▁end｜>'}}{%- endif %}{%- set ns.is_first = true -%}{%- else %}{{'\\n' + '<｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + tool['function']['name'] + '\\n' + '```json' + '\\n' + tool['function']['arguments'] + '\\n' + '```' + '<｜tool▁call▁end｜>'}}{%- endif %}{%- endfor %}{{'<｜tool▁calls▁end｜><｜end▁of▁sentence｜>'}}{%- endif %}{%- if message['role'] == 'assistant' and 'tool_calls' not in message %}{%- if ns.is_tool %}{{'<｜tool▁outputs▁end｜>' + message['content'] + '<｜end▁of▁sentence｜>'}}{%- set ns.is_tool = false -%}{%- else %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}{%- endif %}{%- endif %}{%- if message['role'] == 'tool' %}{%- set ns.is_tool = true -%}{%- if ns.is_output_first %}{{'<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>' + message['content'] + '<｜tool▁output▁end｜>'}}{%- set ns.is_output_first = false %}{%- else %}{{'<｜tool▁output▁begin｜>' + message['content'] + '<｜tool▁output▁end｜>'}}{%- endif %}{%- endif %}{%- endfor -%}{% if ns.is_tool %}{{'<｜tool▁outputs▁end｜>'}}{% endif %}{% if add_generation_prompt and not ns.is_tool %}{{'<｜Assistant｜>'}}{% endif %}"


def byte_symbols():
    """GPT-2's printable stand-in for each byte."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, extra = {}, 0
    for b in range(256):
        table[b] = chr(b) if b in keep else chr(256 + extra)
        extra += b not in keep
    return table


_SYMBOL = byte_symbols()
_BYTE = {s: b for b, s in _SYMBOL.items()}


def _to_symbols(text):
    return "".join(_SYMBOL[b] for b in text.encode())


def render(problem) -> str:
    """The chat template's result for a problem, up to and with the generation prompt."""
    past = "".join(f"{USER}{q}{ASSISTANT}{a}{EOS}" for q, a in problem.history)
    return f"{BOS}{problem.system}{past}{USER}{problem.prompt}{ASSISTANT}"


def completion(problem) -> str:
    return f"{THINK}\n{problem.think}\n{UNTHINK}\n\n{problem.answer}{EOS}"


class Tokenizer:
    def __init__(self, path=HERE / "tokenizer.json"):
        data = json.loads(pathlib.Path(path).read_text())
        self.vocab = dict(data["model"]["vocab"])
        self.rank = {tuple(m.split(" ")): i for i, m in enumerate(data["model"]["merges"])}
        self.added = {t["content"]: t["id"] for t in data["added_tokens"]}
        self.text = {i: s for s, i in self.vocab.items()}
        self.added_text = {i: s for s, i in self.added.items()}
        self.split_added = re.compile("(" + "|".join(map(re.escape, sorted(self.added, key=len, reverse=True))) + ")")
        self.cache = {}

    def _piece(self, piece):
        if piece not in self.cache:
            parts = list(_to_symbols(piece))
            while len(parts) > 1:
                best = min(range(len(parts) - 1), key=lambda i: self.rank.get((parts[i], parts[i + 1]), 1 << 30))
                if (parts[best], parts[best + 1]) not in self.rank:
                    break
                parts[best:best + 2] = [parts[best] + parts[best + 1]]
            self.cache[piece] = [self.vocab[p] for p in parts]
        return self.cache[piece]

    def encode(self, text):
        ids = []
        for part in self.split_added.split(text):
            if part in self.added:
                ids.append(self.added[part])
            elif part:
                for piece in _PIECES.findall(part):
                    ids += self._piece(piece)
        return ids

    def decode(self, ids):
        out = b""
        for i in ids:
            out += self.added_text[i].encode() if i in self.added_text else bytes(_BYTE[c] for c in self.text[i]) if i in self.text else b""
        return out.decode("utf-8", "replace")


def _sample_words(count=60000):
    """Words the generator writes, by how many tokens it would save to have them whole."""
    import generate
    rng, seen = random.Random(7), collections.Counter()
    for i in range(count):
        p = generate.conversation(rng, generate.TASKS[i % len(generate.TASKS)])
        seen.update(w for w in _PIECES.findall(p.system + "\n" + p.prompt + "\n" + p.think + "\n" + p.answer) if re.fullmatch(r" [A-Za-z]{2,}|[A-Z][a-z]+", w))
    return seen


def build():
    symbols = [_SYMBOL[b] for b in range(256)]
    vocab = {s: 3 + i for i, s in enumerate(symbols)}
    merges = []

    def chain(text):
        parts = _to_symbols(text)
        for i in range(1, len(parts)):
            if parts[:i + 1] not in vocab:
                merges.append(f"{parts[:i]} {parts[i]}")
                vocab[parts[:i + 1]] = 3 + len(vocab)

    for fixed in ["\n\n", "->"] + [" " + chr(c) for c in range(97, 123)] + [" +", " -", " *", " =", " ?", " I", " \"", " '"]:
        chain(fixed)
    room = SIZE - len(SPECIAL) - len(ADDED_LAST)
    words = {w: n for w, n in _sample_words().items() if n > 100}
    missing = lambda w: sum(_to_symbols(w)[:i + 1] not in vocab for i in range(1, len(w)))
    while words:  # greedily the word that saves most tokens per vocabulary entry it needs
        best = max(words, key=lambda w: words[w] * (len(w) - 1) / max(missing(w), 0.5))
        if len(vocab) + missing(best) <= room:
            chain(best)
        del words[best]
    while len(vocab) < room:  # fill up with prefixes, so that the vocabulary is exactly SIZE
        first = next(p for n in range(3, 9) for p in (_to_symbols(w)[:n] for w in (" the numbers", " please", " maximum", " minimum", " product", " difference", " together", " remainder")) if p not in vocab)
        merges.append(f"{first[:-1]} {first[-1]}")
        vocab[first] = 3 + len(vocab)
    added = [(t, i, True) for i, t in enumerate(SPECIAL)] + [(t, room + len(SPECIAL) + i, False) for i, t in enumerate(ADDED_LAST)]
    flags = lambda special: dict(single_word=False, lstrip=False, rstrip=False, normalized=not special, special=special)
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [dict(id=i, content=t, **flags(s)) for t, i, s in added],
        "normalizer": {"type": "Sequence", "normalizers": []},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": r}, "behavior": "Isolated", "invert": False} for r in SPLITS]
                          + [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                  "vocab": {**{t: i for i, t in enumerate(SPECIAL)}, **vocab}, "merges": merges},
    }
    token = lambda content: {"__type": "AddedToken", "content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    config = {"add_bos_token": True, "add_eos_token": False, "bos_token": token(BOS), "clean_up_tokenization_spaces": False, "eos_token": token(EOS), "legacy": True,
              "model_max_length": 2048, "pad_token": token(EOS), "sp_model_kwargs": {}, "unk_token": None, "tokenizer_class": "LlamaTokenizerFast", "chat_template": CHAT_TEMPLATE}
    (HERE / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False, indent=1))
    (HERE / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    build()
