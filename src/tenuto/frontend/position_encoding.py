"""Sinusoids of the frame index, which the resolution encoding merges as it merges frames."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from tenuto.frontend.lengths import is_exporting

_POSITIONS_PER_RADIAN = 10000.0  # the slowest sinusoid of Vaswani and others, section 3.5


def position_encoding(n_bands: int, n_frames: int, device: torch.device) -> Tensor:
    """Sinusoids of the frame index (Vaswani and others, section 3.5): float32 (band, frame), sines at even bands.

    In memory a frame's bands lie together, as the warp likes it. Kept from call to call: not to be written into.
    """
    if is_exporting():
        return _sinusoids(n_bands, n_frames, device).mT
    if torch.compiler.is_compiling():
        copied: Tensor = _copy(n_bands, n_frames, device)
        return copied.mT
    return _kept(n_bands, n_frames, device).mT


def _sinusoids(n_bands: int, n_frames: int, device: torch.device) -> Tensor:
    """(frame, band)."""
    frame = torch.arange(n_frames, device=device, dtype=torch.float64)[:, None]
    band = torch.arange(n_bands, device=device, dtype=torch.float64)
    rate = torch.exp(-math.log(_POSITIONS_PER_RADIAN) * 2 * torch.floor(band / 2) / n_bands)
    phase = frame * rate + (band % 2) * (math.pi / 2)  # a cosine is a sine a quarter turn on
    return torch.sin(phase).float()


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
