#!/usr/bin/env python3
"""Makes the small tokenizers of this folder and golden.json with encodings and rendered chats.

Needs the packages tokenizers (0.23 was used) and jinja2; run it only to change the cases. A
pipeline (normaliser, patterns, added tokens, flags of the model) is the one of the family's real
tokenizer.json; the vocabulary is trained here on the texts of ../golden.json, so that no file of a
model is copied. The oracle of encodings is Hugging Face's Rust library reading the same
tokenizer.json, that of chats jinja2 with the settings that Hugging Face uses.
"""
import gzip
import json
import os
import sys

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))

LETTERS = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-"
    "\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1"
    "\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-"
    "\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15"
    "\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d"
    "\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb"
    "\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d"
    "\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183"
    "\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b"
    "\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-"
    "\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb"
    "\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"
)
V2_PATTERNS = [
    "[\r\n]",
    "\\s?[" + LETTERS + "]+",
    "\\s?[!-/:-~！-／：-～‘-‟　-。]+",
    "\\s+$",
    "[一-龥ࠀ-一가-퟿]+",
]
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
REST = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
# Bytes that no UTF-8 has: DeepSeek LLM and V2 have their letters as added tokens, not as bytes.
NEVER = "øöúÿõ÷ûýÀùÁþü"


def added(tokenizer_json, contents, special, normalized=False):
    first = max(tokenizer_json["model"]["vocab"].values()) + 1
    taken = [token["id"] for token in tokenizer_json["added_tokens"]]
    first = max([first] + [id + 1 for id in taken])
    for i, content in enumerate(contents):
        tokenizer_json["added_tokens"].append(
            {"id": first + i, "content": content, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": normalized, "special": special})


def train(normalizer, steps, texts, size, without=""):
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        steps + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = [c for c in pre_tokenizers.ByteLevel.alphabet() if c not in without]
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, special_tokens=[],
                                   show_progress=False))
    return json.loads(tokenizer.to_str())


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def make_tokenizers(texts):
    v2 = train(None, [split(p) for p in V2_PATTERNS] + [pre_tokenizers.Digits(True)], texts, 1800,
               NEVER)
    added(v2, [BOS, EOS], True, normalized=True)
    added(v2, list(NEVER), False, normalized=True)

    qwen = train(normalizers.NFC(), [split(CONTRACTIONS + "\\p{N}" + REST)], texts, 1800)
    added(qwen, [EOS], True)
    added(qwen, ["<｜User｜>", "<｜Assistant｜>"], False)
    added(qwen, [BOS], True)
    added(qwen, ["<think>", "</think>"], False)
    added(qwen, ["<|EOT|>"], True)
    # Not in the real file: literals whose normalised form is what counts in the text.
    added(qwen, ["Cafe\u0301", "\u212bngström"], False, normalized=True)

    llama = train(None, [split(CONTRACTIONS + "\\p{N}{1,3}" + REST)], texts, 1800)
    llama["model"]["ignore_merges"] = True
    # Whole pieces that no merges lead to, as the real vocabulary has them.
    for piece in ["Ġimpossible", "Ġxylophone", "zyzzyva", "ĠĠĠĠĠĠĠ", "987", "ä¸Ńå¤®"]:
        llama["model"]["vocab"].setdefault(piece, len(llama["model"]["vocab"]))
    added(llama, [BOS, EOS], True)
    added(llama, ["<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"], False)
    added(llama, ["<|reserved_special_token_0|>"], True)
    return {"deepseek_v2": v2, "r1_distill_qwen": qwen, "r1_distill_llama": llama}


EXTRA = [
    "I'm, you're, we've, he'd, she'll, it's, can't: I'M, YOU'RE, WE'VE, HE'D, SHE'LL, IT'S",
    "'ſ it'ſ 'ſhe 'K 'll'll''ll", "1", "12", "123", "1234", "x1234567y", "½²Ⅷ 三 ٣٤٥ 1½2",
    "Cafe\u0301 Café CAFE\u0301 e\u0301\u0323 e\u0323\u0301 \u212b \u00c5 A\u030a \u212bngström Ångström",
    "\u1112\u1161\u11ab\u1100\u116e\u11a8 한국 \uac00\u11a8 \u0958 \u0915\u093c \u2126 \u03a9 \ufb1d",
    "a\u0301b\u0300 \u0344 \u0308\u0301 \u2adc \U0001d15e \U0002f800",
    "Größe über naïve façade øre þing ÷ À Á ÿ õ", "öööö ÿÿ÷÷", "trailing space   ", "   ", "\t\n ",
    "a  \n\n b\r\n\r\nc \t d\u00a0e\u3000f\u2028g\u0085h  ", "line\n  indented\n    more  \n",
    "！，。：；“引号”‘单’　全角　", "中央 中央中央 impossible  impossible xylophone zyzzyva 987 9876",
    "             seven        eight", "한국어 텍스트와 English 섞기", "日本語のテキスト、カタカナ。",
    "Привет, мир! Γειά σου Κόσμε", "def f(x):\n    return x**2  # ok\n", "</think>\n\n<think>\n",
    "𐐀𐐁 𞤀𞤁 𑢠", "<｜User｜>Hi<｜Assistant｜><think>\nhm</think>Yes<｜end▁of▁sentence｜>",
    "<｜begin▁of▁sentence｜>User: a\n\nAssistant: b<｜end▁of▁sentence｜>", "<|EOT|><|eot|>",
    "emoji 😀👩‍👩‍👧‍👦🇩🇪 ok", "\u200d\u200b\ufeff\u00ad", "...---!!!???", "http://a.b/c?d=e&f=g#h",
]

ENVIRONMENT = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)


def chats(conversations):
    cases = []
    for name in sorted(os.listdir(os.path.join(HERE, "templates"))):
        with open(os.path.join(HERE, "templates", name), encoding="utf-8") as file:
            config = json.load(file)
        template = ENVIRONMENT.from_string(config["chat_template"])
        knows_tools = "tool_calls" in config["chat_template"]
        for messages in conversations:
            tools = any(m["role"] == "tool" or "tool_calls" in m for m in messages)
            if tools and not knows_tools:
                continue
            for prompt in (True, False):
                try:
                    rendered = template.render(
                        messages=messages, add_generation_prompt=prompt,
                        bos_token=config["bos_token"]["content"],
                        eos_token=config["eos_token"]["content"])
                except TypeError:
                    assert any(m["content"] is None for m in messages)
                    continue  # this template fails on messages without content
                cases.append({"template": name.removesuffix(".json"), "messages": messages,
                              "add_generation_prompt": prompt, "rendered": rendered})
    return cases


def main():
    with open(os.path.join(HERE, "..", "golden.json"), encoding="utf-8") as file:
        base = json.load(file)
    texts = [case["text"] for case in base["encode"]]
    result = {"encode": [], "chat": []}
    for name, document in make_tokenizers(texts + EXTRA).items():
        text = json.dumps(document, ensure_ascii=False)
        with open(os.path.join(HERE, name + ".json.gz"), "wb") as file:
            file.write(gzip.compress(text.encode(), 9, mtime=0))
        tokenizer = Tokenizer.from_str(text)
        for sample in texts + EXTRA:
            ids = tokenizer.encode(sample, add_special_tokens=False).ids
            case = {"tokenizer": name, "text": sample, "ids": ids}
            decoded = tokenizer.decode(ids, skip_special_tokens=False)
            if decoded != sample:
                case["decoded"] = decoded
            result["encode"].append(case)
    conversations = []
    for case in base["chat"]:
        if case["messages"] not in conversations:
            conversations.append(case["messages"])
    conversations += [
        [{"role": "system", "content": "First."}, {"role": "system", "content": "Second."},
         {"role": "user", "content": "  spaces kept  "}],
        [{"role": "user", "content": "1+1?"},
         {"role": "assistant", "content": "<think>\nadd\n</think>\n\n2"},
         {"role": "system", "content": "late"}, {"role": "user", "content": "再来\n一次"}],
        [{"role": "user", "content": "it's 'quoted' \"text\" {{ x }} {% if %}"}],
    ]
    result["chat"] = chats(conversations)
    with open(os.path.join(HERE, "golden.json"), "w", encoding="utf-8") as file:
        json.dump(result, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")
    print(len(result["encode"]), "encodings,", len(result["chat"]), "chats", file=sys.stderr)


if __name__ == "__main__":
    main()
