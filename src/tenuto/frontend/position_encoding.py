"""Sinusoids of the frame index, which the resolution encoding merges as it merges frames."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from tenuto.frontend.lengths import is_exporting

_BLOCK = 32  # frames
_POSITIONS_PER_RADIAN = 10000.0  # the slowest sinusoid of Vaswani and others, section 3.5


def position_encoding(n_bands: int, n_frames: int, device: torch.device) -> Tensor:
    """Sinusoids of the frame index (Vaswani and others, section 3.5): float32 (band, frame), sines at even bands.

    In memory a frame's bands lie together, as the warp likes it. Kept from call to call: not to be written into.
    """
    if is_exporting():
        return _by_addition(n_bands, n_frames, device).mT
    if torch.compiler.is_compiling():
        copied: Tensor = _copy(n_bands, n_frames, device)
        return copied.mT
    return _kept(n_bands, n_frames, device).mT


def _sinusoids(n_bands: int, n_frames: int, device: torch.device) -> Tensor:
    """(frame, band)."""
    frame = torch.arange(n_frames, device=device, dtype=torch.float64)[:, None]
    rate, shift = _rates(n_bands, device)
    return torch.sin(frame * rate + shift).float()


def _by_addition(n_bands: int, n_frames: int, device: torch.device) -> Tensor:
    """As `_sinusoids`: sin(a + b) = sin a cos b + cos a sin b, of a block's first frame and of frames within blocks.

    For exported graphs, which work it out at each call: a sine takes as long as ten products.
    """
    rate, shift = _rates(n_bands, device)
    within = torch.arange(_BLOCK, device=device, dtype=torch.float64)[:, None] * rate
    n_blocks = (n_frames + _BLOCK - 1) // _BLOCK
    first = (torch.arange(n_blocks, device=device, dtype=torch.float64) * _BLOCK)[:, None, None] * rate + shift
    blocks = first.sin() * within.cos() + first.cos() * within.sin()  # (block, frame, band)
    return blocks.flatten(0, 1)[:n_frames].float()


def _rates(n_bands: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Radians a frame of each band, and where it starts, both (band,)."""
    band = torch.arange(n_bands, device=device, dtype=torch.float64)
    rate = torch.exp(-math.log(_POSITIONS_PER_RADIAN) * 2 * torch.floor(band / 2) / n_bands)
    return rate, (band % 2) * (math.pi / 2)  # a cosine is a sine a quarter turn on


@lru_cache(maxsize=16)
def _kept(n_bands: int, n_frames: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False), torch.no_grad():  # for later calls, which may train
        return _sinusoids(n_bands, n_frames, device)


@torch.library.custom_op(
    "tenuto::position_encoding", mutates_args=(), schema="(int n_bands, SymInt n_frames, Device device) -> Tensor"
)
def _copy(n_bands: int, n_frames: int, device: torch.device) -> Tensor:
    """For torch.compile, whose graphs would work it out at each call, and may write into what an operator gives."""
    return _kept(n_bands, n_frames, device).clone()


@_copy.register_fake
def _(n_bands: int, n_frames: int, device: torch.device) -> Tensor:
    return torch.empty(n_frames, n_bands, device=device)
