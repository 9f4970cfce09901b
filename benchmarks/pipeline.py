"""Where the time of a training goes, in clips a second: decoding, batches, front end, backbone, the whole.

    python benchmarks/pipeline.py [FOLDER] [--rounds 5] [--threads 2] [--clips 64] [--recipe esc50] [section.key=value]

FOLDER is a data set as `tenuto train` reads it; without it clips of 10 s are made up, stereo at 44.1 kHz, half of them
ogg and half wav. The last line says which stage is the limit. `tenuto benchmark pipeline` does the same and draws it.
"""

from __future__ import annotations

import argparse

import torch
from interleaved import machine, table

from tenuto.inference.pipeline import measure
from tenuto.training.recipe import load_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description="Where the time of a training goes, in clips a second")
    parser.add_argument("source", nargs="?", help="a data set as `tenuto train` reads it (default: made up)")
    parser.add_argument("settings", nargs="*", help="section.key=value")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--recipe")
    options = parser.parse_intermixed_args()
    torch.set_num_threads(options.threads)
    words = [word for word in (options.source, *options.settings) if word]
    settings = [word for word in words if "=" in word]
    source = next((word for word in words if "=" not in word), None)
    recipe = load_recipe(options.recipe, settings)
    found = measure(recipe, source, n_clips=options.clips, seconds=options.seconds, n_rounds=options.rounds)
    print(
        f"{machine()}; {recipe.model.backbone}, batch {recipe.data.batch_size}, median [smallest largest] of rounds\n"
    )
    rows = [[row["stage"], str(row["clips a second"]), row["what"]] for row in found.rows]
    print(table(["stage", "clips a second", "what"], rows))
    print(f"\n{found.limit}")


if __name__ == "__main__":
    main()
