"""What a backbone gains on a CPU by reading a pixel's channels together, as `SBCNN` and `TimmBackbone` do.

    python benchmarks/backbone_layout.py [--rounds 9] [--threads 2] [--cpu-time]

On features of 128 bands and 250 or 1,000 frames, batch 4, both layouts of the same values: timm models, evaluation,
forward; SBCNN, forward, and forward and backward in training.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from unittest import mock

import timm
import torch
from interleaved import Call, arguments, machine, middle, ratios, seconds_by_round, spread, table

from tenuto.models import backbones
from tenuto.models.backbones import SBCNN

NAMES, FRAMES, CHANNELS = ("efficientnet_b2", "mobilenetv3_small_100", "resnet18"), (250, 1000), (1, 3)


def make_calls(name: str, n_channels: int, n_frames: int) -> tuple[dict[str, Call], float]:
    """Both layouts, and the largest difference of their maps over the largest value."""
    torch.manual_seed(0)
    model = timm.create_model(name, in_chans=n_channels, num_classes=0, global_pool="").eval()
    apart = torch.randn(4, n_channels, 128, n_frames)
    together = apart.clone(memory_format=torch.channels_last)

    def reads(features: torch.Tensor) -> Call:
        @torch.inference_mode()
        def call() -> object:
            return model(features)

        return call

    with torch.inference_mode():
        one, other = model(apart), model(together)
    return {"apart": reads(apart), "together": reads(together)}, float((one - other).abs().max() / one.abs().max())


def sbcnn_calls(n_channels: int, n_frames: int, training: bool) -> tuple[dict[str, Call], float]:
    """As `make_calls`, of SBCNN, which in training drops out other values in another layout: no difference then."""
    torch.manual_seed(0)
    model, features = SBCNN(n_channels, 128).train(training), torch.randn(4, n_channels, 128, n_frames)
    as_liked = backbones._as_liked

    def laid(out: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], torch.Tensor]:
        def call() -> torch.Tensor:
            with mock.patch.object(backbones, "_as_liked", out), torch.set_grad_enabled(training):
                maps: torch.Tensor = model(features)
                if training:
                    model.zero_grad()
                    torch.autograd.backward(maps.square().mean())
            return maps.detach()

        return call

    apart, together = laid(lambda images: images), laid(as_liked)
    one, other = apart(), together()
    error = float("nan") if training else float((one - other).abs().max() / one.abs().max())
    return {"apart": apart, "together": together}, error


def all_calls() -> Iterator[tuple[str, int, int, dict[str, Call], float]]:
    """Name, channels, frames, both layouts, difference."""
    for n_channels, n_frames in itertools.product(CHANNELS, FRAMES):
        yield "SBCNN", n_channels, n_frames, *sbcnn_calls(n_channels, n_frames, training=False)
        yield "SBCNN, training", n_channels, n_frames, *sbcnn_calls(n_channels, n_frames, training=True)
    for name, n_channels, n_frames in itertools.product(NAMES, CHANNELS, FRAMES):
        yield name, n_channels, n_frames, *make_calls(name, n_channels, n_frames)


def main() -> None:
    options = arguments(__doc__ or "", rounds=9)
    print(f"{machine()}; batch 4, 128 bands\n")
    rows = []
    for name, n_channels, n_frames, calls, error in all_calls():
        seconds = seconds_by_round(calls, options.rounds, options.clock)
        ratio = spread(ratios(seconds, "together", "apart"))
        times = [middle(seconds["apart"]), middle(seconds["together"])]
        rows.append([name, str(n_channels), str(n_frames), *times, ratio, "" if error != error else f"{error:.1e}"])
    header = ["backbone", "channels", "frames", "apart, ms", "together, ms", "together / apart", "differ by"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
