"""What the warp costs, against copying what it reads: x.clone() of the same buffer, in turn with it.

    python benchmarks/operator_cost.py [--rounds 9] [--threads 1] [--cpu-time]

Mean, maximum and encoding of 128 bands, 75 % of the frames saved; as many clips as make 64 MB of input, which no
cache holds. Wanted: forward at most 5 copies, forward and backward (to frames and importance) at most 15, at any
number of frames. Freed memory is kept, or the copy would cost several times as much (--no-keep-pages).

Beside the time the largest error, relative to the largest output, against the definition (Eqs. 5
and 6, dense, float64) at the start, within and at the very end of the first clip.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import torch
from interleaved import arguments, machine, middle, ratios, seconds_by_round, spread, table
from torch import Tensor

from tenuto.frontend.position_encoding import position_encoding
from tenuto.frontend.warp import Warp

SIZES = (1_000, 3_000, 10_000, 100_000)
N_BANDS, SHARE_KEPT, INPUT_BYTES = 128, 0.25, 64e6
N_CHECKED = 64  # outputs a place
FORWARD_AT_MOST, BOTH_AT_MOST = 5, 15


@dataclass
class Case:
    """Clips of so many frames, and what is done with them."""

    frames: Tensor  # (batch, band, frame)
    importance: Tensor  # (batch, frame), a row sums to n_out
    positions: Tensor  # (band, frame)
    n_out: int

    def forward(self) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, maximum and encoding, each (batch, band, n_out)."""
        return Warp(self.importance, self.n_out).mean_max_and_encoding(self.frames, self.positions[None])

    def forward_and_backward(self, by_output: Tensor) -> tuple[Tensor, ...]:
        """Gradients of frames and importance; by_output (batch, band, n_out) of each output."""
        inputs = (self.frames.requires_grad_(), self.importance.requires_grad_())
        gradients = torch.autograd.grad(self.forward(), inputs, [by_output] * 3)
        self.frames.requires_grad_(False)
        self.importance.requires_grad_(False)
        return gradients


def make_case(
    n_frames: int, n_clips: int | None = None, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Case:
    """Random frames of so many clips, or of as many as make INPUT_BYTES."""
    generator = torch.Generator().manual_seed(0)
    n_out = int(SHARE_KEPT * n_frames)
    if n_clips is None:
        n_clips = -int(-INPUT_BYTES // (4 * N_BANDS * n_frames))
    frames = (
        torch.rand(n_clips, n_frames, N_BANDS, generator=generator).to(device, dtype).mT
    )  # a frame's bands together
    importance = torch.rand(n_clips, n_frames, generator=generator, dtype=torch.float64)
    importance *= n_out / importance.sum(1, keepdim=True)
    positions = position_encoding(N_BANDS, n_frames, frames.device).to(dtype)
    return Case(frames, importance.float().to(device), positions, n_out)


def times(case: Case, rounds: int, clock: object) -> dict[str, list[float]]:
    """Seconds of each round."""
    by_output = torch.rand(len(case.frames), case.n_out, N_BANDS).mT
    candidates = {
        "clone": case.frames.clone,
        "forward": case.forward,
        "both": lambda: case.forward_and_backward(by_output),
    }
    return seconds_by_round(candidates, rounds, clock)  # type: ignore[arg-type]


def largest_error(case: Case) -> float:
    """Of the first clip's outputs at four places, relative to the largest of them."""
    found = case.forward()
    last = case.n_out - N_CHECKED
    errors = []
    for first in (0, last // 3, 2 * last // 3, last):
        for output, wanted in zip(found, definition(case, first), strict=True):
            errors.append(
                ((output[0, :, first : first + N_CHECKED] - wanted).abs().amax() / wanted.abs().amax()).item()
            )
    return max(errors)


def definition(case: Case, first: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, maximum and encoding of the first clip's outputs from `first` on, dense: each (band, N_CHECKED)."""
    ends = case.importance[0].double().cumsum(0)
    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    outputs = torch.arange(first, first + N_CHECKED, device=ends.device)
    touching = (ends > first) & (starts < first + N_CHECKED)
    ends, starts, output = ends[touching], starts[touching], outputs[:, None]
    overlap = (torch.minimum(ends, output + 1) - torch.maximum(starts, output)).clamp_min(0)  # (output, frame)
    frames, positions = case.frames[0, :, touching].double(), case.positions[:, touching].double()
    return frames @ overlap.T, (frames[:, None] * overlap).amax(2), positions @ overlap.T


def main() -> None:
    options = arguments(__doc__ or "", rounds=9, keep_pages=True)
    print(f"{machine()}; {N_BANDS} bands, {1 - SHARE_KEPT:.0%} of the frames saved\n")
    rows = []
    for n_frames in SIZES:
        case = make_case(n_frames)
        seconds = times(case, options.rounds, options.clock)
        forward, both = (ratios(seconds, name, "clone") for name in ("forward", "both"))
        kept = statistics.median(forward) <= FORWARD_AT_MOST and statistics.median(both) <= BOTH_AT_MOST
        milliseconds = [middle(seconds[name]) for name in ("clone", "forward", "both")]
        row = [f"{n_frames:,}", str(len(case.frames)), *milliseconds, spread(forward), spread(both)]
        rows.append([*row, f"{largest_error(case):.1e}", "yes" if kept else "no"])
    header = ["frames", "clips", "x.clone(), ms", "forward, ms", "and backward, ms", "forward / clone"]
    wanted = f"at most {FORWARD_AT_MOST} and {BOTH_AT_MOST}"
    print(table([*header, "forward and backward / clone", "largest error", wanted], rows))


if __name__ == "__main__":
    main()
