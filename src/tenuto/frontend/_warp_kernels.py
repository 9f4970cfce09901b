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


@cache
def _triton() -> Any:
    """The Triton kernels; None where Triton is missing or too old for them."""
    try:
        from tenuto.frontend import _warp_triton
    except (ImportError, AttributeError):
        return None
    return _warp_triton
