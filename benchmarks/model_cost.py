"""What the small models cost: a patch of 128 bands x 128 frames, forward, and forward and backward.

    python benchmarks/model_cost.py [--rounds 15] [--threads 1] [--cpu-time]

The post's models in their published forms, one channel, 10 classes, batches of 8; milliseconds of a patch.
"""

from __future__ import annotations

import statistics

import torch
from interleaved import Call, arguments, machine, ratios, seconds_by_round, spread, table
from torch import nn

from tenuto.models.backbones import SBCNN
from tenuto.models.heads import MeanPooling
from tenuto.models.timbre import Timbre
from tenuto.models.vgg import VGG

BATCH, SIZE, N_CLASSES = 8, 128, 10


def models() -> dict[str, nn.Sequential]:
    """From the smallest."""
    return {
        "`timbre`": nn.Sequential(Timbre.published(N_CLASSES)),
        "`vgg`, 32 filters": nn.Sequential(vgg := VGG.published(), nn.Linear(vgg.n_features, N_CLASSES)),
        "`sbcnn`": nn.Sequential(SBCNN(1, SIZE, SIZE, batch_norm=False), MeanPooling(64, N_CLASSES)),
        "`vgg`, 128 filters": nn.Sequential(
            large := VGG.published(n_filters=128), nn.Linear(large.n_features, N_CLASSES)
        ),
    }


def forward(model: nn.Module, patches: torch.Tensor) -> Call:
    """In evaluation."""

    @torch.inference_mode()
    def call() -> object:
        return model.eval()(patches)

    return call


def step(model: nn.Module, patches: torch.Tensor) -> Call:
    """In training, forward and backward."""

    def call() -> object:
        model.zero_grad()
        torch.autograd.backward(model.train()(patches).square().mean())
        return None

    return call


def main() -> None:
    options = arguments(__doc__ or "", rounds=15)
    torch.manual_seed(0)
    print(f"{machine()}; {SIZE} bands x {SIZE} frames, batches of {BATCH}\n")
    patches, calls, built = torch.randn(BATCH, 1, SIZE, SIZE), {}, models()
    for name, model in built.items():
        calls |= {name: forward(model, patches), f"{name}, both": step(model, patches)}
    seconds = seconds_by_round(calls, options.rounds, options.clock)
    rows = []
    for name, model in built.items():
        parameters = sum(parameter.numel() for parameter in model.parameters())
        times = [1000 * statistics.median(seconds[each]) / BATCH for each in (name, f"{name}, both")]
        over = [spread(ratios(seconds, name + both, "`sbcnn`" + both)) for both in ("", ", both")]
        rows.append([name, f"{parameters:,}", *(f"{time:.2g}" for time in times), *over])
    header = ["model", "parameters", "forward, ms", "forward and backward, ms", "of `sbcnn`, forward", "both"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
