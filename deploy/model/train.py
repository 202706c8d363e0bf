"""Trains the bundled model on problems made on the fly. Stop it at any time; `--resume` continues from the state file.

The learning rate follows the share of `--minutes` used (constant, then falling); for the last part the workers see the weights as FP8 will store
them while the updates go to the full-precision ones. Each thread works alone on small batches, which on few, busy cores beats threads inside kernels."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import queue
import random
import signal
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch
import torch.nn.functional as F

import checkpoint
import generate
import quantise
from model import Model, load_config
from optimise import Adam, Muon
from vocabulary import Tokenizer, completion, render

HERE = pathlib.Path(__file__).resolve().parent
BASE = dict(add=1.0, subtract=1.1, multiply=1.3, compare=1.0, count=2.2, reverse=1.1, sort=1.2, chat=1.3)
MTP_SHARE, MTP_WEIGHT = 0.15, 0.3


class Sampler:
    """Batches of similar length, with more of the tasks that still fail."""

    def __init__(self, seed, tokens):
        self.rng, self.tokens, self.tokenizer, self.exact = random.Random(seed), tokens, Tokenizer(), {t: 0.0 for t in generate.TASKS}
        self.ready = []

    def _refill(self):
        weights = [BASE[t] * (0.12 + 1 - self.exact[t]) for t in generate.TASKS]
        items = []
        for task in self.rng.choices(generate.TASKS, weights, k=768):
            p = generate.conversation(self.rng, task)
            prompt, answer = self.tokenizer.encode(render(p)), self.tokenizer.encode(completion(p))
            items.append((prompt + answer, len(prompt), task))
        items.sort(key=lambda it: len(it[0]) + self.rng.random() * 8)
        batch, longest = [], 0
        for item in items + [None]:
            grown = max(longest, len(item[0])) if item else 0
            if batch and (item is None or grown * (len(batch) + 1) > self.tokens):
                self.ready.append(self._tensors(batch, longest))
                batch, grown = [], len(item[0]) if item else 0
            batch, longest = batch + [item], grown
        self.rng.shuffle(self.ready)

    @staticmethod
    def _tensors(batch, longest):
        ids = torch.full((len(batch), longest), 2)
        mask = torch.zeros(len(batch), longest, dtype=torch.bool)
        for row, (tokens, prompt, _) in enumerate(batch):
            ids[row, :len(tokens)] = torch.tensor(tokens)
            mask[row, prompt:len(tokens)] = True
        return ids, mask, [task for _, _, task in batch]

    def next(self):
        if not self.ready:
            self._refill()
        return self.ready.pop()


class Worker:
    """A replica that shares the master's weights, or holds their stored form once quantisation is on."""

    def __init__(self, master):
        self.model = Model(master.c)
        self.share(master)
        for mine, theirs in zip(self.model.moes(), master.moes()):
            mine.bias = theirs.bias

    def share(self, master):
        for mine, theirs in zip(self.model.parameters(), master.parameters()):
            mine.data = theirs.data

    def run(self, batch, norm, with_mtp):
        """Adds the batch's gradient; returns (loss sum, tokens, {task: (exact, seen)}, mtp hits)."""
        ids, mask, tasks = batch
        hidden = self.model.hidden(ids[:, :-1])
        target, wanted = ids[:, 1:], mask[:, 1:]
        logits = self.model.logits(hidden[wanted])
        loss = F.cross_entropy(logits, target[wanted], reduction="sum")
        total, mtp = loss, (0, 0)
        if with_mtp:
            later = mask[:, 2:]
            guess = self.model.logits(self.model.mtp_hidden(hidden[:, :-1], ids[:, 1:-1])[later])
            total = loss + MTP_WEIGHT * F.cross_entropy(guess, ids[:, 2:][later], reduction="sum")
            mtp = int((guess.argmax(-1) == ids[:, 2:][later]).sum()), int(later.sum())
        (total / norm).backward()
        wrong = torch.zeros_like(wanted)
        wrong[wanted] = logits.argmax(-1) != target[wanted]
        exact = (~wrong.any(1)).tolist()
        return float(loss.detach()), int(wanted.sum()), list(zip(tasks, exact)), mtp


def schedule(progress):
    """Learning-rate factor: warm-up, constant for a fifth of the time, then a straight fall."""
    return min(1.0, progress / 0.01 + 0.05) * (1.0 if progress < 0.2 else max(0.02, (1 - progress) / 0.8))


def bias_step(step, progress):
    """Large while the experts are being told apart, falling to V3's 0.001, and none at the end."""
    return 0.0 if progress > 0.95 else 0.001 + 0.002 * schedule(progress) + 0.01 * max(0.0, 1 - step / 400)


def balance(master, workers, step):
    """V3's rule: an overloaded expert's bias falls by a fixed amount, an underloaded one's rises."""
    loads = []
    for i, moe in enumerate(master.moes()):
        load = sum(w.model.moes()[i].load for w in workers)
        for w in workers:
            w.model.moes()[i].load.zero_()
        if load.sum() > 0:
            moe.bias += step * torch.sign(load.mean() - load)
        loads.append(load)
    return loads


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=95)
    parser.add_argument("--state", default=str(HERE / "state" / "model.pt"))
    parser.add_argument("--resume", action="store_true", help="continue from --state")
    parser.add_argument("--from", dest="source", help="begin with an exported model.safetensors instead of random weights")
    parser.add_argument("--restart-schedule", action="store_true", help="with --resume: begin a new learning-rate schedule of --minutes")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1100, help="tokens of one batch")
    parser.add_argument("--batches", type=int, default=4, help="batches of one step")
    parser.add_argument("--muon", type=float, default=0.02, help="Muon's learning rate; 0 trains everything with AdamW")
    parser.add_argument("--adam", type=float, default=3e-3)
    parser.add_argument("--quantise-from", type=float, default=0.85, help="share of the time after which training sees FP8 weights")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    master = Model(load_config())
    if args.source:
        checkpoint.load(master, args.source)
    named = list(master.named_parameters())
    kinds = [checkpoint.kind_of(n, p) for n, p in named]
    matrices = [p for n, p in named if n.endswith(("_proj.weight", "_mqa.weight", "gate_up", "mlp.down"))] if args.muon else []
    chosen = {id(p) for p in matrices}
    optimisers = [Adam([p for _, p in named if id(p) not in chosen], args.adam)] + ([Muon(matrices, args.muon)] if args.muon else [])
    step, used, history, tokens_seen = 0, 0.0, [], 0
    exact = {t: 0.0 for t in generate.TASKS}
    state_path = pathlib.Path(args.state)
    state_path.parent.mkdir(parents=True, exist_ok=True)
    if args.resume:
        state = torch.load(state_path, map_location="cpu")
        master.load_state_dict(state["model"])
        for o, s in zip(optimisers, state["optimisers"]):
            o.load_state_dict(s)
        step, history, tokens_seen, exact = state["step"], state["history"], state["tokens"], state["exact"]
        used = 0.0 if args.restart_schedule else state["used"]
    sampler = Sampler(args.seed * 1000003 + step, args.batch)
    sampler.exact = exact
    workers = [Worker(master) for _ in range(args.threads)]
    free = queue.Queue()
    for w in workers:
        free.put(w)
    pool = concurrent.futures.ThreadPoolExecutor(args.threads, initializer=lambda: torch.set_num_threads(1))

    def one(batch, norm, with_mtp):
        worker = free.get()
        try:
            return worker.run(batch, norm, with_mtp)
        finally:
            free.put(worker)

    def save():
        temporary = state_path.with_suffix(".tmp")
        torch.save(dict(model=master.state_dict(), optimisers=[o.state_dict() for o in optimisers], step=step, used=used, history=history, tokens=tokens_seen, exact=exact), temporary)
        os.replace(temporary, state_path)

    began, saved, told, offset = time.time(), time.time(), time.time(), used
    window, load_sum, quantising = dict(loss=0.0, n=0, mtp=0, mtp_n=0, steps=0), None, False
    stopped = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopped.append(True))
    while used < args.minutes * 60 and not stopped:
        progress = used / (args.minutes * 60)
        for o in optimisers:
            o.scale = schedule(progress)
        if progress >= args.quantise_from and not quantising:
            quantising = True
            for mine in workers[0].model.parameters():
                mine.data = mine.data.clone()
            for w in workers[1:]:
                w.share(workers[0].model)
        if quantising:
            parts = list(zip(workers[0].model.parameters(), (p for _, p in named), kinds))
            list(pool.map(lambda part: part[0].data.copy_(quantise.as_stored(part[1], part[2])), parts))
        batches = [sampler.next() for _ in range(args.batches)]
        norm = sum(int(b[1].sum()) for b in batches)
        jobs = [pool.submit(one, b, norm, sampler.rng.random() < MTP_SHARE) for b in sorted(batches, key=lambda b: -b[0].numel())]
        for job in jobs:
            loss, n, results, (hits, guesses) = job.result()
            window["loss"] += loss; window["n"] += n; window["mtp"] += hits; window["mtp_n"] += guesses
            for task, right in results:
                exact[task] += 0.005 * (right - exact[task])
        tokens_seen += sum(b[0].numel() for b in batches)
        grads = [[p.grad for p in w.model.parameters()] for w in workers]
        for (_, p), per_worker in zip(named, zip(*grads)):
            present = [g for g in per_worker if g is not None]
            p.grad = present[0] if len(present) == 1 else sum(present[1:], present[0]) if present else torch.zeros_like(p)
        for w in workers:
            w.model.zero_grad(set_to_none=True)
        list(pool.map(lambda job: job(), [j for o in reversed(optimisers) for j in o.jobs()]))
        loads = balance(master, workers, bias_step(step, progress))
        load_sum = loads if load_sum is None else [a + b for a, b in zip(load_sum, loads)]
        step += 1
        window["steps"] += 1
        used = offset + time.time() - began
        if time.time() - told > 30:
            record = dict(step=step, minutes=round(used / 60, 2), tokens=tokens_seen, loss=window["loss"] / window["n"], mtp=window["mtp"] / max(1, window["mtp_n"]), lr=schedule(progress),
                          imbalance=[round(float(l.max() / l.mean()), 3) if l.sum() else None for l in load_sum], exact={t: round(v, 3) for t, v in exact.items()})
            history.append(record)
            print(json.dumps(record), f"{window['steps'] / (time.time() - told):.2f} steps/s", flush=True)
            told, load_sum, window = time.time(), None, dict(loss=0.0, n=0, mtp=0, mtp_n=0, steps=0)
        if time.time() - saved > 150:
            save()
            saved = time.time()
    save()


if __name__ == "__main__":
    main()
