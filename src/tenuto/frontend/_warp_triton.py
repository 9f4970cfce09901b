"""The warp on CUDA in Triton: one kernel forward and one backward, each of which reads the energies once.

Of an importance they read where each frame ends, in float64, and where outputs begin and end: a cumulated sum and a
kernel that searches, instead of the segments of `_warp_torch`, which stays the reference. Short clips wait for
launches, not for bytes, so that there are few of them. Sums are held in float32 (float64 for float64) whatever the
dtype of the energies; nothing of size kept x frames exists. Frames that go whole into one output (Eq. 5 alone, an
ablation) are left to `_warp_torch`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from tenuto.frontend import _warp_torch
from tenuto.frontend._warp_torch import Segments, whole_frames
from tenuto.frontend._warp_triton_kernels import by_frame, by_output, cut

OLDEST = (3, 3)
if tuple(map(int, triton.__version__.split(".")[:2])) < OLDEST:
    raise ImportError(f"Triton {triton.__version__}: wanted 3.3 or newer")

__all__ = ["segments", "weighted_sum", "weighted_sum_and_max", "whole_frames"]

_TILE = 1024  # energies that a program of the forward reads at a time; of the backward half as many
_OUTPUTS = 128  # that a program of the cut searches
_FUSION = {"enable_fp_fusion": True}  # Triton asks to be told: products may be added unrounded
_A_WARP = 128  # bands for which one warp is enough: it adds up frames without asking another


@dataclass(frozen=True)
class Cuts:
    """What the kernels read of an importance."""

    ends: Tensor  # (batch, frame) float64 C. Differentiable.
    first: Tensor  # (batch, n_out) int32: the frame in which each output begins
    last: Tensor  # (batch, n_out) int32: the frame in which it ends, or behind which no frame has importance


def segments(importance: Tensor, n_out: int) -> Cuts:
    """importance (batch, frame) >= 0 -> what is read of it; cumulated in float64 so that boundaries are right."""
    ends = importance.to(torch.float64).contiguous().cumsum(1)
    n_clips, n_frames = ends.shape
    first, last = (torch.empty(n_clips, n_out, dtype=torch.int32, device=ends.device) for _ in range(2))
    grid = (triton.cdiv(n_out, _OUTPUTS) * n_clips,)  # other axes take 65,535 programs
    with torch.cuda.device_of(ends):  # type: ignore[no-untyped-call]  # Triton launches on the current device
        cut[grid](ends.detach(), first, last, n_out, n_frames, n_frames.bit_length(), OUTPUTS=_OUTPUTS, **_FUSION)
    return Cuts(ends, first, last)


def weighted_sum(frames: Tensor, cuts: Cuts | Segments) -> Tensor:
    """frames (batch, band, frame), or (1, band, frame) for all clips alike -> X W^T: (batch, band, n_out)."""
    if isinstance(cuts, Segments):
        return _warp_torch.weighted_sum(frames, cuts)
    n_clips = len(cuts.ends)
    if frames.shape[0] == 1 < n_clips and frames.requires_grad:
        frames = frames.expand(n_clips, -1, -1)
    sums: Tensor
    sums, _ = _Warp.apply(_rows(frames), cuts.ends, cuts, False, frames.shape[0] < n_clips, torch.is_grad_enabled())
    return sums.view(*cuts.first.shape, -1).mT


def weighted_sum_and_max(frames: Tensor, cuts: Cuts | Segments) -> tuple[Tensor, Tensor]:
    """frames (batch, band, frame) -> X W^T and max_j X_j W_ij (Eq. 6): two of (batch, band, n_out)."""
    if isinstance(cuts, Segments):
        return _warp_torch.weighted_sum_and_max(frames, cuts)
    sums, largest = _Warp.apply(_rows(frames), cuts.ends, cuts, True, False, torch.is_grad_enabled())
    return sums.view(*cuts.first.shape, -1).mT, largest.view(*cuts.first.shape, -1).mT


def _rows(frames: Tensor) -> Tensor:
    """(batch, band, frame) -> (batch x frame, band), contiguous: free where a frame's bands lie together."""
    return frames.mT.contiguous().view(-1, frames.shape[1])


class _Warp(torch.autograd.Function):
    """(sums, maxima), each (batch x n_out, band); the maxima are empty where they are not asked for."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, ends: Tensor, cuts: Cuts, with_max: bool, shared: bool, counted: bool
    ) -> tuple[Tensor, Tensor]:
        shape = (cuts.first.numel(), rows.shape[1])
        sums, largest = rows.new_empty(shape), rows.new_empty(shape if with_max else (0,))
        n_largest = rows.new_empty(shape if with_max and counted else (0,), dtype=torch.int32)
        sizes = (cuts.first.shape[1], ends.shape[1], rows.shape[1])
        tensors = (rows, ends, cuts.first, cuts.last, sums, largest, n_largest)
        constants = _constants(rows, with_max, shared, _TILE)
        with torch.cuda.device_of(rows):  # type: ignore[no-untyped-call]
            by_output[(shape[0],)](*tensors, *sizes, COUNTED=with_max and counted, **constants)
        ctx.save_for_backward(rows, ends, largest, n_largest)
        ctx.sizes, ctx.with_max, ctx.shared = sizes, with_max, shared
        return sums, largest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_sums: Tensor, grad_largest: Tensor) -> tuple[Tensor | None, ...]:
        rows, ends, largest, n_largest = ctx.saved_tensors
        stored = ctx.needs_input_grad[0]
        grad_rows = rows.new_empty(rows.shape if stored else (0,))
        at_start, at_end = rows.new_empty(2, *ends.shape, dtype=torch.promote_types(rows.dtype, torch.float32))
        grads = (grad_sums.contiguous(), grad_largest.contiguous(), largest, n_largest, grad_rows, at_start, at_end)
        constants = _constants(rows, ctx.with_max, ctx.shared, _TILE // 2)
        grid = (triton.cdiv(ends.shape[1], constants["FRAMES"]) * len(ends),)  # other axes take 65,535 programs
        with torch.cuda.device_of(rows):  # type: ignore[no-untyped-call]
            by_frame[grid](rows, ends, *grads, *ctx.sizes, STORED=stored, **constants)
        # The end of a frame lengthens its last segment and shortens the first of the frame behind it.
        grad_ends = at_end.to(ends.dtype) - F.pad(at_start[:, 1:], (0, 1))
        return grad_rows if stored else None, grad_ends, None, None, None, None


def _constants(rows: Tensor, with_max: bool, shared: bool, tile: int) -> dict[str, Any]:
    """What a kernel is compiled for, and how many warps a program has."""
    accumulator = tl.float64 if rows.dtype == torch.float64 else tl.float32
    bands = triton.next_power_of_2(rows.shape[1])
    constants = {"WITH_MAX": with_max, "SHARED": shared, "ACCUMULATOR": accumulator, "BANDS": bands}
    n_warps = min(8, max(1, bands // _A_WARP))
    return {**constants, "FRAMES": max(1, tile // bands), "num_warps": n_warps, **_FUSION}
