#!/usr/bin/env python3
"""Does sleeping instead of polling make a lone request slower? One client against the cluster, whose data
plane either never polls, polls for the default time after activity, or polls for ever; and the processor time
that the five idle processes use in each case. Ratios against the default, in one run.

    tests/bench/sleeping_waits.py [--rounds 3]"""

import argparse
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cluster"))
from harness import Cluster  # noqa: E402

POLICIES = {"default (20 us, then sleep)": 20, "sleep at once": 0, "poll for ever": 1 << 30}
TOKENS, REQUESTS, IDLE_S = 128, 10, 4
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(spin_us):
    """(median seconds of a lone request, cores used by the five idle roles)."""
    with Cluster("--ucx-spin-us", spin_us) as cluster:
        times = []
        for _ in range(REQUESTS):
            started = time.monotonic()
            answer = cluster.api.chat("What is 4821 + 7764?", temperature=0, max_tokens=TOKENS, ignore_eos=True)
            times.append(time.monotonic() - started)
            assert answer.status == 200, answer.body
        time.sleep(1)
        roles = [pid for name, pid in cluster.pids().items() if name != "etcd"]
        before = sum(map(cpu_seconds, roles))
        time.sleep(IDLE_S)
        return statistics.median(times), (sum(map(cpu_seconds, roles)) - before) / IDLE_S


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    samples = {name: [] for name in POLICIES}
    for round_ in range(rounds):
        for name, spin_us in POLICIES.items():
            print(f"round {round_ + 1} of {rounds}: {name}", file=sys.stderr)
            samples[name].append(measure(spin_us))
    base = statistics.median(t for t, _ in samples["default (20 us, then sleep)"])
    print(f"{'data plane':30} {'ms per request':>15} {'/ default':>10} {'idle, % of a core':>18}")
    for name, values in samples.items():
        seconds = statistics.median(t for t, _ in values)
        print(f"{name:30} {seconds * 1e3:15.1f} {seconds / base:10.2f} {statistics.median(c for _, c in values) * 100:18.1f}")


if __name__ == "__main__":
    main()
