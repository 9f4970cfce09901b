"""Mel scales and the matrix of triangular mel filters: pure functions."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from tenuto.errors import UsageError

MelScale = Literal["slaney", "htk"]
MelNorm = Literal["slaney"] | None

# Slaney's Auditory Toolbox: linear below 1 kHz, 200/3 Hz a mel; above it 27 mels for a factor of 6.4.
_SLANEY_HZ_PER_MEL = 200 / 3
_SLANEY_CORNER_HZ = 1000.0
_SLANEY_CORNER_MEL = _SLANEY_CORNER_HZ / _SLANEY_HZ_PER_MEL
_SLANEY_LOG_STEP = math.log(6.4) / 27


def hz_to_mel(hz: Tensor, scale: MelScale = "slaney") -> Tensor:
    """Frequencies in hertz, any shape -> mels (O'Shaughnessy's formula for "htk")."""
    if scale == "htk":
        return 2595 * torch.log10(1 + hz / 700)
    above = _SLANEY_CORNER_MEL + torch.log(hz.clamp_min(1e-10) / _SLANEY_CORNER_HZ) / _SLANEY_LOG_STEP
    return torch.where(hz >= _SLANEY_CORNER_HZ, above, hz / _SLANEY_HZ_PER_MEL)


def mel_to_hz(mel: Tensor, scale: MelScale = "slaney") -> Tensor:
    """Mels, any shape -> frequencies in hertz: the inverse of `hz_to_mel`."""
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    above = _SLANEY_CORNER_HZ * torch.exp(_SLANEY_LOG_STEP * (mel - _SLANEY_CORNER_MEL))
    return torch.where(mel >= _SLANEY_CORNER_MEL, above, mel * _SLANEY_HZ_PER_MEL)


def mel_frequencies(n: int, f_min_hz: float, f_max_hz: float, scale: MelScale = "slaney") -> Tensor:
    """`n` frequencies in hertz, float64 (n,), evenly spaced in mels from f_min_hz to f_max_hz, both included."""
    ends = hz_to_mel(torch.tensor([f_min_hz, f_max_hz], dtype=torch.float64), scale)
    return mel_to_hz(torch.linspace(float(ends[0]), float(ends[1]), n, dtype=torch.float64), scale)


def mel_matrix(
    n_mels: int,
    n_fft: int,
    sample_rate: int,
    f_min: float = 0.0,
    f_max: float | None = None,
    mel_scale: MelScale = "slaney",
    norm: MelNorm = "slaney",
) -> Tensor:
    """Triangular filters (band, bin): float32 (n_mels, n_fft // 2 + 1), the same as librosa's.

    f_min, f_max in hertz (f_max: half the sample rate by default). norm "slaney" divides each triangle by half
    its width in hertz, so that every band has the same area; None leaves peaks of one.

    Raises UsageError for bounds that are not 0 <= f_min < f_max <= sample_rate / 2, or an unknown scale or norm.
    """
    f_max = sample_rate / 2 if f_max is None else f_max
    _check(n_mels, sample_rate, f_min, f_max, mel_scale, norm)
    edges_hz = mel_frequencies(n_mels + 2, f_min, f_max, mel_scale)
    bins_hz = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * (sample_rate / n_fft)
    widths_hz = edges_hz.diff()
    ramps = edges_hz[:, None] - bins_hz  # (band + 2, bin): how far each edge lies above each bin
    rising = -ramps[:-2] / widths_hz[:-1, None]
    falling = ramps[2:] / widths_hz[1:, None]
    filters = torch.minimum(rising, falling).clamp_min(0)
    if norm == "slaney":
        filters = filters * (2 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    return filters.to(torch.float32)


def _check(n_mels: int, sample_rate: int, f_min: float, f_max: float, scale: str, norm: str | None) -> None:
    if n_mels < 1:
        raise UsageError(f"n_mels is {n_mels}; wanted at least one band")
    if not 0 <= f_min < f_max <= sample_rate / 2:
        raise UsageError(
            f"mel bands from f_min {f_min} Hz to f_max {f_max} Hz; wanted 0 <= f_min < f_max <= "
            f"{sample_rate / 2:g} Hz, half the sample rate of {sample_rate} Hz"
        )
    if scale not in ("slaney", "htk"):
        raise UsageError(f"mel_scale is {scale!r}; wanted 'slaney' or 'htk'")
    if norm not in ("slaney", None):
        raise UsageError(f"norm is {norm!r}; wanted 'slaney' or None")
