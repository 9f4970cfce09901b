"""What a training step costs on clips of very different length: padded to one length, or brought to few frames.

    python benchmarks/unpadded_step.py [--rounds 5] [--threads 2] [--clips 4] [--backbone efficientnet_b2]

The paper's case (section 3.1, FSD50K): clips of 0.3 to 30 s, here log-uniform (6.5 s on the average), EfficientNet-B2
and four heads, forward, backward and Adam; a batch of a few clips, drawn anew for each round, the same for all
systems. "Padded" brings every clip to 30 s, "own length" a batch to its longest. The paper reports 28 % of the training
time of the padded log-mel for DiffRes at 15 frames a second.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import torch
from interleaved import Call, machine, middle, ratios, seconds_by_round, spread, table
from torch import Tensor

from tenuto.models.build import build_classifier
from tenuto.models.settings import FrontendSettings, ModelSettings
from tenuto.training.losses import objective

SHORTEST, LONGEST, SAMPLE_RATE, FPS, N_CLASSES = 0.3, 30.0, 16000, 15, 200
# frames a second, fixed number of frames, whether clips are padded to the longest there is
SYSTEMS: dict[str, tuple[FrontendSettings, bool]] = {
    "log-mel, padded": (FrontendSettings(), True),
    "log-mel, own length": (FrontendSettings(), False),
    "DiffRes, padded": (FrontendSettings(resolution="diffres", fps=FPS), True),
    "DiffRes to a fixed number": (FrontendSettings(resolution="diffres", n_kept=round(FPS * LONGEST)), False),
    "DiffRes, own share": (FrontendSettings(resolution="diffres", fps=FPS), False),
}
Draw = Callable[[bool], tuple[Tensor, Tensor]]


class Batches:
    """A batch of so many clips a round, of noise; `turn` goes on to the next."""

    def __init__(self, n_clips: int) -> None:
        self.n_clips, self.random = n_clips, torch.Generator().manual_seed(0)
        self.turn()

    def turn(self) -> None:
        place = torch.rand(self.n_clips, generator=self.random)
        seconds = SHORTEST * torch.exp(place * math.log(LONGEST / SHORTEST))
        self.lengths = (seconds * SAMPLE_RATE).long()

    def draw(self, padded: bool) -> tuple[Tensor, Tensor]:
        """waveforms (clip, samples), zero beyond their lengths, lengths (clip,)."""
        n_samples = round(LONGEST * SAMPLE_RATE) if padded else int(self.lengths.max())
        inside = torch.arange(n_samples) < self.lengths[:, None]
        return 0.1 * torch.randn(self.n_clips, n_samples) * inside, self.lengths


def training_step(settings: FrontendSettings, padded: bool, backbone: str, draw: Draw) -> Call:
    torch.manual_seed(0)
    labels = [f"class {k}" for k in range(N_CLASSES)]
    model = build_classifier(settings, ModelSettings(backbone=backbone, head="attention"), labels, True).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def step() -> None:
        waveforms, lengths = draw(padded)
        output = model(waveforms, torch.full_like(lengths, waveforms.shape[1]) if padded else lengths)
        targets = torch.zeros_like(output.logits)
        torch.autograd.backward(objective(output.logits, targets, output.resolution.guide_loss, "bce", 1.0))
        optimizer.step()
        optimizer.zero_grad()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--backbone", default="efficientnet_b2")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    batches = Batches(options.clips)
    calls = {
        name: training_step(settings, padded, options.backbone, batches.draw)
        for name, (settings, padded) in SYSTEMS.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(options.rounds):
        batches.turn()
        for name, (second,) in seconds_by_round(calls, 1).items():
            seconds[name].append(second)
    print(f"{machine()}; {options.backbone}, batch {options.clips}, clips of {SHORTEST:g} to {LONGEST:g} s\n")
    baseline = next(iter(calls))
    rows = [[name, middle(seconds[name]), spread(ratios(seconds, name, baseline))] for name in calls]
    print(table(["", "ms a step", f"of the {baseline}"], rows))


if __name__ == "__main__":
    main()
