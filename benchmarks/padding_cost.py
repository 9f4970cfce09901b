"""What the importance network saves by not working on padding: clips end to end against the padded batch.

    python benchmarks/padding_cost.py [--rounds 15] [--threads 2] [--cpu-time]

32 clips of 40 bands and 15 to 120 frames, one of 230, as a batch of FSDD's digits; forward in evaluation, and forward
and backward in training. Errors: largest difference of the logits over the largest.
"""

from __future__ import annotations

import torch
from interleaved import Call, arguments, machine, middle, ratios, seconds_by_round, spread, table

from tenuto.frontend import importance
from tenuto.frontend.lengths import length_mask

N_CLIPS, N_BANDS, LONGEST = 32, 40, 230
PADDED, END_TO_END = -1.0, 100.0  # the batch's share of frames below which clips lie end to end


def make_call(training: bool, packed_below: float) -> Call:
    """The network on one batch; the same weights and clips for both ways."""
    torch.manual_seed(0)
    network = importance.FrameImportance(N_BANDS).train(training)
    lengths = torch.randint(15, 120, (N_CLIPS,))
    lengths[0] = LONGEST
    batch = torch.randn(N_CLIPS, LONGEST, N_BANDS).mT
    valid = length_mask(lengths, LONGEST)

    def call() -> torch.Tensor:
        importance._PACKED_BELOW = packed_below
        with torch.set_grad_enabled(training):
            logits = network(batch, valid)
            if training:
                logits.sum().backward()
        return logits.detach()

    return call


def main() -> None:
    options = arguments(__doc__ or "", rounds=15)
    print(f"{machine()}; {N_CLIPS} clips of up to {LONGEST} frames\n")
    rows = []
    for training in (False, True):
        padded, packed = (make_call(training, below) for below in (PADDED, END_TO_END))
        error = float((padded() - packed()).abs().max() / padded().abs().max())
        seconds = seconds_by_round({"padded": padded, "packed": packed}, options.rounds, options.clock)
        what = "forward and backward" if training else "forward"
        times = [middle(seconds["padded"]), middle(seconds["packed"])]
        rows.append([what, *times, spread(ratios(seconds, "packed", "padded")), f"{error:.1e}"])
    print(table(["", "padded, ms", "end to end, ms", "end to end / padded", "differ by"], rows))


if __name__ == "__main__":
    main()
