"""The warp (Eqs. 5 and 6 with Algorithm 1): the operator, and the one door to its kernels.

With cumulative importance C_j = s_1 + ... + s_j, frame j owns the interval [C_{j-1}, C_j] and output i (counted
from 0) owns [i, i + 1]. W_ij is the length of their overlap: what Eq. 5 followed by Algorithm 1 builds for
importances in (0, 1] that sum to the number of outputs, and the definition everywhere else: mass past the last
output is dropped, outputs past the sum are zero.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from tenuto.errors import UsageError
from tenuto.frontend import _warp_compiled, _warp_export, _warp_forward, _warp_torch
from tenuto.frontend._warp_forward import Group
from tenuto.frontend._warp_kernels import eager_kernel, sums_and_max
from tenuto.frontend.lengths import in_graph_without_gradients, is_exporting

Aggregate = Literal["mean", "max"]


def warp(frames: Tensor, importance: Tensor, n_out: int, aggregate: Aggregate = "mean") -> Tensor:
    """Merges frames by importance: (batch, band, frame), importance (batch, frame) -> (batch, band, n_out).

    "mean" is X W^T, not divided by anything (rows of W sum to one where the importance fills the outputs).
    "max" is Eq. 6, max_j X_j W_ij over all frames, unscaled: frames that an output does not touch count as 0.
    Time and memory are linear in frame + n_out; W is never built. Differentiable in frames and importance.

    importance >= 0; importance sums over a row to the number of outputs that are filled.
    Raises UsageError for shapes that do not fit, n_out < 1, or an unknown aggregate.
    """
    _check(frames, importance, n_out)
    if aggregate == "mean":
        return Warp(importance, n_out).mean(frames)
    if aggregate == "max":
        return Warp(importance, n_out).mean_and_max(frames)[1]
    raise UsageError(f"aggregate is {aggregate!r}; wanted 'mean' or 'max'")


def warp_matrix(importance: Tensor, n_out: int) -> Tensor:
    """The overlap by its definition: importance (batch, frame) -> W (batch, n_out, frame).

    For looking at and for tests: its size is kept x frames. Same dtype as importance; cumulated in float64.
    """
    if importance.dim() != 2 or n_out < 1:
        raise UsageError(f"importance {tuple(importance.shape)}, n_out {n_out}; wanted (batch, frame) and at least 1")
    ends = importance.to(torch.float64).cumsum(1)[:, None]  # (batch, 1, frame)
    starts = torch.nn.functional.pad(ends[..., :-1], (1, 0))
    output = torch.arange(n_out, device=importance.device)[:, None]  # (n_out, 1)
    overlap = torch.minimum(ends, output + 1) - torch.maximum(starts, output)
    return overlap.clamp_min(0).to(importance.dtype)


class Warp:
    """One importance, cut up once, applied to several frames: what a layer calls.

    importance (batch, frame) >= 0; algorithm1=False is Eq. 5 alone, where a frame goes whole into one output.
    max_scale (batch, 1): the maximum is multiplied by it. Gradients flow only where they are on when it is made.
    """

    def __init__(
        self, importance: Tensor, n_out: int, algorithm1: bool = True, max_scale: Tensor | float = 1.0
    ) -> None:
        self.n_out, self._kernel, self._max_scale = n_out, _kernel_for(importance), max_scale
        cut = self._kernel.segments if algorithm1 else self._kernel.whole_frames
        self._segments = cut(importance, n_out)

    def groups(self, n_group: int, dtype: torch.dtype) -> list[Group]:
        """The same for `n_group` clips at a time, of this dtype: without gradients, eager, on a CPU."""
        groups: list[Group] = self._segments.groups(n_group, dtype, self._max_scale)
        return groups

    def mean(self, frames: Tensor) -> Tensor:
        """X W^T: frames (batch, band, frame), or (1, band, frame) for all clips alike -> (batch, band, n_out)."""
        mean: Tensor = self._kernel.weighted_sum(frames, self._segments)
        return mean

    def mean_and_max(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """X W^T and max_j X_j W_ij in one pass: frames (batch, band, frame) -> two of (batch, band, n_out)."""
        mean, largest = self._kernel.weighted_sum_and_max(frames, self._segments)
        return mean, _warp_forward.scaled(largest, self._max_scale)

    def mean_max_and_encoding(self, frames: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `mean_and_max` of frames, and the mean of positions (1, band, frame), which all clips share."""
        mean, largest, encoding = sums_and_max(self._kernel, frames, positions, self._segments)
        return mean, _warp_forward.scaled(largest, self._max_scale), encoding


def _kernel_for(importance: Tensor) -> Any:
    """The module that warps it."""
    if is_exporting():
        return _warp_export
    if in_graph_without_gradients():
        return _warp_compiled
    return _warp_torch if torch.compiler.is_compiling() else eager_kernel(importance)


def _check(frames: Tensor, importance: Tensor, n_out: int) -> None:
    fits = frames.dim() == 3 and importance.shape == (frames.shape[0], frames.shape[2])
    if not fits or 0 in frames.shape:
        raise UsageError(
            f"frames {tuple(frames.shape)}, importance {tuple(importance.shape)}; "
            "wanted (batch, band, frame) and (batch, frame), with at least one clip, band and frame"
        )
    if n_out < 1:
        raise UsageError(f"n_out is {n_out}; wanted at least one output frame")
