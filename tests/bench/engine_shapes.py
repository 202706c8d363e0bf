#!/usr/bin/env python3
"""The engine's speed on its three benchmark shapes, each as a share of limits measured in the same run.

Runs `conclave bench engine` (2 threads) and prints every figure beside what is demanded and what is
aimed at. Takes about 6 minutes and 13 GB of memory; --quick leaves out v3-slice (4 GB).
"""
import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# (shape, mode, line, field, must, aim, what the figure is)
DEMANDS = [
    ("v2lite-slice", "bf16", "decode, batch 1, context 0", "bandwidth_share", 0.80, 0.92,
     "share of read bandwidth"),
    ("v2lite-slice", "bf16", "decode, batch 1, context 4096", "against_first", 0.88, 0.94,
     "tokens/s over context 0"),
    ("v2lite-slice", "bf16", "decode, batch 32, context 0", "against_first", 4.5, 5.5,
     "tokens/s over batch 1"),
    ("v2lite-slice", "bf16", "prefill 512, all logits", "compute_share", 0.60, 0.75,
     "share of bf16 multiply peak"),
    ("v2lite-slice", "int8", "prefill 512, all logits", "compute_share", 0.40, 0.60,
     "share of int8 peak"),
    ("v3-slice", "bf16", "prefill 512, all logits", "compute_share", 0.45, 0.65,
     "share of bf16 multiply peak"),
    ("v3-slice", "int8", "prefill 512, all logits", "compute_share", 0.32, 0.50,
     "share of int8 peak"),
    ("tiny", "bf16", "decode, batch 1, context 0", "bandwidth_share", 0.75, 0.90,
     "share of read bandwidth"),
    ("tiny", "bf16", "decode, batch 1, context 4096", "against_first", 0.60, 0.80,
     "tokens/s over context 0"),
]


def run(binary, shape, mode, seconds):
    command = [binary, "bench", "engine", "--shape", shape, "--mode", mode, "--threads", "2",
               "--seconds", str(seconds), "--json"]
    if shape == "v3-slice":
        command += ["--contexts", "0", "--batches", ""]
    elif mode == "int8":
        command += ["--contexts", "0"]
    print(" ".join(command[1:]), file=sys.stderr)
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=str(ROOT / "build/services/cli/conclave"))
    parser.add_argument("--seconds", type=float, default=8, help="per line")
    parser.add_argument("--quick", action="store_true", help="without v3-slice")
    args = parser.parse_args()
    reports = {}
    for shape, mode in dict.fromkeys((d[0], d[1]) for d in DEMANDS):
        if args.quick and shape == "v3-slice":
            continue
        reports[shape, mode] = run(args.binary, shape, mode, args.seconds)
    for (shape, mode), report in reports.items():
        limits = report["limits"]
        print(f"{shape}, {mode}: read {limits['read_bytes_per_s'] / 1e9:.1f} GB/s (spread "
              f"{100 * limits['spread']:.0f} %), multiply-adds float32 "
              f"{limits['float_macs_per_s'] / 1e9:.0f}, bf16 dot "
              f"{limits['bf16_dot_macs_per_s'] / 1e9:.0f}, int16 dot "
              f"{limits['int16_dot_macs_per_s'] / 1e9:.0f}, int8 dot "
              f"{limits['int8_dot_macs_per_s'] / 1e9:.0f} G/s; {report['rounds']} rounds")
    print("\n| shape | mode | line | figure | measured | must | aim | tokens/s |")
    print("|---|---|---|---|---|---|---|---|")
    for shape, mode, name, field, must, aim, what in DEMANDS:
        if (shape, mode) not in reports:
            continue
        limits = reports[shape, mode]["limits"]
        line = next(l for l in reports[shape, mode]["lines"] if l["what"] == name)
        value = line[field]
        form = (lambda v: f"{v:.2f}x") if must > 1 else (lambda v: f"{100 * v:.0f} %")
        if what == "share of bf16 multiply peak" and limits["int16_dot_macs_per_s"] > 0:
            rate = line["tokens_per_s"] * line["macs_per_token"]
            what += f" ({100 * rate / limits['int16_dot_macs_per_s']:.0f} % of the int16 peak)"
        verdict = "" if value >= aim else " (below the aim)" if value >= must else " **(missed)**"
        print(f"| {shape} | {mode} | {name} | {what} | {form(value)}{verdict} | {form(must)} | "
              f"{form(aim)} | {line['tokens_per_s']:.1f} |")


if __name__ == "__main__":
    main()
