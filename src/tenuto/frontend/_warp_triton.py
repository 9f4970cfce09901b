"""The warp on CUDA: its segments read by Triton kernels, one pass over the energies forward and one backward.

Takes the segments of `_warp_torch`, which stays the reference. A program of the forward owns one output of one clip:
it reads the frames of its bag and writes their sum, their maximum and how many reach it. A program of the backward
owns one frame: it reads it once and writes its gradient and those of its segments' lengths. Sums are held in float32
(float64 for float64) whatever the dtype of the energies; nothing of size kept x frames exists.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from tenuto.frontend import _warp_torch
from tenuto.frontend._warp_torch import Segments, segments, whole_frames

OLDEST = (3, 3)
if tuple(map(int, triton.__version__.split(".")[:2])) < OLDEST:
    raise ImportError(f"Triton {triton.__version__}: wanted 3.3 or newer")

__all__ = ["segments", "weighted_sum", "weighted_sum_and_max", "whole_frames"]


@triton.jit  # type: ignore[untyped-decorator]
def _by_output(  # type: ignore[no-untyped-def]
    rows,  # (row, band): the frames
    weight,  # (segment,)
    frame,  # (segment,): the row each reads
    starts,  # (batch x (n_out + 1) + 1,): where each output's bag starts
    sums,  # (batch x n_out, band)
    largest,  # (batch x n_out, band)
    n_largest,  # (batch x n_out, band) int32: segments that reach the maximum
    n_out,
    n_frames,
    n_bands,
    WITH_MAX: tl.constexpr,
    ACCUMULATOR: tl.constexpr,
    BANDS: tl.constexpr,
):
    """One output of one clip: the sum and the maximum over the segments of its bag."""
    row = tl.program_id(0).to(tl.int64)
    bag = row // n_out * (n_out + 1) + row % n_out
    band = tl.arange(0, BANDS)
    inside = band < n_bands
    total = tl.zeros((BANDS,), ACCUMULATOR)
    top = tl.full((BANDS,), float("-inf"), ACCUMULATOR)
    n_top = tl.zeros((BANDS,), tl.int32)
    n_touched = 0
    for segment in range(tl.load(starts + bag), tl.load(starts + bag + 1)):
        length = tl.load(weight + segment).to(ACCUMULATOR)
        energy = tl.load(rows + tl.load(frame + segment) * n_bands + band, mask=inside, other=0.0).to(ACCUMULATOR)
        total += length * energy
        if WITH_MAX:
            # compared as it is stored, so that the backward finds the same segments
            product = (length * energy).to(largest.dtype.element_ty).to(ACCUMULATOR)
            product = tl.where(length > 0, product, float("-inf"))  # a segment of no length touches nothing
            n_touched += (length > 0).to(tl.int32)
            n_top = tl.where(product > top, 1, tl.where(product == top, n_top + 1, n_top))
            top = tl.maximum(top, product)
    at = row * n_bands + band
    tl.store(sums + at, total.to(sums.dtype.element_ty), mask=inside)
    if WITH_MAX:
        # Eq. 6 is over all frames: those of no weight count as zero, where an output does not touch every frame
        if n_touched < n_frames:
            n_top = tl.where(top < 0, 0, n_top)
            top = tl.maximum(top, 0.0)
        tl.store(largest + at, top.to(largest.dtype.element_ty), mask=inside)
        tl.store(n_largest + at, n_top, mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _by_frame(  # type: ignore[no-untyped-def]
    rows,  # (row, band)
    weight,  # (segment,)
    output,  # (segment,): row of batch x (n_out + 1), the last of each clip dropped
    starts,  # (batch x (n_frames + 1) + 1,): where each frame's bag starts
    grad_sums,  # (batch x n_out, band)
    grad_largest,  # (batch x n_out, band)
    largest,  # (batch x n_out, band)
    n_largest,  # (batch x n_out, band)
    grad_rows,  # (row, band)
    grad_weight,  # (segment,)
    n_out,
    n_frames,
    n_bands,
    WITH_MAX: tl.constexpr,
    SHARED: tl.constexpr,
    ACCUMULATOR: tl.constexpr,
    BANDS: tl.constexpr,
):
    """One frame of one clip: its gradient, and those of the lengths of its segments."""
    row = tl.program_id(0).to(tl.int64)
    bag = row // n_frames * (n_frames + 1) + row % n_frames
    band = tl.arange(0, BANDS)
    inside = band < n_bands
    source = row % n_frames if SHARED else row
    energy = tl.load(rows + source * n_bands + band, mask=inside, other=0.0).to(ACCUMULATOR)
    total = tl.zeros((BANDS,), ACCUMULATOR)
    for segment in range(tl.load(starts + bag), tl.load(starts + bag + 1)):
        length = tl.load(weight + segment).to(ACCUMULATOR)
        place = tl.load(output + segment)
        seen = band < tl.where(place % (n_out + 1) < n_out, n_bands, 0)  # none of the output that is dropped
        at = (place // (n_out + 1) * n_out + place % (n_out + 1)) * n_bands + band
        grad = tl.load(grad_sums + at, mask=seen, other=0.0).to(ACCUMULATOR)
        if WITH_MAX:
            top = tl.load(largest + at, mask=seen, other=float("inf"))
            product = (length * energy).to(largest.dtype.element_ty)
            n_top = tl.load(n_largest + at, mask=seen, other=1)
            share = tl.load(grad_largest + at, mask=seen, other=0.0).to(ACCUMULATOR) / tl.maximum(n_top, 1)
            grad += tl.where(product == top, tl.where(length > 0, share, 0.0), 0.0)
        total += length * grad
        tl.store(grad_weight + segment, tl.sum(tl.where(inside, energy * grad, 0.0), 0))
    if not SHARED:
        tl.store(grad_rows + row * n_bands + band, total.to(grad_rows.dtype.element_ty), mask=inside)


def weighted_sum(frames: Tensor, cuts: Segments) -> Tensor:
    """frames (batch, band, frame), or (1, band, frame) for all clips alike -> X W^T: (batch, band, n_out)."""
    shared = frames.shape[0] == 1 and cuts.n_clips > 1
    if shared and frames.requires_grad:
        return _warp_torch.weighted_sum(frames, cuts)
    sums, _ = _Warp.apply(_rows(frames), cuts.weight, cuts, False, shared)
    return _by_clip(sums, cuts)


def weighted_sum_and_max(frames: Tensor, cuts: Segments) -> tuple[Tensor, Tensor]:
    """frames (batch, band, frame) -> X W^T and max_j X_j W_ij (Eq. 6): two of (batch, band, n_out)."""
    sums, largest = _Warp.apply(_rows(frames), cuts.weight, cuts, True, False)
    return _by_clip(sums, cuts), _by_clip(largest, cuts)


def _rows(frames: Tensor) -> Tensor:
    """(batch, band, frame) -> (batch x frame, band), contiguous: free where a frame's bands lie together."""
    return frames.mT.contiguous().view(-1, frames.shape[1])


def _by_clip(rows: Tensor, cuts: Segments) -> Tensor:
    """(batch x n_out, band) -> (batch, band, n_out)."""
    return rows.view(cuts.n_clips, cuts.n_out, -1).mT


class _Warp(torch.autograd.Function):
    """(sums, maxima), each (batch x n_out, band); the maxima are empty where they are not asked for."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, cuts: Segments, with_max: bool, shared: bool
    ) -> tuple[Tensor, Tensor]:
        shape = (cuts.n_clips * cuts.n_out, rows.shape[1])
        frame = cuts.frame % cuts.n_frames if shared else cuts.frame
        sums = rows.new_empty(shape)
        largest = rows.new_empty(shape if with_max else (0,))
        n_largest = rows.new_empty(shape if with_max else (0,), dtype=torch.int32)
        sizes = (cuts.n_out, cuts.n_frames, rows.shape[1])
        _by_output[(shape[0],)](
            rows, weight, frame, cuts.output_starts, sums, largest, n_largest, *sizes, **_constants(rows, with_max)
        )
        ctx.save_for_backward(rows, weight, largest, n_largest)
        ctx.cuts, ctx.with_max, ctx.shared = cuts, with_max, shared
        return sums, largest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_sums: Tensor, grad_largest: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, largest, n_largest = ctx.saved_tensors
        cuts: Segments = ctx.cuts
        grad_rows = rows.new_empty((0,) if ctx.shared else rows.shape)
        # what no frame owns has no gradient
        grad_weight = torch.zeros_like(weight, dtype=torch.promote_types(rows.dtype, torch.float32))
        grads = (grad_sums.contiguous(), grad_largest.contiguous(), largest, n_largest, grad_rows, grad_weight)
        sizes = (cuts.n_out, cuts.n_frames, rows.shape[1])
        constants = _constants(rows, ctx.with_max)
        _by_frame[(cuts.n_clips * cuts.n_frames,)](
            rows, weight, cuts.output, cuts.frame_starts, *grads, *sizes, SHARED=ctx.shared, **constants
        )
        return None if ctx.shared else grad_rows, grad_weight.to(weight.dtype), None, None, None


def _constants(rows: Tensor, with_max: bool) -> dict[str, Any]:
    """What the kernels are compiled for."""
    accumulator = tl.float64 if rows.dtype == torch.float64 else tl.float32
    return {"WITH_MAX": with_max, "ACCUMULATOR": accumulator, "BANDS": triton.next_power_of_2(rows.shape[1])}
