"""The warp on CUDA in Triton: one kernel forward and one backward, each of which reads the energies once.

Of an importance they read where each frame ends, in float64, and where outputs begin and end: a cumulated sum and a
kernel that searches, instead of the segments of `_warp_torch`, which stays the reference. Short clips wait for
launches, not for bytes, so that there are few of them: mean, maximum and encoding are one. Sums are held in float32
(float64 for float64) whatever the dtype of the energies; nothing of size kept x frames exists. Frames that go whole
into one output (Eq. 5 alone, an ablation) are left to `_warp_torch`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from tenuto.frontend import _warp_torch
from tenuto.frontend._warp_torch import Segments, whole_frames
from tenuto.frontend._warp_triton_kernels import by_clip, by_frame, by_output, cut

OLDEST = (3, 3)
if tuple(map(int, triton.__version__.split(".")[:2])) < OLDEST:
    raise ImportError(f"Triton {triton.__version__}: wanted 3.3 or newer")

__all__ = ["segments", "weighted_sum", "weighted_sum_and_max", "weighted_sums_and_max", "whole_frames"]

_FORWARD, _BACKWARD = 1024, 512  # energies that a program reads at a time: they stay in its registers
_AT_ONCE = 8  # frames at most: an output of a quarter of the frames is touched by five
_OUTPUTS = 128  # that a program of the cut searches
_FRAMES = 1024  # of a clip, whose gradients are added up at a time
_FUSION = {"enable_fp_fusion": True}  # Triton asks to be told: products may be added unrounded
_A_WARP = 128  # bands for which one warp is enough: it adds up frames without asking another


@dataclass(frozen=True)
class Cuts:
    """What the kernels read of an importance."""

    importance: Tensor  # (batch, frame). Differentiable.
    ends: Tensor  # (batch, frame) float64 C
    first: Tensor  # (batch, n_out) int32: the frame in which each output begins
    last: Tensor  # (batch, n_out) int32: the frame in which it ends, or behind which no frame has importance


def segments(importance: Tensor, n_out: int) -> Cuts:
    """importance (batch, frame) >= 0 -> what is read of it; cumulated in float64 so that boundaries are right."""
    ends = importance.detach().contiguous().cumsum(1, dtype=torch.float64)
    n_clips, n_frames = ends.shape
    first, last = (torch.empty(n_clips, n_out, dtype=torch.int32, device=ends.device) for _ in range(2))
    grid = (triton.cdiv(n_out, _OUTPUTS) * n_clips,)  # other axes take 65,535 programs
    with torch.cuda.device_of(ends):  # type: ignore[no-untyped-call]  # Triton launches on the current device
        cut[grid](ends, first, last, n_out, n_frames, n_frames.bit_length(), OUTPUTS=_OUTPUTS, **_FUSION)
    return Cuts(importance, ends, first, last)


def weighted_sum(frames: Tensor, cuts: Cuts | Segments) -> Tensor:
    """frames (batch, band, frame), or (1, band, frame) for all clips alike -> X W^T: (batch, band, n_out)."""
    if isinstance(cuts, Segments):
        return _warp_torch.weighted_sum(frames, cuts)
    n_clips = len(cuts.ends)
    if frames.shape[0] == 1 < n_clips and frames.requires_grad:
        frames = frames.expand(n_clips, -1, -1)
    return _warped(frames, None, cuts, with_max=False)[0]


def weighted_sum_and_max(frames: Tensor, cuts: Cuts | Segments) -> tuple[Tensor, Tensor]:
    """frames (batch, band, frame) -> X W^T and max_j X_j W_ij (Eq. 6): two of (batch, band, n_out)."""
    if isinstance(cuts, Segments):
        return _warp_torch.weighted_sum_and_max(frames, cuts)
    sums, largest, _ = _warped(frames, None, cuts, with_max=True)
    return sums, largest


def weighted_sums_and_max(frames: Tensor, positions: Tensor, cuts: Cuts | Segments) -> tuple[Tensor, Tensor, Tensor]:
    """As `weighted_sum_and_max` of frames, and X W^T of positions (1, band, frame), which all clips share."""
    if isinstance(cuts, Segments) or positions.requires_grad:
        return *weighted_sum_and_max(frames, cuts), weighted_sum(positions, cuts)
    return _warped(frames, positions, cuts, with_max=True)


def _warped(frames: Tensor, positions: Tensor | None, cuts: Cuts, with_max: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Sums, maxima and encoding, (batch, band, n_out); those that were not asked for have no values."""
    shared = frames.shape[0] < len(cuts.ends)
    rows, positions = _rows(frames), None if positions is None else _rows(positions)
    warped = _Warp.apply(rows, cuts.importance, positions, cuts, with_max, shared, torch.is_grad_enabled())
    sums, largest, encoding = (x.mT for x in warped)
    return sums, largest, encoding


def _rows(frames: Tensor) -> Tensor:
    """(batch, band, frame) -> (batch x frame, band), contiguous: free where a frame's bands lie together."""
    return frames.mT.contiguous().view(-1, frames.shape[1])


class _Warp(torch.autograd.Function):
    """(sums, maxima, encoding), each (batch, n_out, band); (batch, 0, band) where it is not asked for."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        importance: Tensor,
        positions: Tensor | None,
        cuts: Cuts,
        with_max: bool,
        shared: bool,
        counted: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        n_clips, n_out, n_bands = *cuts.first.shape, rows.shape[1]
        full, nothing = (n_clips, n_out, n_bands), (n_clips, 0, n_bands)
        sums, largest = rows.new_empty(full), rows.new_empty(full if with_max else nothing)
        n_largest = rows.new_empty(full if with_max and counted else nothing, dtype=torch.int32)
        encoding = sums.new_empty(nothing) if positions is None else positions.new_empty(full)
        read = (rows, cuts.ends, cuts.first, cuts.last, rows if positions is None else positions)
        written, sizes = (sums, largest, n_largest, encoding), (n_out, importance.shape[1], n_bands)
        constants = _constants(rows, with_max, positions is not None, shared, _FORWARD)
        with torch.cuda.device_of(rows):  # type: ignore[no-untyped-call]
            by_output[(n_clips * n_out,)](*read, *written, *sizes, COUNTED=with_max and counted, **constants)
        ctx.save_for_backward(rows, cuts.ends, positions, largest, n_largest)
        ctx.sizes, ctx.with_max, ctx.shared, ctx.dtype = sizes, with_max, shared, importance.dtype
        return sums, largest, encoding

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *by_warped: Tensor) -> tuple[Tensor | None, ...]:
        rows, ends, positions, largest, n_largest = ctx.saved_tensors
        stored = ctx.needs_input_grad[0]
        grad_rows = rows.new_empty(rows.shape if stored else (0,))
        at_start, at_end = rows.new_empty(2, *ends.shape, dtype=torch.promote_types(rows.dtype, torch.float32))
        read = (rows, ends, rows if positions is None else positions, *(grad.contiguous() for grad in by_warped))
        constants = _constants(rows, ctx.with_max, positions is not None, ctx.shared, _BACKWARD)
        grid = (triton.cdiv(ends.shape[1], constants["FRAMES"]) * len(ends),)  # other axes take 65,535 programs
        grad_importance = torch.empty_like(ends, dtype=ctx.dtype) if ctx.needs_input_grad[1] else None
        with torch.cuda.device_of(rows):  # type: ignore[no-untyped-call]
            written = (grad_rows, at_start, at_end)
            by_frame[grid](*read, largest, n_largest, *written, *ctx.sizes, STORED=stored, **constants)
            if grad_importance is not None:
                by_clip[(len(ends),)](at_start, at_end, grad_importance, ends.shape[1], FRAMES=_FRAMES, **_FUSION)
        return grad_rows if stored else None, grad_importance, *[None] * 5


def _constants(rows: Tensor, with_max: bool, with_positions: bool, shared: bool, tile: int) -> dict[str, Any]:
    """What a kernel is compiled for, and how many warps a program has."""
    accumulator = tl.float64 if rows.dtype == torch.float64 else tl.float32
    bands = triton.next_power_of_2(rows.shape[1])
    asked = {"WITH_MAX": with_max, "WITH_POSITIONS": with_positions, "SHARED": shared}
    sizes = {"FRAMES": min(_AT_ONCE, max(1, tile // bands)), "BANDS": bands}
    n_warps = min(8, max(1, bands // _A_WARP))
    return {**asked, **sizes, "ACCUMULATOR": accumulator, "num_warps": n_warps, **_FUSION}
