"""What a backbone gains on a CPU by reading a pixel's channels together, as `TimmBackbone` hands them over.

    python benchmarks/backbone_layout.py [--rounds 9] [--threads 2] [--cpu-time]

timm models on features of 128 bands and 250 or 1,000 frames, batch 4, evaluation; both layouts of the same values.
"""

from __future__ import annotations

import timm
import torch
from interleaved import Call, arguments, machine, middle, ratios, seconds_by_round, spread, table

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


def main() -> None:
    options = arguments(__doc__ or "", rounds=9)
    print(f"{machine()}; batch 4, 128 bands\n")
    rows = []
    for name in NAMES:
        for n_channels in CHANNELS:
            for n_frames in FRAMES:
                calls, error = make_calls(name, n_channels, n_frames)
                seconds = seconds_by_round(calls, options.rounds, options.clock)
                ratio = spread(ratios(seconds, "together", "apart"))
                times = [middle(seconds["apart"]), middle(seconds["together"])]
                rows.append([name, str(n_channels), str(n_frames), *times, ratio, f"{error:.1e}"])
    header = ["backbone", "channels", "frames", "apart, ms", "together, ms", "together / apart", "differ by"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
