"""Measures the expert load on held-out problems and draws it, with the training curve, into training.svg; numbers go to training.json."""
import argparse
import json
import pathlib

import torch

import checkpoint
from model import Model, load_config
from score import held_out_problems
from vocabulary import Tokenizer, completion, render

HERE = pathlib.Path(__file__).resolve().parent


@torch.no_grad()
def expert_load(model, tokenizer, per_task, seed):
    """Share of the (token, choice) pairs that each expert of each MoE layer gets, and how often MTP's draft is the right next token."""
    hits = total = 0
    for moe in model.moes():
        moe.load.zero_()
    for p in held_out_problems(per_task, seed):
        prompt, answer = tokenizer.encode(render(p)), tokenizer.encode(completion(p))
        ids = torch.tensor([prompt + answer])
        hidden = model.hidden(ids[:, :-1])
        draft = model.logits(model.mtp_hidden(hidden[:, :-1], ids[:, 1:-1])).argmax(-1)[0]
        right = (draft == ids[0, 2:])[len(prompt) - 1:]
        hits, total = hits + int(right.sum()), total + len(right)
    return [(moe.load / moe.load.sum()).tolist() for moe in model.moes()], hits / total


def _curve(points, x0, y0, width, height, low, high):
    last = max(x for x, _ in points)
    return " ".join(f"{x0 + width * x / last:.1f},{y0 + height * (1 - (y - low) / (high - low)):.1f}" for x, y in points)


def draw(load, history, path):
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="840" height="520" font-family="sans-serif" font-size="11"><rect width="840" height="520" fill="#fff"/>']
    text = lambda x, y, s, more="": out.append(f'<text x="{x}" y="{y}" {more}>{s}</text>')
    text(40, 20, "Expert load on held-out problems, relative to an even share (1.0)", 'font-size="13"')
    for row, shares in enumerate(load):
        text(40, 52 + row * 44, "MTP" if row == len(load) - 1 else f"layer {row + 1}")
        for e, share in enumerate(shares):
            ratio = share * len(shares)
            shade = max(0, min(255, int(255 - 120 * ratio)))
            out.append(f'<rect x="{90 + e * 40}" y="{34 + row * 44}" width="38" height="30" fill="rgb({shade},{min(255, shade + 40)},255)"/>')
            text(109 + e * 40, 53 + row * 44, f"{ratio:.2f}", 'text-anchor="middle"')
    top = 34 + len(load) * 44 + 40
    height = 500 - top
    text(40, top - 12, "Training: share of problems with every token right (teacher-forced, training split) and loss, over minutes", 'font-size="13"')
    out.append(f'<rect x="40" y="{top}" width="560" height="{height}" fill="none" stroke="#999"/>')
    colours = ["#1b6ca8", "#c0392b", "#27ae60", "#8e44ad", "#d68910", "#16a085", "#7f8c8d", "#2c3e50"]
    for k, task in enumerate(history[-1]["exact"]):
        out.append(f'<polyline fill="none" stroke="{colours[k % 8]}" stroke-width="1.5" points="{_curve([(h["minutes"], h["exact"][task]) for h in history], 40, top, 560, height, 0, 1)}"/>')
        text(612, top + 12 + 16 * k, f"{task}: {history[-1]['exact'][task]:.2f}", f'fill="{colours[k % 8]}"')
    worst = max(min(1.0, h["loss"]) for h in history)
    out.append(f'<polyline fill="none" stroke="#000" stroke-dasharray="3 2" points="{_curve([(h["minutes"], min(1.0, h["loss"])) for h in history], 40, top, 560, height, 0, worst)}"/>')
    text(612, top + 12 + 16 * 8, f"loss (dashed, top = {worst:.2f}): {history[-1]['loss']:.4f}")
    text(40, top + height + 14, "0")
    text(600, top + height + 14, f"{history[-1]['minutes']:.0f} min, {history[-1]['tokens'] / 1e6:.1f} M tokens", 'text-anchor="end"')
    pathlib.Path(path).write_text("\n".join(out + ["</svg>"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", default=str(HERE / "state" / "model.pt"))
    parser.add_argument("--weights", default=str(HERE / "model.safetensors"))
    parser.add_argument("--per-task", type=int, default=40)
    parser.add_argument("--seed", type=int, default=2)
    args = parser.parse_args()
    history, before, last = torch.load(args.state, map_location="cpu")["history"], 0.0, 0.0
    for record in history:  # a restarted schedule counts its minutes from zero
        before += last if record["minutes"] < last else 0.0
        last = record["minutes"]
        record["minutes"] = round(before + last, 2)
    load, accepted = expert_load(checkpoint.load(Model(load_config()), args.weights), Tokenizer(), args.per_task, args.seed)
    draw(load, history, HERE / "training.svg")
    thin = history[::max(1, len(history) // 60)] + [history[-1]]
    summary = dict(expert_load=[[round(s, 4) for s in shares] for shares in load], busiest_over_mean=[round(max(s) * len(s), 3) for s in load], mtp_draft_right=round(accepted, 4), history=thin)
    (HERE / "training.json").write_text(json.dumps(summary))
    print(json.dumps({k: v for k, v in summary.items() if k != "history"}))


if __name__ == "__main__":
    main()
