"""What the whole DiffRes layer costs beside its own importance network.

    python benchmarks/layer_cost.py [--rounds 15] [--threads 2] [--cpu-time] [--keep-pages]

A log-mel of 128 bands, batch 8, 75 % of the frames saved, evaluation mode, forward. Wanted: at most 1.25 times the
importance network alone, at 1,000 frames or more. "Plain" is the same network as published: convolutions and batch
norms one by one, channels first; this library's folds the norms and reads a frame's bands together. All take turns.
"""

from __future__ import annotations

import statistics

import torch
from interleaved import Call, arguments, machine, middle, ratios, seconds_by_round, spread, table
from torch import Tensor, nn
from torch.nn import functional as F

from tenuto.frontend.diffres import DiffRes
from tenuto.frontend.importance import FrameImportance, ResConv1d

SIZES = (1_000, 3_000, 10_000)
N_BANDS, BATCH, REDUCTION = 128, 8, 0.75
AT_MOST = 1.25


def plain_network(network: FrameImportance, x: Tensor) -> Tensor:
    """Log-mel (batch, band, frame) -> logits (batch, frame), operation by operation."""
    for block in network.blocks:
        assert isinstance(block, ResConv1d)
        first, second = block.pairs
        y = F.leaky_relu(plain_pair(first, x))
        z = plain_pair(second, y)
        x = y + (F.leaky_relu(z) if block.last_activation else z)
    return x[:, 0]


def plain_pair(pair: tuple[nn.Conv1d, nn.BatchNorm2d], x: Tensor) -> Tensor:
    """Frames (batch, n_in, frame) -> (batch, n_out, frame)."""
    conv, norm = pair
    return F.batch_norm(conv(x), norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def make_calls(n_frames: int) -> dict[str, Call]:
    """The layer and its importance network on one log-mel, a frame's bands together, as filterbanks give it."""
    torch.manual_seed(0)
    layer = DiffRes(N_BANDS, REDUCTION).eval()
    log_mel = (torch.randn(BATCH, n_frames, N_BANDS) * 3 - 8).mT

    @torch.inference_mode()
    def whole() -> object:
        return layer(log_mel)

    @torch.inference_mode()
    def network() -> object:
        return layer.importance(log_mel)

    channels_first = log_mel.contiguous()

    @torch.inference_mode()
    def plain() -> object:
        return plain_network(layer.importance, channels_first)

    torch.testing.assert_close(plain(), network(), rtol=1e-4, atol=1e-4)
    return {"layer": whole, "network": network, "plain": plain}


def main() -> None:
    options = arguments(__doc__ or "", rounds=15)
    print(f"{machine()}; {N_BANDS} bands, batch {BATCH}, reduction {REDUCTION}, forward\n")
    rows = []
    for n_frames in SIZES:
        seconds = seconds_by_round(make_calls(n_frames), options.rounds, options.clock)
        ratio = ratios(seconds, "layer", "network")
        kept = "yes" if statistics.median(ratio) <= AT_MOST else "no"
        times = [middle(seconds[name]) for name in ("plain", "network", "layer")]
        over_plain = spread(ratios(seconds, "layer", "plain"))
        rows.append([f"{n_frames:,}", *times, spread(ratio), kept, over_plain])
    header = ["frames", "network, plain, ms", "importance network, ms", "layer, ms", "layer / importance network"]
    header += [f"at most {AT_MOST}", "layer / network, plain"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
