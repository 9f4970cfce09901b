"""The warp without gradients on a CPU: only what a forward pass reads is cut, once for all clips.

The segments are those of `_warp_torch`. Written down in their order, the cuts alone say how long each segment is: it
lies between its cut and the one before.

    frames     |--- 0 ---|- 1 -|-------- 2 --------|--- 3 ---|
    outputs    |------ 0 ------|------ 1 -----|------ 2 -----|
    cuts                C_1   C_2             2   C_3       C_4

Clips are warped in groups that stay in the cache; what a group reads are views of what was made for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tenuto.frontend import _warp_torch
from tenuto.frontend._warp_blocks import bag_sum, csr, serves


@dataclass(frozen=True)
class Cuts:
    """Segments of each clip by the outputs they add to; the last bag of a clip, past its outputs, is dropped."""

    weight: Tensor  # (clip, segment) length of each, as precise as the importance
    frame: Tensor  # (clip, segment) int64: frame it reads, counted within its clip
    starts: Tensor  # (clip, n_out + 1) int64: where each output's bag starts, counted within its clip
    n_most: int  # segments of one output, or a few more
    importance: Tensor  # (clip, frame) that was cut
    by_reference: Callable[[Tensor, int], _warp_torch.Segments]  # cuts it likewise, with all that a way back reads

    def groups(self, n_group: int, dtype: torch.dtype, max_scale: Tensor | None = None) -> list[Group]:
        """Of `n_group` clips each, fewer in the last; weights as dtype; max_scale (clip,) times the maximum."""
        n_clips, n_segments = self.weight.shape
        weight, frame, starts = self.weight.to(dtype), self.frame, self.starts
        max_weight = weight if max_scale is None else weight * max_scale.to(dtype)[:, None]
        if n_group > 1:
            before = torch.arange(n_clips)[:, None] % n_group  # clips of its group before each
            frame, starts = frame + before * self.importance.shape[1], starts + before * n_segments
        groups = []
        for first in range(0, n_clips, n_group):
            clips = slice(first, first + n_group)
            scale = None if max_scale is None else max_scale[clips]
            a, b, c, d, e = (x[clips].view(-1) for x in (weight, max_weight, self.frame, frame, starts))
            groups.append(Group(a, b, c, d, e, self, clips, scale))
        return groups


@dataclass(frozen=True)
class Group:
    """A few clips, one behind the other: their cuts, with rows and segments counted from the first."""

    weight: Tensor  # (segment,)
    max_weight: Tensor  # (segment,) that of the maximum
    clip_frame: Tensor  # (segment,) frame it reads, counted within its clip
    frame: Tensor  # (segment,) row of (clip x frame) it reads
    starts: Tensor  # (clip x (n_out + 1),) where each bag starts; the last ends the one before it, and is left out
    cuts: Cuts
    clips: slice
    max_scale: Tensor | None

    @property
    def n_most(self) -> int:
        """Segments of one output, or a few more."""
        return self.cuts.n_most

    @property
    def n_frames(self) -> int:
        """Of each clip."""
        return self.cuts.importance.shape[1]

    def mean(self, frames: Tensor) -> Tensor:
        """X W^T: frames (clip, band, frame), or (1, band, frame) for all clips alike -> (clip, band, n_out)."""
        shared = frames.shape[0] == 1
        rows = frames.mT.reshape(-1, frames.shape[1])
        return self._of_clips(bag_sum(rows, self.clip_frame if shared else self.frame, self.starts, self.weight))

    def mean_and_max(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """X W^T and max_j X_j W_ij, scaled: frames (clip, band, frame) -> two of (clip, band, n_out)."""
        if not serves(frames, self):
            return self._by_reference(frames)
        rows = frames.mT.reshape(-1, frames.shape[1])
        sums = bag_sum(rows, self.frame, self.starts, self.weight)
        matrix = csr(self.starts, self.frame, self.max_weight, (len(sums), len(rows)))
        largest = torch.sparse.mm(matrix, rows, "amax").clamp_min_(0)  # some frame does not touch it: counts as 0
        return self._of_clips(sums), self._of_clips(largest)

    def _by_reference(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        n_out = self.cuts.starts.shape[1] - 1
        segments = self.cuts.by_reference(self.cuts.importance[self.clips], n_out)
        mean, largest = _warp_torch.weighted_sum_and_max(frames, segments)
        return mean, largest if self.max_scale is None else largest * self.max_scale[:, None, None]

    def _of_clips(self, rows: Tensor) -> Tensor:
        """(clip x (n_out + 1) - 1, band) -> (clip, band, n_out)."""
        n_rows = self.cuts.starts.shape[1]
        n_clips, n_bands = len(self.starts) // n_rows, rows.shape[1]
        return rows.as_strided((n_clips, n_bands, n_rows - 1), (n_rows * n_bands, 1, n_bands))


def segments(importance: Tensor, n_out: int) -> Cuts:
    """importance (batch, frame) >= 0 -> its segments; cumulated in float64 so that boundaries are right."""
    n_clips, n_frames = importance.shape
    ends = importance.to(torch.float64).cumsum(1)  # C: (batch, frame)
    first_output = torch.nan_to_num(ends, nan=n_out).clamp_max_(n_out).to(torch.int64)  # in which each frame ends
    n_ending = torch.zeros(n_clips, n_out + 1, dtype=torch.int64)
    n_ending.scatter_add_(1, first_output, torch.ones((), dtype=torch.int64).expand_as(first_output))
    n_ended = n_ending.cumsum(1)[:, :-1]  # frames that ended before each output does: the next is cut by its end
    frames, outputs = torch.arange(n_frames), torch.arange(1, n_out + 1)
    starts = torch.zeros_like(n_ending)
    torch.add(n_ended, outputs, out=starts[:, 1:])
    # A frame's end is the cut behind the frames and the whole outputs that ended before it; the first cut is at 0.
    frame_end, output_end = first_output.add_(frames), starts[:, 1:] - 1
    cuts = ends.new_zeros(n_clips, n_frames + n_out + 1)
    cuts[:, 1:].scatter_(1, frame_end, ends)
    cuts[:, 1:].scatter_(1, output_end, torch.minimum(ends[:, -1:], outputs))  # past the sum all is of no length
    frame = torch.empty(n_clips, n_frames + n_out, dtype=torch.int64)
    frame.scatter_(1, frame_end, frames.expand_as(frame_end))
    frame.scatter_(1, output_end, n_ended.clamp_max(n_frames - 1))
    n_most = int(n_ending[:, :-1].amax()) + 1
    return Cuts(cuts[:, 1:] - cuts[:, :-1], frame, starts, n_most, importance, _warp_torch.segments)


def whole_frames(importance: Tensor, n_out: int) -> Cuts:
    """As `_warp_torch.whole_frames`: every frame goes whole into one output."""
    whole = _warp_torch.whole_frames(importance, n_out)
    before = torch.arange(len(importance))[:, None] * importance.shape[1]
    frame, starts = whole.clip_frame.view_as(importance), whole.output_starts[:-1].view(len(importance), -1) - before
    return Cuts(importance, frame, starts, whole.n_most, importance, _warp_torch.whole_frames)


def weighted_sum(frames: Tensor, cuts: Cuts) -> Tensor:
    """frames (batch, band, frame), or (1, band, frame) for all clips alike -> X W^T: (batch, band, n_out)."""
    return _all(cuts, frames).mean(frames)


def weighted_sum_and_max(frames: Tensor, cuts: Cuts) -> tuple[Tensor, Tensor]:
    """frames (batch, band, frame) -> X W^T and max_j X_j W_ij (Eq. 6): two of (batch, band, n_out)."""
    return _all(cuts, frames).mean_and_max(frames)


def _all(cuts: Cuts, frames: Tensor) -> Group:
    return cuts.groups(len(cuts.weight), frames.dtype)[0]
