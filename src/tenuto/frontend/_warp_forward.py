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
from torch.nn import functional as F

from tenuto.frontend import _warp_torch
from tenuto.frontend._warp_blocks import bag_sum, csr, serves


@dataclass(frozen=True)
class Cuts:
    """Segments of each clip by the outputs they add to; the bag behind its outputs takes the rest, and is dropped."""

    weight: Tensor  # (clip, segment) length of each, as precise as the importance
    frame: Tensor  # (clip, segment) int32: frame it reads, counted within its clip
    starts: Tensor  # (clip, n_out + 2) int32: where each bag starts, counted within its clip, and the end of the last
    n_most: int  # segments of one output, or a few more
    importance: Tensor  # (clip, frame) that was cut
    by_reference: Callable[[Tensor, int], _warp_torch.Segments]  # cuts it likewise, with all that a way back reads

    def groups(self, n_group: int, dtype: torch.dtype, max_scale: Tensor | float = 1.0) -> list[Group]:
        """Of `n_group` clips each, fewer in the last; weights as dtype; max_scale (clip, 1) times the maximum."""
        n_clips, n_segments = self.weight.shape
        weight, frame, starts = self.weight.to(dtype), self.frame, self.starts
        max_weight = weight * (max_scale.to(dtype) if isinstance(max_scale, Tensor) else max_scale)
        if n_group > 1:
            clip = torch.arange(n_clips, dtype=torch.int32, device=frame.device)[:, None]
            before = clip % n_group  # clips of its group before each
            frame, starts = frame + before * self.importance.shape[1], starts + before * n_segments
        parts = [torch.split(x.view(-1), n_group * x.shape[1]) for x in (weight, max_weight, self.frame, frame, starts)]
        firsts = range(0, n_clips, n_group)
        return [Group(a, b, c, d, e, self, i, max_scale) for a, b, c, d, e, i in zip(*parts, firsts, strict=True)]


@dataclass(frozen=True)
class Group:
    """A few clips, one behind the other: their cuts, with rows and segments counted from the first."""

    weight: Tensor  # (segment,)
    max_weight: Tensor  # (segment,) that of the maximum
    clip_frame: Tensor  # (segment,) frame it reads, counted within its clip
    frame: Tensor  # (segment,) row of (clip x frame) it reads
    starts: Tensor  # (clip x (n_out + 2),) where each bag starts, and an empty one behind each clip
    cuts: Cuts
    first: int  # clip
    max_scale: Tensor | float  # (clip, 1) of all clips

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
        """X W^T and max_j X_j W_ij, scaled: frames (clip, band, frame) >= 0 -> two of (clip, band, n_out)."""
        if not serves(frames, self):
            return self._by_reference(frames)
        rows = frames.mT.reshape(-1, frames.shape[1])
        sums = bag_sum(rows, self.frame, self.starts, self.weight)
        matrix = csr(self.starts, self.frame, self.max_weight, (len(sums), len(rows)))
        largest = torch.sparse.mm(matrix, rows, "amax")
        return self._of_clips(sums), self._of_clips(largest)

    def mean_max_and_encoding(self, frames: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `mean_and_max` of frames, and the mean of positions (1, band, frame)."""
        return *self.mean_and_max(frames), self.mean(positions)

    def _by_reference(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        clips, n_out = slice(self.first, self.first + len(frames)), self.cuts.starts.shape[1] - 2
        segments = self.cuts.by_reference(self.cuts.importance[clips], n_out)
        mean, largest = _warp_torch.weighted_sum_and_max(frames, segments)
        scale = self.max_scale[clips] if isinstance(self.max_scale, Tensor) else self.max_scale
        return mean, scaled(largest, scale)

    def _of_clips(self, rows: Tensor) -> Tensor:
        """(clip x (n_out + 2) - 1, band) -> (clip, band, n_out)."""
        n_rows = self.cuts.starts.shape[1]
        n_clips, n_bands = len(self.starts) // n_rows, rows.shape[1]
        return rows.as_strided((n_clips, n_bands, n_rows - 2), (n_rows * n_bands, 1, n_bands))


def segments(importance: Tensor, n_out: int) -> Cuts:
    """importance (batch, frame) >= 0 -> its segments; cumulated in float64 so that boundaries are right."""
    (n_clips, n_frames), device = importance.shape, importance.device
    count = torch.arange(n_frames + n_out + 1, dtype=torch.int32, device=device)
    ends = importance.to(torch.float64).cumsum(1)  # C: (batch, frame)
    # Frames that end in output i are counted at i + 1: so summed up they are those that ended before output i begins.
    after = torch.nan_to_num(ends, nan=n_out).clamp_max_(n_out).to(torch.int64).add_(1)
    n_ending = torch.zeros(n_clips, n_out + 2, dtype=torch.int64, device=device)
    n_ending.scatter_add_(1, after, after.new_ones(()).expand_as(after))
    starts = n_ending.cumsum(1).add_(count[: n_out + 2])
    starts[:, -1] = n_frames + n_out
    # A frame's end is the cut behind the frames and the whole outputs that ended before it; the first cut is at 0.
    cuts = ends.new_zeros(n_clips, len(count))
    cuts.scatter_(1, after.add_(count[:n_frames]), ends)
    cuts.scatter_(1, starts[:, 1:-1], torch.minimum(ends[:, -1:], count[1 : n_out + 1]))  # past the sum, of no length
    weight = cuts.diff()
    # A segment begins in its output; it lies behind the frames and outputs that ended before. (Past all outputs or
    # all frames it has no length, or is not asked for.)
    frame = (count[:-1] - cuts[:, :-1].to(torch.int32)).clamp_(0, n_frames - 1)
    n_most = int(n_ending[:, 1:-1].amax()) + 1
    return Cuts(weight, frame, starts.to(torch.int32), n_most, importance, _warp_torch.segments)


def whole_frames(importance: Tensor, n_out: int) -> Cuts:
    """As `_warp_torch.whole_frames`: every frame goes whole into one output."""
    whole = _warp_torch.whole_frames(importance, n_out)
    n_clips, n_frames = importance.shape
    before = torch.arange(n_clips, device=importance.device)[:, None] * n_frames
    frame = whole.clip_frame.view_as(importance).to(torch.int32)
    starts = F.pad(whole.output_starts[:-1].view(n_clips, -1) - before, (0, 1), value=n_frames).to(torch.int32)
    weight = whole.weight.view_as(importance)
    return Cuts(weight, frame, starts, whole.n_most, importance, _warp_torch.whole_frames)


def weighted_sum(frames: Tensor, cuts: Cuts) -> Tensor:
    """frames (batch, band, frame), or (1, band, frame) for all clips alike -> X W^T: (batch, band, n_out)."""
    return _all(cuts, frames).mean(frames)


def weighted_sum_and_max(frames: Tensor, cuts: Cuts) -> tuple[Tensor, Tensor]:
    """frames (batch, band, frame) -> X W^T and max_j X_j W_ij (Eq. 6): two of (batch, band, n_out)."""
    group = _all(cuts, frames)
    mean, largest = group.mean_and_max(frames)
    return mean, largest.clamp_min_(0) if serves(frames, group) else largest  # frames that do not touch it count as 0


def _all(cuts: Cuts, frames: Tensor) -> Group:
    return cuts.groups(len(cuts.weight), frames.dtype)[0]


def scaled(largest: Tensor, scale: Tensor | float) -> Tensor:
    """largest (batch, band, n_out), scale (batch, 1) or a number -> their product, in the dtype of largest."""
    if isinstance(scale, Tensor):
        return largest * scale.to(largest.dtype)[..., None]
    return largest if scale == 1 else largest * scale
