"""The warp under torch.compile, without gradients: operators that a graph calls and does not look into.

So that the kernels run that would run without a graph. Traced through, they become gathers and scatters over all
segments, several times as slow; with gradients that is what happens (`_warp_torch`). On a CPU importance is cut once
for all that is warped by it; other devices cut it inside each operator, into what their kernels read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tenuto.frontend import _warp_forward, _warp_torch
from tenuto.frontend._warp_kernels import eager_kernel, sums_and_max


class Uncut(NamedTuple):
    """Importance (batch, frame), how it is to be cut, and what `_cut` made of it; nothing on other devices."""

    importance: Tensor
    n_out: int
    algorithm1: bool
    cuts: list[Tensor]


def segments(importance: Tensor, n_out: int) -> Uncut:
    """importance (batch, frame) >= 0 -> what is cut as by Eq. 5 and Algorithm 1."""
    return _uncut(importance, n_out, algorithm1=True)


def whole_frames(importance: Tensor, n_out: int) -> Uncut:
    """As `_warp_torch.whole_frames`: every frame goes whole into one output."""
    return _uncut(importance, n_out, algorithm1=False)


def _uncut(importance: Tensor, n_out: int, algorithm1: bool) -> Uncut:
    cuts = list(_cut(importance, n_out, algorithm1)) if importance.device.type == "cpu" else []
    return Uncut(importance, n_out, algorithm1, cuts)


def weighted_sum(frames: Tensor, uncut: Uncut) -> Tensor:
    """frames (batch, band, frame), or (1, band, frame) for all clips alike -> X W^T: (batch, band, n_out)."""
    sums: Tensor = _warp(frames.mT, None, *uncut, with_max=False)[0]
    return sums.mT


def weighted_sum_and_max(frames: Tensor, uncut: Uncut) -> tuple[Tensor, Tensor]:
    """frames (batch, band, frame) -> X W^T and max_j X_j W_ij (Eq. 6): two of (batch, band, n_out)."""
    mean, largest, _ = _warp(frames.mT, None, *uncut, with_max=True)
    return mean.mT, largest.mT


def weighted_sums_and_max(frames: Tensor, positions: Tensor, uncut: Uncut) -> tuple[Tensor, Tensor, Tensor]:
    """As `weighted_sum_and_max` of frames, and X W^T of positions (1, band, frame), which all clips share."""
    mean, largest, encoding = _warp(frames.mT, positions.mT, *uncut, with_max=True)
    return mean.mT, largest.mT, encoding.mT


@torch.library.custom_op(
    "tenuto::cut",
    mutates_args=(),
    schema="(Tensor importance, SymInt n_out, bool algorithm1) -> (Tensor, Tensor, Tensor, Tensor)",
)
def _cut(importance: Tensor, n_out: int, algorithm1: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """importance (batch, frame), on a CPU -> weight, frame, starts and n_most of `_warp_forward.Cuts`."""
    cuts = _cutter(_warp_forward, algorithm1)(importance, n_out)
    weight = cuts.weight if algorithm1 else cuts.weight.clone()  # whole frames weigh what came in
    return weight, cuts.frame, cuts.starts, torch.tensor(cuts.n_most, device=weight.device)


@_cut.register_fake
def _(importance: Tensor, n_out: int, algorithm1: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    n_clips, n_frames = importance.shape
    dtype = torch.float64 if algorithm1 else importance.dtype
    weight = importance.new_empty(n_clips, n_frames + n_out if algorithm1 else n_frames, dtype=dtype)
    starts = weight.new_empty(n_clips, n_out + 2, dtype=torch.int32)
    return weight, torch.empty_like(weight, dtype=torch.int32), starts, weight.new_empty((), dtype=torch.int64)


@torch.library.custom_op(
    "tenuto::warp",
    mutates_args=(),
    schema="(Tensor rows, Tensor? positions, Tensor importance, SymInt n_out, bool algorithm1, Tensor[] cuts,"
    " bool with_max) -> (Tensor, Tensor, Tensor)",
)
def _warp(
    rows: Tensor,
    positions: Tensor | None,
    importance: Tensor,
    n_out: int,
    algorithm1: bool,
    cuts: list[Tensor],
    with_max: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """rows (batch or 1, frame, band), positions (1, frame, band), importance (batch, frame), `cuts` of it or none
    -> mean (batch, n_out, band); maximum, or nothing; mean of positions, or nothing.
    """
    kernel = _warp_forward if cuts else eager_kernel(importance)
    cut = _as_cut(cuts, importance, algorithm1) if cuts else _cutter(kernel, algorithm1)(importance, n_out)
    nothing = rows.new_empty(0)
    if not with_max:
        return kernel.weighted_sum(rows.mT, cut).mT.contiguous(), nothing, nothing.clone()
    if positions is None:
        mean, largest = kernel.weighted_sum_and_max(rows.mT, cut)
        return mean.mT.contiguous(), largest.mT.contiguous(), nothing
    mean, largest, encoding = sums_and_max(kernel, rows.mT, positions.mT, cut)
    return mean.mT.contiguous(), largest.mT.contiguous(), encoding.mT.contiguous()


def _as_cut(cuts: list[Tensor], importance: Tensor, algorithm1: bool) -> _warp_forward.Cuts:
    weight, frame, starts, n_most = cuts
    return _warp_forward.Cuts(weight, frame, starts, int(n_most), importance, _cutter(_warp_torch, algorithm1))


def _cutter(kernel: Any, algorithm1: bool) -> Callable[[Tensor, int], Any]:
    """What cuts importance (batch, frame) into so many outputs, of this module of kernels."""
    cut: Callable[[Tensor, int], Any] = kernel.segments if algorithm1 else kernel.whole_frames
    return cut


@_warp.register_fake
def _(
    rows: Tensor, positions: Tensor | None, importance: Tensor, n_out: int, *others: Any
) -> tuple[Tensor, Tensor, Tensor]:
    *_, with_max = others
    shape = (importance.shape[0], n_out, rows.shape[2])
    largest = rows.new_empty(shape if with_max else (0,))
    return rows.new_empty(shape), largest, rows.new_empty(0) if positions is None else positions.new_empty(shape)
