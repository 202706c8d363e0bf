"""Writes a training checkpoint as the served model: deploy/model/model.safetensors in FP8."""
import argparse
import pathlib

import torch

import checkpoint
from model import Model, load_config

HERE = pathlib.Path(__file__).resolve().parent

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", help="training checkpoint (train.py's --state file); without it a random model is written")
    parser.add_argument("--to", default=str(HERE / "model.safetensors"))
    args = parser.parse_args()
    torch.manual_seed(1)
    model = Model(load_config())
    if args.source:
        model.load_state_dict(torch.load(args.source, map_location="cpu")["model"])
    checkpoint.write(model, args.to)
    print(f"{args.to}: {pathlib.Path(args.to).stat().st_size} bytes, {sum(p.numel() for p in model.parameters())} parameters")
