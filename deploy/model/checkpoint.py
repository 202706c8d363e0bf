"""Hugging Face layout: safetensors in and out, and the names of DeepSeek-V3's tensors."""
import json
import os
import pathlib
import struct

import numpy as np
import torch

import quantise


def _names(model):
    """(checkpoint name, tensor, kind) in layer order; kind is fp8, bf16 or f32."""
    c = model.c
    yield "model.embed_tokens.weight", model.embed, "bf16"
    blocks = [(f"model.layers.{l}.", b) for l, b in enumerate(model.layers)]
    prefix = f"model.layers.{c['num_hidden_layers']}."
    for p, block in blocks + [(prefix, model.mtp.block)]:
        if p == prefix:
            m = model.mtp
            for name, tensor in (("embed_tokens", model.embed), ("enorm", m.enorm.weight), ("hnorm", m.hnorm.weight), ("eh_proj", m.eh_proj.weight)):
                yield f"{p}{name}.weight", tensor, "bf16"
        yield p + "input_layernorm.weight", block.input_layernorm.weight, "bf16"
        for name, part in block.self_attn.named_children():
            yield f"{p}self_attn.{name}.weight", part.weight, "bf16" if name.endswith("norm") else "fp8"
        yield p + "post_attention_layernorm.weight", block.post_attention_layernorm.weight, "bf16"
        mlp = block.mlp
        if hasattr(mlp, "gate"):
            yield p + "mlp.gate.weight", mlp.gate, "bf16"
            yield p + "mlp.gate.e_score_correction_bias", mlp.bias, "f32"
            for e in range(c["n_routed_experts"]):
                for name, tensor in (("gate_proj", mlp.gate_up[e, 0]), ("up_proj", mlp.gate_up[e, 1]), ("down_proj", mlp.down[e])):
                    yield f"{p}mlp.experts.{e}.{name}.weight", tensor, "fp8"
            mlp, p_mlp = mlp.shared_experts, p + "mlp.shared_experts."
        else:
            p_mlp = p + "mlp."
        for name, part in mlp.named_children():
            yield f"{p_mlp}{name}.weight", part.weight, "fp8"
        if p == prefix:
            yield p + "shared_head.norm.weight", model.mtp.head_norm.weight, "bf16"
            yield p + "shared_head.head.weight", model.head, "bf16"
    yield "model.norm.weight", model.norm.weight, "bf16"
    yield "lm_head.weight", model.head, "bf16"


def _stored(name, tensor, kind):
    tensor = tensor.detach().float().contiguous()
    if kind == "fp8":
        values, scale = quantise.quantise(tensor)
        yield name, "F8_E4M3", list(tensor.shape), quantise.to_bytes(values).numpy().tobytes()
        yield name + "_scale_inv", "F32", list(scale.shape), scale.numpy().tobytes()
    elif kind == "bf16":
        bits = tensor.bfloat16().float().numpy().view(np.uint32) >> 16
        yield name, "BF16", list(tensor.shape), bits.astype(np.uint16).tobytes()
    else:
        yield name, "F32", list(tensor.shape), tensor.numpy().tobytes()


def kind_of(name, parameter):
    """The stored format of a parameter of Model, by its name there."""
    matrix = name.endswith(("_proj.weight", "_mqa.weight", "gate_up", "mlp.down"))
    return "fp8" if matrix and "eh_proj" not in name else "bf16"


def write(model, path):
    header, chunks, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, tensor, kind in _names(model):
        for stored, dtype, shape, data in _stored(name, tensor, kind):
            header[stored] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
            chunks.append(data)
            offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path = pathlib.Path(path)
    temporary = path.with_suffix(".part")
    temporary.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))
    os.replace(temporary, path)  # readers see the old or the new file, never half of one


def read(path):
    """{name: (dtype, tensor)} with raw FP8 codes as uint8."""
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    out = {}
    for name, info in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + o for o in info["data_offsets"])
        raw = data[begin:end]
        if info["dtype"] == "BF16":
            array = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            array = np.frombuffer(raw, {"F8_E4M3": np.uint8, "F32": np.float32, "I64": np.int64}[info["dtype"]]).copy()
        out[name] = info["dtype"], torch.from_numpy(array.reshape(info["shape"]))
    return out


def load(model, *paths):
    """Fills a model from FP8 or bf16 checkpoint files, dequantised to f32."""
    tensors = {}
    for path in paths:
        tensors.update(read(path))
    with torch.no_grad():
        for name, target, _ in _names(model):
            dtype, value = tensors[name]
            if dtype == "F8_E4M3":
                value = quantise.dequantise(quantise.from_bytes(value), tensors[name + "_scale_inv"][1])
            target.copy_(value)
    return model
