#!/usr/bin/env python3
"""What disaggregation costs on one machine: `conclave serve` against the cluster, on the same cores, in one
run. Prints ratios against the single process; absolute figures belong to the machine they came from.

    tests/bench/serve_vs_cluster.py [--rounds 3] [--clients 1 8] [--json]

Rounds alternate between the two, so that a neighbour on the machine disturbs both alike; medians are printed."""

import argparse
import json
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cluster"))
from harness import Cluster, Serve, in_parallel  # noqa: E402

PROMPT = "What is 4821 + 7764?"
TOKENS = 128
REQUESTS_PER_CLIENT = 4


def one_stream(api):
    """(seconds to the first token, seconds in all, tokens) of one streamed answer."""
    started, first, tokens = time.monotonic(), None, 0
    for event in api.stream(PROMPT, temperature=0, max_tokens=TOKENS, ignore_eos=True):
        count = sum(len(choice.get("token_ids") or []) for choice in event.get("choices", []))
        if count and first is None:
            first = time.monotonic() - started
        tokens += count
    return first, time.monotonic() - started, tokens


def load(api, clients):
    """Tokens per second over all clients, and the median time to the first token in seconds."""
    started = time.monotonic()
    results = in_parallel(clients, lambda _: one_stream(api), range(clients * REQUESTS_PER_CLIENT))
    elapsed = time.monotonic() - started
    return sum(r[2] for r in results) / elapsed, statistics.median(r[0] for r in results)


def resident_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    systems = {"serve, local experts": lambda: Serve("--expert-hosts", 0), "serve": Serve, "cluster": Cluster}
    samples = {(name, c): [] for name in systems for c in options.clients}
    memory, starts = {}, {}
    for round_ in range(options.rounds):
        for name, make in systems.items():
            print(f"round {round_ + 1} of {options.rounds}: {name}", file=sys.stderr)
            with make() as running:
                starts.setdefault(name, []).append(running.start_seconds)
                one_stream(running.api)  # connections, caches
                for clients in options.clients:
                    samples[name, clients].append(load(running.api, clients))
                pids = running.pids() if name == "cluster" else {name: running.process.pid}
                memory.update({role: resident_mb(pid) for role, pid in pids.items()})

    rows = []
    for clients in options.clients:
        base_rate = statistics.median(r for r, _ in samples["serve", clients])
        base_first = statistics.median(f for _, f in samples["serve", clients])
        for name in systems:
            rate = statistics.median(r for r, _ in samples[name, clients])
            first = statistics.median(f for _, f in samples[name, clients])
            rows.append({"system": name, "clients": clients, "tokens_per_s": round(rate, 1), "rate_ratio": round(rate / base_rate, 3),
                         "first_token_ms": round(first * 1e3, 1), "first_token_ratio": round(first / base_first, 3)})
    report = {"rows": rows, "resident_mb": {k: round(v, 1) for k, v in memory.items()},
              "start_s": {k: round(statistics.median(v), 2) for k, v in starts.items()}}
    if options.json:
        print(json.dumps(report, indent=2))
        return
    print(f"{'system':22} {'clients':>7} {'tokens/s':>9} {'/ serve':>8} {'first token ms':>15} {'/ serve':>8}")
    for r in rows:
        print(f"{r['system']:22} {r['clients']:7} {r['tokens_per_s']:9.1f} {r['rate_ratio']:8.2f} {r['first_token_ms']:15.1f} {r['first_token_ratio']:8.2f}")
    print("\nresident memory, MB: " + ", ".join(f"{k} {v}" for k, v in report["resident_mb"].items()))
    print("start to ready, s: " + ", ".join(f"{k} {v}" for k, v in report["start_s"].items()))


if __name__ == "__main__":
    main()
