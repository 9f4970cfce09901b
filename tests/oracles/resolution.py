"""What resolutions say of one clip, by dense matrices and loops, given the importance of its frames."""

from __future__ import annotations

import math
from fractions import Fraction

import torch
from torch import Tensor

from oracles import warp


def uniform(n_frames: int, n_kept: int) -> list[Fraction]:
    """Average pooling as importance."""
    return [Fraction(n_kept, n_frames)] * n_frames


def matrix(importance: Tensor, n_kept: int, algorithm1: bool = True) -> Tensor:
    """(frame) -> (kept, frame): the overlap, or Equation 5 alone. A sum that rounding took from n_kept is put back,
    since Equation 5 drops the last frame where it lies above."""
    exact = warp.exact(importance.tolist())
    if abs(sum(exact) - n_kept) < 1e-9:
        exact = [share * n_kept / sum(exact) for share in exact]
    return warp.tensor(warp.overlap(exact, n_kept) if algorithm1 else warp.equation_5(exact, n_kept))


def position_encoding(n_bands: int, n_frames: int) -> Tensor:
    """Vaswani and others, section 3.5: (band, frame); sines in even bands, cosines in odd ones."""
    encoding = torch.zeros(n_bands, n_frames, dtype=torch.float64)
    for position in range(n_frames):
        for band in range(n_bands):
            angle = position / 10000 ** (2 * (band // 2) / n_bands)
            encoding[band, position] = math.cos(angle) if band % 2 else math.sin(angle)
    return encoding


def aggregates(energies: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """(band, frame), (kept, frame) -> mean and maximum (band, kept), the latter times frames / kept."""
    n_kept, n_frames = weights.shape
    return warp.mean(energies, weights), warp.maximum(energies, weights) * (n_frames / n_kept)
