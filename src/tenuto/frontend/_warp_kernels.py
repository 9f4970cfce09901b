"""Which kernels warp when nothing is traced."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from tenuto.frontend import _warp_forward, _warp_torch


def eager_kernel(importance: Tensor) -> Any:
    """The module that warps it: Triton's on CUDA where Triton is there, PyTorch's everywhere else."""
    if not torch.is_grad_enabled() and importance.device.type == "cpu":
        return _warp_forward
    return (_triton() if importance.is_cuda else None) or _warp_torch


def sums_and_max(kernel: Any, frames: Tensor, positions: Tensor, cuts: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and maximum of frames (batch, band, frame), mean of positions (1, band, frame): each (batch, band, n_out).

    Together, where a kernel has that.
    """
    together = getattr(kernel, "weighted_sums_and_max", None)
    if together is None:
        return *kernel.weighted_sum_and_max(frames, cuts), kernel.weighted_sum(positions, cuts)
    warped: tuple[Tensor, Tensor, Tensor] = together(frames, positions, cuts)
    return warped


@cache
def _triton() -> Any:
    """The Triton kernels; None where Triton is missing or too old for them."""
    try:
        from tenuto.frontend import _warp_triton
    except (ImportError, AttributeError):
        return None
    return _warp_triton
