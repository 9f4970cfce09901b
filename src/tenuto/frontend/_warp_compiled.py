"""The warp under torch.compile, without gradients: an operator that a graph calls and does not look into.

So that the kernels run that would run without a graph. Traced through, they become gathers and scatters over all
segments, several times as slow; with gradients that is what happens (`_warp_torch`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tenuto.frontend._warp_kernels import eager_kernel


class Uncut(NamedTuple):
    """What is cut inside the operator: importance (batch, frame), and how."""

    importance: Tensor
    n_out: int
    algorithm1: bool


def segments(importance: Tensor, n_out: int) -> Uncut:
    """importance (batch, frame) >= 0 -> what is cut as by Eq. 5 and Algorithm 1."""
    return Uncut(importance, n_out, True)


def whole_frames(importance: Tensor, n_out: int) -> Uncut:
    """As `_warp_torch.whole_frames`: every frame goes whole into one output."""
    return Uncut(importance, n_out, False)


def weighted_sum(frames: Tensor, uncut: Uncut) -> Tensor:
    """frames (batch, band, frame), or (1, band, frame) for all clips alike -> X W^T: (batch, band, n_out)."""
    sums: Tensor = _warp(frames.mT, *uncut, with_max=False)[0]
    return sums.mT


def weighted_sum_and_max(frames: Tensor, uncut: Uncut) -> tuple[Tensor, Tensor]:
    """frames (batch, band, frame) -> X W^T and max_j X_j W_ij (Eq. 6): two of (batch, band, n_out)."""
    mean, largest = _warp(frames.mT, *uncut, with_max=True)
    return mean.mT, largest.mT


@torch.library.custom_op(
    "tenuto::warp",
    mutates_args=(),
    schema="(Tensor rows, Tensor importance, SymInt n_out, bool algorithm1, bool with_max) -> (Tensor, Tensor)",
)
def _warp(rows: Tensor, importance: Tensor, n_out: int, algorithm1: bool, with_max: bool) -> tuple[Tensor, Tensor]:
    """rows (batch or 1, frame, band), importance (batch, frame) -> mean (batch, n_out, band); maximum, or nothing."""
    kernel = eager_kernel(importance)
    cuts = (kernel.segments if algorithm1 else kernel.whole_frames)(importance, n_out)
    if not with_max:
        return kernel.weighted_sum(rows.mT, cuts).mT.contiguous(), rows.new_empty(0)
    mean, largest = kernel.weighted_sum_and_max(rows.mT, cuts)
    return mean.mT.contiguous(), largest.mT.contiguous()


@_warp.register_fake
def _(rows: Tensor, importance: Tensor, n_out: int, algorithm1: bool, with_max: bool) -> tuple[Tensor, Tensor]:
    shape = (importance.shape[0], n_out, rows.shape[2])
    return rows.new_empty(shape), rows.new_empty(shape if with_max else (0,))
