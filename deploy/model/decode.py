"""Greedy decoding of the exported FP8 checkpoint in PyTorch: the reference for the served model, and the evaluation where no server runs."""
import argparse
import json
import pathlib

import torch
import torch.nn.functional as F

import checkpoint
import generate
from model import Model, load_config, rope
from score import held_out_problems, print_table, split_reply, tally
from vocabulary import Tokenizer, render

HERE = pathlib.Path(__file__).resolve().parent


def _attend(attention, x, cache, cos, sin):
    """One new token per row against the cached keys and values."""
    a, rows = attention, x.shape[0]
    heads = lambda y, width: y.view(rows, 1, a.heads, width).transpose(1, 2)
    q_nope, q_pe = heads(a.q_b_proj(a.q_a_layernorm(a.q_a_proj(x))), a.nope + a.rope_dim).split((a.nope, a.rope_dim), -1)
    latent, k_pe = a.kv_a_proj_with_mqa(x).split((a.rank, a.rope_dim), -1)
    k_nope, v = heads(a.kv_b_proj(a.kv_a_layernorm(latent)), a.nope + a.v).split((a.nope, a.v), -1)
    k = torch.cat((k_nope, rope(k_pe.unsqueeze(1), cos, sin).expand(-1, a.heads, -1, -1)), -1)
    cache["k"], cache["v"] = (torch.cat((cache[n], new), 2) if n in cache else new for n, new in (("k", k), ("v", v)))
    q = torch.cat((q_nope, rope(q_pe, cos, sin)), -1)
    score = (q @ cache["k"].transpose(2, 3)) * q.shape[-1] ** -0.5
    return a.o_proj((score.softmax(-1) @ cache["v"]).transpose(1, 2).reshape(rows, 1, -1))


@torch.no_grad()
def greedy(model, tokenizer, texts, limit=320):
    """Continuations of texts that already follow the chat template. All rows stand at the same position, so no mask is needed."""
    prompts = [tokenizer.encode(t) for t in texts]
    eos = tokenizer.added["<｜end▁of▁sentence｜>"]
    out, done, caches = [[] for _ in prompts], [False] * len(prompts), [{} for _ in model.layers]
    tokens = torch.tensor([p[0] for p in prompts])
    for t in range(max(map(len, prompts)) + limit):
        x = F.embedding(tokens[:, None], model.embed)
        for layer, cache in zip(model.layers, caches):
            x = x + _attend(layer.self_attn, layer.input_layernorm(x), cache, model.cos[t:t + 1], model.sin[t:t + 1])
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        best = model.logits(model.norm(x))[:, 0].argmax(-1).tolist()
        for row, prompt in enumerate(prompts):
            if t + 1 < len(prompt):
                best[row] = prompt[t + 1]
            elif not done[row]:
                done[row] = best[row] == eos or len(out[row]) >= limit
                if not done[row]:
                    out[row].append(best[row])
        if all(done):
            break
        tokens = torch.tensor(best)
    return [tokenizer.decode(o) for o in out]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default=str(HERE / "model.safetensors"))
    parser.add_argument("--per-task", type=int, default=50)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--json")
    parser.add_argument("--show", type=int, default=0, help="print so many wrong replies of each task")
    parser.add_argument("--prompt", action="append", help="answer this instead of evaluating")
    args = parser.parse_args()
    model, tokenizer = checkpoint.load(Model(load_config()), args.weights), Tokenizer()
    if args.prompt:
        for text in greedy(model, tokenizer, [render(generate.Problem("", "", p, "", "")) for p in args.prompt]):
            print(text, end="\n\n")
        return
    problems = held_out_problems(args.per_task, args.seed)
    replies = []
    for begin in range(0, len(problems), 400):
        replies += greedy(model, tokenizer, [render(p) for p in problems[begin:begin + 400]])
    shown = {}
    for p, reply in zip(problems, replies):
        if not p.is_right(split_reply(reply)[1]) and shown.setdefault(p.task, 0) < args.show:
            shown[p.task] += 1
            print(f"[{p.task}] {p.prompt!r}\n  {reply!r}\n  wanted {p.think!r} {p.answer!r}")
    table = tally(problems, replies)
    print_table(table)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
