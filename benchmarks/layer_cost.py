"""What the whole DiffRes layer costs beside its own importance network.

    python benchmarks/layer_cost.py [--rounds 15] [--threads 2] [--cpu-time] [--keep-pages]

A log-mel of 128 bands, batch 8, 75 % of the frames saved, evaluation mode, forward. Wanted: at most 1.25 times the
importance network alone, at 1,000 frames or more. The two take turns.
"""

from __future__ import annotations

import statistics

import torch
from interleaved import Call, arguments, machine, middle, ratios, seconds_by_round, spread, table

from tenuto.frontend.diffres import DiffRes

SIZES = (1_000, 3_000, 10_000)
N_BANDS, BATCH, REDUCTION = 128, 8, 0.75
AT_MOST = 1.25


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

    return {"layer": whole, "network": network}


def main() -> None:
    options = arguments(__doc__ or "", rounds=15)
    print(f"{machine()}; {N_BANDS} bands, batch {BATCH}, reduction {REDUCTION}, forward\n")
    rows = []
    for n_frames in SIZES:
        seconds = seconds_by_round(make_calls(n_frames), options.rounds, options.clock)
        ratio = ratios(seconds, "layer", "network")
        kept = "yes" if statistics.median(ratio) <= AT_MOST else "no"
        rows.append([f"{n_frames:,}", middle(seconds["network"]), middle(seconds["layer"]), spread(ratio), kept])
    header = ["frames", "importance network, ms", "layer, ms", "layer / importance network", f"at most {AT_MOST}"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
