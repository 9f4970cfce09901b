"""The warp in plain PyTorch, on any device: linear in frames, nothing of size kept x frames.

The cumulative importance C cuts the line [0, n_out] at C_1, C_2, ... (frames end) and at 1, 2, ... (outputs end).
Between two neighbouring cuts lies a segment: one frame, one output, and its length is their weight.

    frames     |--- 0 ---|- 1 -|-------- 2 --------|--- 3 ---|
    outputs    |------ 0 ------|------ 1 -----|------ 2 -----|
    segments   |    0    |  1  |      2       |  3 |    4    |     frame + n_out of them, whatever the importance

Segments are sorted by output and by frame, so that the segments of one output are one bag, and those of one frame
are another: forward sums over the first, backward over the second. On a CPU `_warp_blocks` does the same in blocks
that stay in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from tenuto.frontend import _warp_blocks
from tenuto.frontend._warp_blocks import bag_sum, row_products

# Eq. 5 asks on which side of a whole number a sum of importances lies. Their rounding must not push the last frame
# past the last output.
_ON_THE_LINE = 1e-4


@dataclass(frozen=True)
class Segments:
    """Segments of a batch, clip after clip, as many of each, by outputs and by frames. Indices are int64.

    An output row is a row of (batch x (n_out + 1)); the last of each clip takes what is past its outputs, and is
    dropped.
    """

    weight: Tensor  # (segment,) length of each; 0 where it belongs to no frame. Differentiable.
    clip_frame: Tensor  # (segment,) frame it reads, counted within its clip
    frame: Tensor  # (segment,) row of (batch x frame) it reads
    output: Tensor  # (segment,) output row it adds to
    output_starts: Tensor  # (output row + 1,) where each output's bag starts
    n_clips: int
    n_frames: int
    n_out: int
    frame_starts: Tensor  # (batch x (frame + 1) + 1,) where each frame's bag starts; the last of a clip is no frame
    frame_end: Tensor  # (batch x frame,) the segment with which each frame ends
    output_end: Tensor | None  # (batch, n_out) the segment with which each output ends, where it is cut out of a frame

    @cached_property
    def n_most(self) -> int:
        """Most segments of one output; reads values, so that it is for CPUs."""
        return int(self.output_starts.diff()[:-1].amax())  # the last row is dropped


def segments(importance: Tensor, n_out: int) -> Segments:
    """importance (batch, frame) >= 0 -> its segments; cumulated in float64 so that boundaries are right."""
    n_clips, n_frames = importance.shape
    n, device = n_frames + n_out, importance.device
    with torch.no_grad():
        ends = importance.detach().to(torch.float64).cumsum(1)  # C: (batch, frame)
        # A frame's end is the cut behind the frames and the whole outputs that ended before it.
        # Behind what is no number all frames are past the outputs, so that segments keep their order.
        first_output = torch.where(ends < n_out, ends, n_out).clamp_min(0).to(torch.int64)
        n_ending_in = torch.zeros(n_clips, n_out + 1, dtype=torch.int64, device=device)
        n_ending_in.scatter_add_(1, first_output, torch.ones_like(first_output))
        n_ended = n_ending_in.cumsum(1)  # frames that ended before each output does: the next is cut by its end
        outputs = torch.arange(n_out, device=device)
        frame_end = torch.arange(n_frames, device=device) + first_output
        output_end = outputs + n_ended[:, :-1]
        clip = torch.arange(n_clips, device=device)[:, None]
        frame = torch.empty(n_clips, n, dtype=torch.int64, device=device)
        frame.scatter_(1, frame_end, torch.arange(n_frames, device=device).expand(n_clips, -1))
        frame.scatter_(1, output_end, n_ended[:, :-1])
        starts = F.pad(output_end + 1, (1, 0)) + clip * n
        end = torch.full((1,), n_clips * n, device=device)
        frame_starts = F.pad(frame_end + 1, (1, 0)) + clip * n
    weight = _Lengths.apply(importance, ends, first_output, n_ended[:, :-1], frame_end, output_end)
    clip_frame = frame.clamp_max(n_frames - 1)
    return Segments(
        weight.view(-1),
        clip_frame.view(-1),
        (clip_frame + clip * n_frames).view(-1),
        (torch.arange(n, device=device) - frame + clip * (n_out + 1)).view(-1),
        torch.cat([starts.view(-1), end]),
        n_clips,
        n_frames,
        n_out,
        frame_starts=torch.cat([frame_starts.view(-1), end]),
        frame_end=(frame_end + clip * n).view(-1),
        output_end=output_end + clip * n,
    )


class _Lengths(torch.autograd.Function):
    """Importance (batch, frame) -> length of each segment (batch, segment), float64; the rest is how it is cut."""

    @staticmethod
    def forward(
        ctx: Any,
        importance: Tensor,
        ends: Tensor,  # (batch, frame) C
        first_output: Tensor,  # (batch, frame) the output in which each frame ends
        cut_frame: Tensor,  # (batch, n_out) the frame in which each output ends; n_frames: none
        frame_end: Tensor,  # (batch, frame) segment
        output_end: Tensor,  # (batch, n_out) segment
    ) -> Tensor:
        n_clips, n_frames = importance.shape
        n_out = output_end.shape[1]
        starts = F.pad(ends, (1, 0))
        to_frame_end = ends - torch.maximum(starts[:, :-1], first_output)
        outputs = torch.arange(n_out, device=importance.device)
        output_ends = torch.minimum(ends[:, -1:], outputs + 1)  # where the clip fills them; no number where it has none
        to_output_end = output_ends - torch.maximum(starts.gather(1, cut_frame), outputs)
        lengths = ends.new_empty(n_clips, n_frames + n_out)
        lengths.scatter_(1, frame_end, to_frame_end.masked_fill_(first_output == n_out, 0))
        lengths.scatter_(1, output_end, to_output_end.masked_fill_(cut_frame == n_frames, 0))
        ctx.save_for_backward(frame_end)
        ctx.dtype = importance.dtype
        return lengths.clamp_min_(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (frame_end,) = ctx.saved_tensors
        # The end of a frame lengthens the segment before it and shortens the one behind it, but for the last frame,
        # behind which there is no frame.
        by_end = grad.gather(1, frame_end)
        by_end[:, :-1] -= grad.gather(1, frame_end[:, :-1] + 1)
        by_importance = by_end.flip(1).cumsum(1).flip(1)
        return by_importance.to(ctx.dtype), None, None, None, None, None


def whole_frames(importance: Tensor, n_out: int) -> Segments:
    """Eq. 5 alone, without Algorithm 1: frame j goes whole, with weight s_j, into output i where i < C_j <= i + 1."""
    n_clips, n_frames = importance.shape
    with torch.no_grad():
        ends = importance.to(torch.float64).cumsum(1)
        ends = torch.where(ends.isnan(), n_out, ends) - _ON_THE_LINE
        output = (ends.ceil() - 1).clamp(0, n_out).to(torch.int64)
        clip = torch.arange(n_clips, device=importance.device)[:, None]
        outputs = torch.arange(n_out + 1, device=importance.device).expand(n_clips, -1).contiguous()
        output_starts = torch.searchsorted(output, outputs) + clip * n_frames
        # every frame is one segment, and the bag of no frame is empty
        frame_starts = torch.arange(n_frames + 1, device=importance.device) + clip * n_frames
        end = torch.full((1,), n_clips * n_frames, device=importance.device)
        every = torch.arange(n_clips * n_frames, device=importance.device)
    return Segments(
        importance.reshape(-1),
        every % n_frames,
        every,
        (output + clip * (n_out + 1)).reshape(-1),
        torch.cat([output_starts.reshape(-1), end]),
        n_clips,
        n_frames,
        n_out,
        frame_starts=torch.cat([frame_starts.reshape(-1), end]),
        frame_end=every,
        output_end=None,
    )


def weighted_sum(frames: Tensor, cuts: Segments) -> Tensor:
    """frames (batch, band, frame), or (1, band, frame) for all clips alike -> X W^T: (batch, band, n_out)."""
    shared = frames.shape[0] == 1 and cuts.n_clips > 1
    if not torch.is_grad_enabled():
        frame = cuts.clip_frame if shared else cuts.frame
        return _from_rows(bag_sum(_rows(frames), frame, cuts.output_starts, cuts.weight.to(frames.dtype)), cuts)
    sums = _WeightedSum.apply(_rows(frames), cuts.weight.to(frames.dtype), cuts, shared)
    return _from_rows(sums, cuts)


def weighted_sum_and_max(frames: Tensor, cuts: Segments) -> tuple[Tensor, Tensor]:
    """frames (batch, band, frame) -> X W^T and max_j X_j W_ij (Eq. 6): two of (batch, band, n_out)."""
    kernel: Any = _warp_blocks.SumAndMax if _warp_blocks.serves(frames, cuts) else _SumAndMax
    sums, largest = kernel.apply(_rows(frames), cuts.weight.to(frames.dtype), cuts)
    return _from_rows(sums, cuts), _from_rows(largest, cuts)


def _rows(frames: Tensor) -> Tensor:
    """(batch, band, frame) -> (batch x frame, band): free where a frame's bands lie together in memory."""
    return frames.mT.reshape(-1, frames.shape[1])


def _from_rows(rows: Tensor, cuts: Segments) -> Tensor:
    """(batch x (n_out + 1), band) -> (batch, band, n_out)."""
    return rows.view(cuts.n_clips, cuts.n_out + 1, -1)[:, :-1].mT


def _drop_no_frame(rows: Tensor, cuts: Segments) -> Tensor:
    """Sums by frame (batch x (frame + 1), band) -> (batch x frame, band)."""
    return rows.view(cuts.n_clips, cuts.n_frames + 1, -1)[:, :-1].reshape(-1, rows.shape[1])


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, cuts: Segments, shared: bool) -> Tensor:
        frame = cuts.clip_frame if shared else cuts.frame
        ctx.save_for_backward(rows, weight, frame)
        ctx.cuts, ctx.shared = cuts, shared
        return bag_sum(rows, frame, cuts.output_starts, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, frame = ctx.saved_tensors
        cuts, grad_rows, grad_weight = ctx.cuts, None, None
        if ctx.needs_input_grad[0]:
            grad_rows = _drop_no_frame(bag_sum(grad, cuts.output, cuts.frame_starts, weight), cuts)
            if ctx.shared:
                grad_rows = grad_rows.view(cuts.n_clips, cuts.n_frames, -1).sum(0)
        if ctx.needs_input_grad[1]:
            grad_weight = row_products(grad, rows, frame, cuts)
        return grad_rows, grad_weight, None, None


class _SumAndMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, cuts: Segments) -> tuple[Tensor, Tensor]:
        sums = bag_sum(rows, cuts.frame, cuts.output_starts, weight)
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
        n_max = bag_sum(is_max, every, cuts.output_starts, torch.ones_like(weight)).clamp_min_(1)
        grad = is_max.mul_((grad_max / n_max).index_select(0, output))  # equal maxima share the gradient
        grad += grad_sums.index_select(0, cuts.output)
        grad_rows, grad_weight = None, None
        if ctx.needs_input_grad[0]:
            grad_rows = _drop_no_frame(bag_sum(grad, every, cuts.frame_starts, weight), cuts)
        if ctx.needs_input_grad[1]:
            grad_weight = torch.linalg.vecdot(read, grad)
        return grad_rows, grad_weight, None
