"""Matrix products in single precision on a CPU, by the faster of the two libraries that PyTorch comes with.

MKL, which `torch.mm` asks, knows some processors' wide vectors only where they are Intel's; oneDNN knows all: twice as
fast on an AMD EPYC with AVX-512, at the same precision.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def product(left: Tensor, right: Tensor) -> Tensor:
    """left (row, inner), right (column, inner) -> left right^T (row, column); without gradients."""
    if right.is_mkldnn or _for_onednn(left, right):
        outcome: Tensor = torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "")
        return outcome
    return left @ right.T


def packed(right: Tensor) -> Tensor:
    """right (column, inner) as `product` reads it soonest, for many calls; it is for nothing else."""
    if not _for_onednn(right, right):
        return right
    reordered: Tensor = torch.ops.mkldnn._reorder_linear_weight(right)
    return reordered


def rough_products(like: Tensor) -> bool:
    """Whether bfloat16, three digits, halves the time of products of such tensors again."""
    return like.dtype == torch.float32 and _for_onednn(like, like) and _has_bfloat16()


@lru_cache(maxsize=1)
def _has_bfloat16() -> bool:
    features = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(features.get("avx512_bf16", False) or features.get("amx_bf16", False))


def _for_onednn(left: Tensor, right: Tensor) -> bool:
    return (
        left.device.type == "cpu"
        and left.dtype == right.dtype
        and left.dtype in (torch.float32, torch.bfloat16)
        and min(*left.shape, *right.shape) > 0
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and not torch.compiler.is_compiling()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
