"""The warp in plain PyTorch, on any device: linear in frames, nothing of size kept x frames.

The cumulative importance C cuts the line [0, n_out] at C_1, C_2, ... (frames end) and at 1, 2, ... (outputs end).
Between two neighbouring cuts lies a segment: one frame, one output, and its length is their weight.

    frames     |--- 0 ---|- 1 -|-------- 2 --------|--- 3 ---|
    outputs    |------ 0 ------|------ 1 -----|------ 2 -----|
    segments   |    0    |  1  |      2       |  3 |    4    |     frame + n_out of them, whatever the importance

Segments are sorted by output and by frame, so that the segments of one output are one bag, and those of one frame
are another: forward sums over the first, backward over the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

# Eq. 5 asks on which side of a whole number a sum of importances lies. Their rounding must not push the last frame
# past the last output.
_ON_THE_LINE = 1e-4


@dataclass(frozen=True)
class Segments:
    """Segments of a batch, clip after clip, frame + n_out of each. Indices are int64."""

    weight: Tensor  # (segment,) length of each; 0 where it belongs to no frame. Differentiable.
    frame: Tensor  # (segment,) row of (batch x frame) it reads
    output: Tensor  # (segment,) row of (batch x (n_out + 1)) it adds to; the last row of each clip is dropped
    output_starts: Tensor  # (batch x (n_out + 1) + 1,) where each output's bag starts
    frame_starts: Tensor  # (batch x (frame + 1) + 1,) where each frame's bag starts; the last of a clip is no frame
    n_clips: int
    n_frames: int
    n_out: int


def segments(importance: Tensor, n_out: int) -> Segments:
    """importance (batch, frame) >= 0 -> its segments; cumulated in float64 so that boundaries are right."""
    n_clips, n_frames = importance.shape
    n, device = n_frames + n_out, importance.device
    ends = importance.to(torch.float64).cumsum(1)  # C: (batch, frame)
    with torch.no_grad():
        # A frame's end is the cut behind the frames and the whole outputs that ended before it.
        n_outputs_before = torch.nan_to_num(ends).floor().clamp(0, n_out).to(torch.int64)
        cut_of_frame = torch.arange(n_frames, device=device) + n_outputs_before
        is_frame_end = torch.zeros(n_clips, n, dtype=torch.int64, device=device).scatter_(1, cut_of_frame, 1)
        frame = is_frame_end.cumsum(1) - is_frame_end  # frames that ended before this segment: its own frame
        output = torch.arange(n, device=device) - frame
        no_frame = frame == n_frames
        clip = torch.arange(n_clips, device=device)[:, None]
        last = torch.full((n_clips, 1), n, device=device)
        first = torch.zeros_like(last)
        frame_starts = torch.cat([first, cut_of_frame + 1], 1) + clip * n
        outputs = torch.arange(n_out + 1, device=device).expand(n_clips, -1).contiguous()
        output_starts = torch.searchsorted(output.contiguous(), outputs) + clip * n
        end = torch.full((1,), n_clips * n, device=device)
    safe_frame = frame.clamp_max(n_frames - 1)
    cuts = torch.where(is_frame_end.bool(), ends.gather(1, safe_frame), output + 1)
    weight = torch.diff(cuts, dim=1, prepend=torch.zeros_like(cuts[:, :1])).masked_fill(no_frame, 0)
    return Segments(
        weight.clamp_min(0).reshape(-1),
        (safe_frame + clip * n_frames).reshape(-1),
        (output + clip * (n_out + 1)).reshape(-1),
        torch.cat([output_starts.reshape(-1), end]),
        torch.cat([frame_starts.reshape(-1), end]),
        n_clips,
        n_frames,
        n_out,
    )


def whole_frames(importance: Tensor, n_out: int) -> Segments:
    """Eq. 5 alone, without Algorithm 1: frame j goes whole, with weight s_j, into output i where i < C_j <= i + 1."""
    n_clips, n_frames = importance.shape
    with torch.no_grad():
        ends = torch.nan_to_num(importance.to(torch.float64).cumsum(1)) - _ON_THE_LINE
        output = (ends.ceil() - 1).clamp(0, n_out).to(torch.int64)
        clip = torch.arange(n_clips, device=importance.device)[:, None]
        outputs = torch.arange(n_out + 1, device=importance.device).expand(n_clips, -1).contiguous()
        output_starts = torch.searchsorted(output, outputs) + clip * n_frames
        # every frame is one segment, and the bag of no frame is empty
        frame_starts = torch.arange(n_frames + 1, device=importance.device) + clip * n_frames
        end = torch.full((1,), n_clips * n_frames, device=importance.device)
    return Segments(
        importance.reshape(-1),
        torch.arange(n_clips * n_frames, device=importance.device),
        (output + clip * (n_out + 1)).reshape(-1),
        torch.cat([output_starts.reshape(-1), end]),
        torch.cat([frame_starts.reshape(-1), end]),
        n_clips,
        n_frames,
        n_out,
    )


def weighted_sum(frames: Tensor, cuts: Segments) -> Tensor:
    """frames (batch, band, frame), or (1, band, frame) for all clips alike -> X W^T: (batch, band, n_out)."""
    shared = frames.shape[0] == 1 and cuts.n_clips > 1
    frame = cuts.frame % cuts.n_frames if shared else cuts.frame
    sums = _WeightedSum.apply(_rows(frames), cuts.weight.to(frames.dtype), frame, cuts, shared)
    return _from_rows(sums, cuts)


def weighted_sum_and_max(frames: Tensor, cuts: Segments) -> tuple[Tensor, Tensor]:
    """frames (batch, band, frame) -> X W^T and max_j X_j W_ij (Eq. 6): two of (batch, band, n_out)."""
    sums, largest = _SumAndMax.apply(_rows(frames), cuts.weight.to(frames.dtype), cuts)
    return _from_rows(sums, cuts), _from_rows(largest, cuts)


def _rows(frames: Tensor) -> Tensor:
    """(batch, band, frame) -> (batch x frame, band): free where a frame's bands lie together in memory."""
    return frames.mT.reshape(-1, frames.shape[1])


def _from_rows(rows: Tensor, cuts: Segments) -> Tensor:
    """(batch x (n_out + 1), band) -> (batch, band, n_out)."""
    return rows.view(cuts.n_clips, cuts.n_out + 1, -1)[:, :-1].mT


def _bag_sum(rows: Tensor, index: Tensor, starts: Tensor, weight: Tensor) -> Tensor:
    """sum_s weight_s rows[index_s] over each bag: rows (row, band) -> (bag, band)."""
    return F.embedding_bag(index, rows, starts, mode="sum", per_sample_weights=weight, include_last_offset=True)


def _drop_no_frame(rows: Tensor, cuts: Segments) -> Tensor:
    """Sums by frame (batch x (frame + 1), band) -> (batch x frame, band)."""
    return rows.view(cuts.n_clips, cuts.n_frames + 1, -1)[:, :-1].reshape(-1, rows.shape[1])


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, frame: Tensor, cuts: Segments, shared: bool) -> Tensor:
        ctx.save_for_backward(rows, weight, frame)
        ctx.cuts, ctx.shared = cuts, shared
        return _bag_sum(rows, frame, cuts.output_starts, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, frame = ctx.saved_tensors
        cuts, grad_rows, grad_weight = ctx.cuts, None, None
        if ctx.needs_input_grad[0]:
            grad_rows = _drop_no_frame(_bag_sum(grad, cuts.output, cuts.frame_starts, weight), cuts)
            if ctx.shared:
                grad_rows = grad_rows.view(cuts.n_clips, cuts.n_frames, -1).sum(0)
        if ctx.needs_input_grad[1]:
            grad_weight = torch.linalg.vecdot(rows.index_select(0, frame), grad.index_select(0, cuts.output))
        return grad_rows, grad_weight, None, None, None


class _SumAndMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, cuts: Segments) -> tuple[Tensor, Tensor]:
        sums = _bag_sum(rows, cuts.frame, cuts.output_starts, weight)
        products = rows.index_select(0, cuts.frame).mul_(weight[:, None])
        # Eq. 6 takes the largest over all frames: those of weight zero count as zero, in every output that does
        # not touch each frame of the clip. Segments of no length are not products: they go where nothing is read.
        touching = weight > 0
        dropped = (cuts.output // (cuts.n_out + 1)) * (cuts.n_out + 1) + cuts.n_out
        output = torch.where(touching, cuts.output, dropped)
        n_touched = torch.zeros_like(sums[:, 0]).index_add_(0, output, touching.to(sums.dtype))
        least = torch.where(n_touched < cuts.n_frames, 0.0, -torch.inf).to(sums.dtype)
        largest = least[:, None].expand_as(sums).clone()
        largest.scatter_reduce_(0, output[:, None].expand_as(products), products, "amax")
        ctx.save_for_backward(rows, weight, output, largest)
        ctx.cuts = cuts
        return sums, largest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_sums: Tensor, grad_max: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, output, largest = ctx.saved_tensors
        cuts: Segments = ctx.cuts
        read = rows.index_select(0, cuts.frame)  # (segment, band)
        is_max = read * weight[:, None] == largest.index_select(0, output)
        is_max = (is_max & (weight > 0)[:, None]).to(rows.dtype)
        every = torch.arange(len(weight), device=weight.device)
        n_max = _bag_sum(is_max, every, cuts.output_starts, torch.ones_like(weight)).clamp_min_(1)
        grad = is_max.mul_((grad_max / n_max).index_select(0, output))  # equal maxima share the gradient
        grad += grad_sums.index_select(0, cuts.output)
        grad_rows, grad_weight = None, None
        if ctx.needs_input_grad[0]:
            grad_rows = _drop_no_frame(_bag_sum(grad, every, cuts.frame_starts, weight), cuts)
        if ctx.needs_input_grad[1]:
            grad_weight = torch.linalg.vecdot(read, grad)
        return grad_rows, grad_weight, None
