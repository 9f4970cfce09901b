"""The warp in operators that exported graphs have (ONNX among them): two scatters, no sorting, no bags.

A frame of importance at most 1 touches at most two outputs: the one it begins in and the one behind that. So each
frame adds (or maximises) its energies, times the length that lies there, into those two rows. Resolutions give no
other importances; what a longer frame has beyond its first output counts wholly for the second here.

    frames     |--- 0 ---|- 1 -|------ 2 ------|--- 3 ---|
    outputs    |------ 0 ------|------ 1 -----|---- 2 ---|        frame 2: most into 1, the rest into 2

Numbers are scattered one by one (ScatterElements). Whole rows (index_put, ScatterND) would be quicker, but onnxruntime
adds them on several threads at once, and what is added to the same row at the same time is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_ON_THE_LINE = 1e-4  # as in `_warp_torch`: rounding must not push the last frame past the last output


@dataclass(frozen=True)
class Pieces:
    """What each frame gives to the outputs it touches: pairs of (row, weight), each (batch, frame).

    Rows are int64 from 0 to n_out; the last of these is dropped. Weights are float64 >= 0.
    """

    parts: tuple[tuple[Tensor, Tensor], ...]
    n_out: int


def segments(importance: Tensor, n_out: int) -> Pieces:
    """importance (batch, frame) in [0, 1] -> its pieces; cumulated in float64 so that boundaries are right."""
    ends = importance.to(torch.float64).cumsum(1)
    starts = F.pad(ends, (1, 0))[:, : ends.shape[1]]
    row = starts.floor().to(torch.int64).clamp(0, n_out)
    border = row + 1
    first = torch.minimum(ends, border.to(torch.float64)) - starts
    second = (ends - torch.maximum(starts, border.to(torch.float64))).clamp_min(0)
    return Pieces(((row, first), (border.clamp_max(n_out), second)), n_out)


def whole_frames(importance: Tensor, n_out: int) -> Pieces:
    """Eq. 5 alone, without Algorithm 1: frame j goes whole, with weight s_j, into output i where i < C_j <= i + 1."""
    ends = importance.to(torch.float64).cumsum(1) - _ON_THE_LINE
    row = (ends.ceil().to(torch.int64) - 1).clamp(0, n_out)
    return Pieces(((row, importance.to(torch.float64)),), n_out)


def weighted_sum(frames: Tensor, pieces: Pieces) -> Tensor:
    """frames (batch, band, frame), or (1, band, frame) for all clips alike -> X W^T: (batch, band, n_out)."""
    n_clips = pieces.parts[0][0].shape[0]
    rows = frames.mT.expand(n_clips, -1, -1)  # (batch, frame, band)
    sums = _blank(rows, pieces)
    for row, weight in pieces.parts:
        sums = sums.scatter_add(1, row[..., None].expand_as(rows), rows * weight.to(rows.dtype)[..., None])
    return sums[:, : pieces.n_out].mT


def weighted_sum_and_max(frames: Tensor, pieces: Pieces) -> tuple[Tensor, Tensor]:
    """frames (batch, band, frame) -> X W^T and max_j X_j W_ij (Eq. 6): two of (batch, band, n_out)."""
    rows = frames.mT  # (batch, frame, band)
    largest = _least(rows, pieces)
    for row, weight in pieces.parts:
        weight = weight.to(rows.dtype)
        touched = torch.where(weight > 0, row, pieces.n_out)  # what has no length is no product
        index = touched[..., None].expand_as(rows)
        largest = largest.scatter_reduce(1, index, rows * weight[..., None], "amax")
    return weighted_sum(frames, pieces), largest[:, : pieces.n_out].mT


def _blank(rows: Tensor, pieces: Pieces) -> Tensor:
    """Zeros (batch, n_out + 1, band)."""
    return rows.new_zeros(rows.shape[0], pieces.n_out + 1, rows.shape[2])


def _least(rows: Tensor, pieces: Pieces) -> Tensor:
    """What the maximum starts from: 0 where some frame does not touch the output, and so counts as 0; else -inf."""
    n_touching = rows.new_zeros(rows.shape[0], pieces.n_out + 1)
    for row, weight in pieces.parts:
        n_touching = n_touching.scatter_add(1, row, (weight.to(rows.dtype) > 0).to(rows.dtype))
    least = torch.where(n_touching < rows.shape[1], 0.0, -torch.inf).to(rows.dtype)
    return least[..., None] + _blank(rows, pieces)
