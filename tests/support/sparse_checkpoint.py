#!/usr/bin/env python3
"""Writes a checkpoint of a released model's real names, shapes, dtypes and number of shards whose
data are holes: only headers and the index take space on disk.

    sparse_checkpoint.py CONFIG_JSON OUT_DIR SHARDS [--omit NAME] [--add NAME] [--reshape NAME]
                         [--retype NAME] [--truncate SHARD] [--only PREFIX]

--omit leaves a tensor out, --add adds one, --reshape doubles the first extent of one, --retype makes
one F32, --truncate cuts a shard (counted from 1) by one byte; --only keeps the tensors whose names
begin so. The names come from the published descriptions of the checkpoints, not from the product's
own list. Standard library only.
"""
import argparse
import json
import os
import struct

SIZES = {"F8_E4M3": 1, "BF16": 2, "F32": 4}


def blocks(n):
    return (n + 127) // 128


class Tensors:
    def __init__(self, config):
        self.config = config
        self.fp8 = "quantization_config" in config
        self.items = []  # name, dtype, shape

    def plain(self, name, *shape, dtype="BF16"):
        self.items.append((name, dtype, list(shape)))

    def linear(self, name, rows, cols):
        self.plain(name + ".weight", rows, cols, dtype="F8_E4M3" if self.fp8 else "BF16")
        if self.fp8:
            self.plain(name + ".weight_scale_inv", blocks(rows), blocks(cols), dtype="F32")

    def mlp(self, name, hidden, inner):
        self.linear(name + ".gate_proj", inner, hidden)
        self.linear(name + ".up_proj", inner, hidden)
        self.linear(name + ".down_proj", hidden, inner)

    def latent_attention(self, at):
        c = self.config
        hidden, heads = c["hidden_size"], c["num_attention_heads"]
        nope, rope, v = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
        if c["q_lora_rank"]:
            self.linear(at + "q_a_proj", c["q_lora_rank"], hidden)
            self.plain(at + "q_a_layernorm.weight", c["q_lora_rank"])
            self.linear(at + "q_b_proj", heads * (nope + rope), c["q_lora_rank"])
        else:
            self.linear(at + "q_proj", heads * (nope + rope), hidden)
        self.linear(at + "kv_a_proj_with_mqa", c["kv_lora_rank"] + rope, hidden)
        self.plain(at + "kv_a_layernorm.weight", c["kv_lora_rank"])
        self.linear(at + "kv_b_proj", heads * (nope + v), c["kv_lora_rank"])
        self.linear(at + "o_proj", hidden, heads * v)

    def grouped_attention(self, at):
        c = self.config
        hidden, heads, kv = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"]
        width = hidden // heads
        for name, count in (("q_proj", heads), ("k_proj", kv), ("v_proj", kv)):
            self.linear(at + name, count * width, hidden)
            if c["model_type"] == "qwen2":
                self.plain(at + name + ".bias", count * width)
        self.linear(at + "o_proj", hidden, heads * width)

    def layer(self, i):
        c = self.config
        at, hidden = "model.layers.%d." % i, c["hidden_size"]
        latent = c["model_type"].startswith("deepseek")
        (self.latent_attention if latent else self.grouped_attention)(at + "self_attn.")
        if not latent or i < c["first_k_dense_replace"]:
            self.mlp(at + "mlp", hidden, c["intermediate_size"])
        else:
            inner = c["moe_intermediate_size"]
            self.plain(at + "mlp.gate.weight", c["n_routed_experts"], hidden)
            if c["topk_method"] == "noaux_tc":
                self.plain(at + "mlp.gate.e_score_correction_bias", c["n_routed_experts"],
                           dtype="F32")
            self.mlp(at + "mlp.shared_experts", hidden, inner * c["n_shared_experts"])
            for e in range(c["n_routed_experts"]):
                self.mlp(at + "mlp.experts.%d" % e, hidden, inner)
        self.plain(at + "input_layernorm.weight", hidden)
        self.plain(at + "post_attention_layernorm.weight", hidden)

    def all(self):
        c = self.config
        hidden, vocab, layers = c["hidden_size"], c["vocab_size"], c["num_hidden_layers"]
        self.plain("model.embed_tokens.weight", vocab, hidden)
        for i in range(layers):
            self.layer(i)
        self.plain("model.norm.weight", hidden)
        if not c.get("tie_word_embeddings"):
            self.plain("lm_head.weight", vocab, hidden)
        for i in range(layers, layers + c.get("num_nextn_predict_layers", 0)):
            at = "model.layers.%d." % i
            self.plain(at + "embed_tokens.weight", vocab, hidden)
            self.plain(at + "enorm.weight", hidden)
            self.plain(at + "hnorm.weight", hidden)
            self.plain(at + "eh_proj.weight", hidden, 2 * hidden)
            self.layer(i)
            self.plain(at + "shared_head.norm.weight", hidden)
            self.plain(at + "shared_head.head.weight", vocab, hidden)
        return self.items


def size_of(dtype, shape):
    size = SIZES[dtype]
    for extent in shape:
        size *= extent
    return size


def write_shard(path, tensors):
    header, end = {}, 0
    for name, dtype, shape in tensors:
        begin, end = end, end + size_of(dtype, shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("out")
    parser.add_argument("shards", type=int)
    for flag in ("omit", "add", "reshape", "retype", "only"):
        parser.add_argument("--" + flag, default="")
    parser.add_argument("--truncate", type=int, default=0)
    options = parser.parse_args()

    with open(options.config, encoding="utf-8") as file:
        text = file.read()
    tensors = Tensors(json.loads(text)).all()
    names = {name for name, _, _ in tensors}
    for name in (options.omit, options.reshape, options.retype):
        if name and name not in names:
            raise SystemExit("no tensor " + name)
    if options.add:
        tensors.append((options.add, "BF16", [2, 3]))
    tensors = [t for t in tensors if t[0] != options.omit and t[0].startswith(options.only)]
    tensors = [(n, "F32" if n == options.retype else d,
                [2 * s[0]] + s[1:] if n == options.reshape else s) for n, d, s in tensors]

    total = sum(size_of(d, s) for _, d, s in tensors)
    shards, seen = [[] for _ in range(options.shards)], 0
    for tensor in tensors:
        shards[min(seen * options.shards // total, options.shards - 1)].append(tensor)
        seen += size_of(tensor[1], tensor[2])
    os.makedirs(options.out, exist_ok=True)
    with open(os.path.join(options.out, "config.json"), "w", encoding="utf-8") as file:
        file.write(text)
    index = {}
    for i, shard in enumerate(shards):
        name = "model-%05d-of-%06d.safetensors" % (i + 1, options.shards)
        path = os.path.join(options.out, name)
        write_shard(path, shard)
        if i + 1 == options.truncate:
            os.truncate(path, os.path.getsize(path) - 1)
        index.update({tensor[0]: name for tensor in shard})
    with open(os.path.join(options.out, "model.safetensors.index.json"), "w",
              encoding="utf-8") as file:
        json.dump({"metadata": {"total_size": total}, "weight_map": index}, file)


if __name__ == "__main__":
    main()
