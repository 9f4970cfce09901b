"""The warp on CUDA in Triton: one kernel forward and one backward, each of which reads the energies once.

Of an importance they read where each frame ends, in float64, and where outputs begin and end: a cumulated sum and a
kernel that searches, instead of the segments of `_warp_torch`, which stays the reference. Short clips wait for
launches, not for bytes, so that there are few of them: mean, maximum and encoding are one. Sums are held in float32
(float64 for float64) whatever the dtype of the energies; nothing of size kept x frames exists. Frames that go whole
into one output (Eq. 5 alone, an ablation) are left to `_warp_torch`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
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
    first = torch.empty(n_clips, n_out, dtype=torch.int32, device=ends.device)
    last = torch.empty_like(first)
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
    """Sums, maxima and encoding, each (batch, band, n_out); (batch, band, 0) where it is not asked for."""
    positions = None if positions is None else _rows(positions)
    if not torch.is_grad_enabled():  # Python would take as long as the kernels to look for a way back
        return _forward(_rows(frames), positions, cuts, with_max, counted=False)[0]
    warped: tuple[Tensor, Tensor, Tensor] = _Warp.apply(frames, cuts.importance, positions, cuts, with_max)
    return warped


def _rows(frames: Tensor) -> Tensor:
    """(batch, band, frame) -> (batch, frame, band), contiguous: free where a frame's bands lie together."""
    return frames.mT.contiguous()


def _room(like: Tensor, n_clips: int, n_out: int) -> Tensor:
    """(batch, band, n_out) of nothing yet, a frame's bands together, as `like` (..., band) has them."""
    n_bands = like.shape[-1]
    strides = n_bands * n_out, 1, n_bands
    return torch.empty_strided((n_clips, n_bands, n_out), strides, dtype=like.dtype, device=like.device)


def _forward(
    rows: Tensor, positions: Tensor | None, cuts: Cuts, with_max: bool, counted: bool
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Rows (batch, frame, band), or (1, frame, band) for all clips alike -> sums, maxima and encoding; and, counted,
    how many frames reach each maximum, int32 (batch, n_out, band).
    """
    (n_clips, n_out), (_, n_frames, n_bands) = cuts.first.shape, rows.shape
    sums, largest = _room(rows, n_clips, n_out), _room(rows, n_clips, n_out if with_max else 0)
    encoding = _room(rows, n_clips, 0) if positions is None else _room(positions, n_clips, n_out)
    counted = counted and with_max
    n_largest = torch.empty((n_clips, n_out if counted else 0, n_bands), dtype=torch.int32, device=rows.device)
    read = (rows, cuts.ends, cuts.first, cuts.last, rows if positions is None else positions)
    written, sizes = (sums, largest, n_largest, encoding), (n_out, n_frames, n_bands)
    shared = len(rows) < n_clips
    constants = _constants(rows.dtype, n_bands, _FORWARD, with_max, positions is not None, shared)
    with torch.cuda.device_of(rows):  # type: ignore[no-untyped-call]
        by_output[(n_clips * n_out,)](*read, *written, *sizes, COUNTED=counted, **constants)
    return (sums, largest, encoding), n_largest


class _Warp(torch.autograd.Function):
    """As `_warped`."""

    @staticmethod
    def forward(
        ctx: Any, frames: Tensor, importance: Tensor, positions: Tensor | None, cuts: Cuts, with_max: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows = _rows(frames)
        warped, n_largest = _forward(rows, positions, cuts, with_max, counted=any(ctx.needs_input_grad))
        ctx.save_for_backward(rows, cuts.ends, positions, warped[1], n_largest)
        ctx.n_out, ctx.with_max, ctx.dtype = cuts.first.shape[1], with_max, importance.dtype
        return warped

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *by_warped: Tensor) -> tuple[Tensor | None, ...]:
        rows, ends, positions, largest, n_largest = ctx.saved_tensors
        (n_clips, n_frames), n_bands = ends.shape, rows.shape[2]
        grad_rows = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        grad_importance = torch.empty_like(ends, dtype=ctx.dtype) if ctx.needs_input_grad[1] else None
        at_start = torch.empty_like(ends, dtype=torch.float64 if rows.dtype == torch.float64 else torch.float32)
        at_end = torch.empty_like(at_start)
        read = (rows, ends, rows if positions is None else positions, *(_rows(grad) for grad in by_warped))
        written = (rows if grad_rows is None else grad_rows, at_start, at_end)
        asked = (ctx.with_max, positions is not None, len(rows) < n_clips)
        constants = _constants(rows.dtype, n_bands, _BACKWARD, *asked)
        grid = (triton.cdiv(n_frames, constants["FRAMES"]) * n_clips,)  # other axes take 65,535 programs
        with torch.cuda.device_of(rows):  # type: ignore[no-untyped-call]
            sizes = (ctx.n_out, n_frames, n_bands)
            by_frame[grid](*read, largest, n_largest, *written, *sizes, STORED=grad_rows is not None, **constants)
            if grad_importance is not None:
                by_clip[(n_clips,)](at_start, at_end, grad_importance, n_frames, FRAMES=_FRAMES, **_FUSION)
        return None if grad_rows is None else grad_rows.mT, grad_importance, None, None, None


@cache
def _constants(
    dtype: torch.dtype, n_bands: int, tile: int, with_max: bool, with_positions: bool, shared: bool
) -> dict[str, Any]:
    """What a kernel is compiled for, and how many warps a program has; not to be written into."""
    bands = triton.next_power_of_2(n_bands)
    asked = {"WITH_MAX": with_max, "WITH_POSITIONS": with_positions, "SHARED": shared}
    sizes = {"FRAMES": min(_AT_ONCE, max(1, tile // bands)), "BANDS": bands}
    accumulator = tl.float64 if dtype == torch.float64 else tl.float32
    n_warps = min(8, max(1, bands // _A_WARP))
    return {**asked, **sizes, "ACCUMULATOR": accumulator, "num_warps": n_warps, **_FUSION}
