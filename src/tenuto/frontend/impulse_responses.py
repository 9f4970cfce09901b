"""Impulse responses and windows of the learnable filterbanks, and the mel points they start from: pure functions.

Frequencies of Gabor filters are in radians a sample, widths are standard deviations in samples.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from tenuto.errors import UsageError

GaborStart = Literal["published", "analytic"]

# The full width at half maximum of a Gaussian frequency response of standard deviation 1 / sigma radians a
# sample is 2 sqrt(2 ln 2) / sigma.
HALF_WIDTH = math.sqrt(2 * math.log(2))
PUBLISHED_N_FFT = 512  # bins that LEAF reads its first centre frequencies and widths off, whatever the rate


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(value)
        ctx.bounds = low, high
        return value.clamp(float(low), float(high))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (value,), (low, high), (gradient,) = ctx.saved_tensors, ctx.bounds, gradients
        outward = ((value <= low) & (gradient > 0)) | ((value >= high) & (gradient < 0))
        return gradient.masked_fill(outward, 0), None, None


def project(value: Tensor, low: float, high: float = math.inf) -> Tensor:
    """`value` clamped to [low, high], any shape; beyond a bound only the gradient that leads back in passes.

    The published constraints put parameters back after each step; a plain clamp would leave one that has crossed
    its bound without a gradient for ever.
    """
    if not torch.is_grad_enabled():
        return value.clamp(float(low), float(high))
    projected: Tensor = _Project.apply(value, low, high)
    return projected


def gabor(centers: Tensor, sigmas: Tensor, size: int) -> Tensor:
    """Complex Gabor filters (band, size): a Gaussian of area one times exp(i center t), t from -(size // 2).

    centers (band,) in radians a sample, sigmas (band,) in samples. LEAF, arXiv 2101.08596, eq. 4.
    """
    if not torch.is_grad_enabled():
        return _gabor(centers, sigmas, _taps(size, centers))
    filters: Tensor = _Gabor.apply(centers, sigmas, size)
    return filters


def _taps(size: int, like: Tensor) -> Tensor:
    return torch.arange(-(size // 2), (size + 1) // 2, dtype=like.dtype, device=like.device)


def _gabor(centers: Tensor, sigmas: Tensor, t: Tensor) -> Tensor:
    gaussian = torch.exp(-t.square() / (2 * sigmas[:, None].square())) / (math.sqrt(2 * math.pi) * sigmas[:, None])
    phase = centers[:, None] * t
    return torch.complex(gaussian * phase.cos(), gaussian * phase.sin())


class _Gabor(torch.autograd.Function):
    """d filter / d center = i t filter, d filter / d sigma = (t^2 / sigma^3 - 1 / sigma) filter."""

    @staticmethod
    def forward(ctx: Any, centers: Tensor, sigmas: Tensor, size: int) -> Tensor:
        filters = _gabor(centers, sigmas, _taps(size, centers))
        ctx.save_for_backward(sigmas, filters)
        return filters

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        sigmas, filters = ctx.saved_tensors
        t, said = _taps(filters.shape[1], sigmas), gradients[0].conj() * filters
        real = said.real
        return -(said.imag @ t), real @ t.square() / sigmas**3 - real.sum(1) / sigmas, None


def gaussian_lowpass(widths: Tensor, size: int) -> Tensor:
    """Gaussian windows (band, size) of peak one; widths (band,): standard deviation over half the window.

    LEAF, arXiv 2101.08596, section 3.1; 0.4 resembles a Hann window.
    """
    half = 0.5 * (size - 1)
    t = torch.arange(size, dtype=widths.dtype, device=widths.device) - half
    return torch.exp(-0.5 * (t / (widths[:, None] * half)).square())


def sinc_band_pass(low_hz: Tensor, high_hz: Tensor, size: int, sample_rate: int) -> Tensor:
    """Ideal band-passes (band, size), cut to `size` (odd) samples, of peak one: arXiv 1808.00158, eq. 4."""
    t = torch.arange(-(size // 2), size // 2 + 1, dtype=low_hz.dtype, device=low_hz.device) / sample_rate
    low_hz, high_hz = low_hz[:, None], high_hz[:, None]
    # torch.sinc(x) is sin(pi x) / (pi x); both terms peak at t = 0, where their difference is 2 (high - low)
    band_pass = 2 * high_hz * torch.sinc(2 * high_hz * t) - 2 * low_hz * torch.sinc(2 * low_hz * t)
    return band_pass / (2 * (high_hz - low_hz))


def published_hamming(size: int) -> Tensor:
    """Hamming window (size,), float64, as LEAF's SincNet has it: periodic, so not quite symmetric."""
    n = torch.arange(size, dtype=torch.float64)
    return 0.54 - 0.46 * torch.cos(2 * math.pi * n / size)


def squared_hann(size: int) -> Tensor:
    """Squared symmetric Hann window (size,), float64: the pooling of time-domain filterbanks, arXiv 1711.01161.

    (LEAF's release shifts it by one sample; the paper's is centred.)
    """
    return torch.hann_window(size, periodic=False, dtype=torch.float64).square()


def mel_start(
    n_filters: int, sample_rate: int, f_min: float, f_max: float, start: GaborStart
) -> tuple[Tensor, Tensor, Tensor]:
    """Centres (band,) in radians a sample, sigmas (band,) in samples, areas (band,) of mel triangles, float64.

    A Gabor filter's frequency response has the centre of a mel triangle and the width at half maximum of its
    square root. "published" reads both off the bins of a 512-point transform, as LEAF does, so that of 128 filters
    at 16 kHz only 116 are distinct; "analytic" computes them from the mel scale.

    Raises UsageError for a band above half the sample rate, or "published" with a triangle that holds no bin.
    """
    if n_filters < 1:
        raise UsageError(f"n_filters is {n_filters}; wanted at least one filter")
    if not 0 <= f_min < f_max <= sample_rate / 2:
        raise UsageError(
            f"filters from f_min {f_min:g} Hz to f_max {f_max:g} Hz; wanted 0 <= f_min < f_max <= "
            f"{sample_rate / 2:g} Hz, half the sample rate of {sample_rate} Hz"
        )
    if start not in ("published", "analytic"):
        raise UsageError(f"start is {start!r}; wanted 'published' or 'analytic'")
    ends = _htk_mel(torch.tensor([f_min, f_max], dtype=torch.float64))
    edges = torch.linspace(float(ends[0]), float(ends[1]), n_filters + 2, dtype=torch.float64)
    return (_bin_start if start == "published" else _analytic_start)(edges, sample_rate)


def _htk_mel(hz: Tensor) -> Tensor:
    return 1127 * torch.log1p(hz / 700)  # the constant that TensorFlow's mel matrix has


def _hz(mel: Tensor) -> Tensor:
    return 700 * torch.expm1(mel / 1127)


def _bin_start(edges: Tensor, sample_rate: int) -> tuple[Tensor, Tensor, Tensor]:
    n_fft = PUBLISHED_N_FFT
    bins = _htk_mel(torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64))
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = torch.minimum(rising, falling).clamp_min(0)  # straight in mels, not in hertz
    triangles[:, 0] = 0  # the constant part belongs to no band
    peaks = triangles.amax(1)
    if n_empty := int((peaks == 0).sum()):
        raise UsageError(
            f"{n_empty} of {peaks.shape[0]} filters lie between two bins of the published start's {n_fft}-point "
            f"transform at {sample_rate} Hz; lower n_filters, raise f_min or pass start='analytic'"
        )
    roots = triangles.sqrt()
    n_half = (roots >= roots.amax(1, keepdim=True) / 2).sum(1)
    centers = roots.argmax(1).double() * (2 * math.pi / n_fft)
    areas = peaks * ((triangles > 0).sum(1) + 2).double() * (math.pi / n_fft)
    return centers, (HALF_WIDTH * n_fft / math.pi) / n_half.double(), areas


def _analytic_start(edges: Tensor, sample_rate: int) -> tuple[Tensor, Tensor, Tensor]:
    low, center, high = edges[:-2], edges[1:-1], edges[2:]
    # the root of a triangle is half its maximum where the triangle is a quarter
    width_hz = _hz(high - (high - center) / 4) - _hz(low + (center - low) / 4)
    radians = 2 * math.pi / sample_rate
    areas = (_hz(high) - _hz(low)) * radians / 2
    return _hz(center) * radians, HALF_WIDTH * sample_rate / (math.pi * width_hz), areas
