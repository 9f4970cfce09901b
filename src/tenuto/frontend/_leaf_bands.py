"""LEAF in sub-bands: each filter's band of the whole clip's spectrum, back in time at a rate that holds it.

The rate is p samples a hop, so that frames stay whole numbers of samples; filters of one p go together. The window
is brought to that rate too, as a band-limited signal, so that the energies need never be at full rate.

A short filter has died away at the window's ends, so that its response, a Gaussian, fits a band as a whole. That of
a long one, which the window cuts off, has side lobes everywhere: its band is faded out (`near_share`), and what
pairs of frequencies say that do not both lie within it is left to `_leaf_pairs`.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tenuto.frontend._leaf_filtering import Bands, filtered_energies
from tenuto.frontend._remembered import Remember, made

BAND_SIGMAS = 5.0  # half a short filter's band in standard deviations of the response: -108 dB
_POOL_SIGMAS = 4.3  # the same for the window, -80 dB
# Where a long filter's share begins to fade, and ends, in cycles a window from its centre. By measurement.
_NEAR_CYCLES = (12.0, 30.0)
_TAPS = 12  # of the interpolation between coarse points of a response, which errs by 1e-6
_KAISER_BETA = 12.5


class Rate(NamedTuple):
    """Samples a hop of a filter's band, and whether it is faded out."""

    samples: int
    fades: bool


def short_rate(sigma: float, window_sigma: float, hop: int) -> Rate:
    """What a short filter needs; both widths in samples."""
    band = 2 * BAND_SIGMAS / (2 * math.pi * sigma)  # cycles a sample, both sides
    pooled = _POOL_SIGMAS / (2 * math.pi * window_sigma)  # differences in the band beyond it are pooled away
    return Rate(_round_rate((band + min(band, pooled)) * hop, hop), False)


def long_rate(window: int, hop: int) -> Rate:
    """What a long filter's near share needs."""
    return Rate(_round_rate(2 * _NEAR_CYCLES[1] / window * hop, hop), True)


def _round_rate(wanted: float, hop: int) -> int:
    """The smallest of 2, 3 and 4, 5, 6 times a power of two that is not below `wanted`; at most `hop`."""
    powers = [1 << n for n in range(max(2, math.ceil(wanted)).bit_length())]
    return min(hop, *(rate for power in powers for rate in (2 * power, 3 * power, 5 * power) if rate >= wanted))


def near_share(theta: Tensor, window: int) -> Tensor:
    """Of a long filter's response at theta radians a sample from its centre, any shape: 1, falling to 0."""
    start, end = (2 * math.pi / window * cycles for cycles in _NEAR_CYCLES)
    return torch.cos(((theta.abs() - start) / (end - start)).clamp(0, 1) * (math.pi / 2)).square()


def band_energies(
    samples: Tensor,
    centers: Tensor,
    sigmas: Tensor,
    windows: Tensor,
    rates: list[Rate],
    hop: int,
    n_frames: int,
    remember: Remember = made,
) -> Tensor:
    """Energies (batch, band, frame) of the whole window, wherever the clip ends; bands in the order given.

    samples (batch, samples) as LinedUp has them; centers and sigmas (band,), windows (band, window), in float64.
    """
    window = windows.shape[1]
    tail = -(-window // (2 * hop))  # frames on both sides where a band-limited window has not died away
    before = tail * hop - (window - 1) // 2  # frame k's window begins at sample (k + tail) hop
    grid = _grid(hop, window, n_frames + 2 * tail + -(-2 * window // hop))
    n_mirrored = max(rate.samples for rate in rates) * grid.n_hops // 2
    spectrum = _spectrum(F.pad(samples, (before, 0)), grid.n_fft, n_mirrored)
    between = _interpolation(grid.n_hops // grid.n_coarse).to(samples)
    bands: list[Tensor] = [samples.new_empty(0)] * len(rates)
    for rate in sorted(set(rates)):
        index = [i for i, other in enumerate(rates) if other == rate]
        first, points = remember(
            ("bands", rate, grid, samples.dtype),
            partial(_responses, centers[index], sigmas[index], window, rate, grid, samples.dtype),
        )
        low_windows = windows[index] @ _resampling(window, hop, rate.samples, tail).to(windows).T
        low_windows = low_windows.to(samples.dtype)
        of_rate = Bands([k + n_mirrored for k in first], rate.samples, n_frames)
        energies = filtered_energies(spectrum, points, between, low_windows, of_rate)
        for i, values in zip(index, energies.unbind(1), strict=True):
            bands[i] = values
    return torch.stack(bands, 1)


class _Grid(NamedTuple):
    """The clip's transform: n_hops hops; responses are computed at every (n_hops / n_coarse)th bin."""

    hop: int
    n_hops: int
    n_coarse: int

    @property
    def n_fft(self) -> int:
        return self.n_hops * self.hop


def _grid(hop: int, window: int, n_hops: int) -> _Grid:
    """For at least `n_hops`; quick to transform, and responses at four times the points that they need, or more."""
    least = -(-2 * window // hop)
    grids = [
        _Grid(hop, 2 * n * smooth(-(-n_hops // (2 * n))), 2 * n) for n in range(least, 2 * least) if smooth(n) == n
    ]
    return min(grids, key=lambda grid: grid.n_hops)


def _spectrum(samples: Tensor, n_fft: int, n_mirrored: int) -> Tensor:
    """samples (batch, samples) -> bins -n_mirrored .. n_fft/2 + n_mirrored (batch, bin), both ends mirrored.

    In float64, as single precision would leave noise at -140 dB of the loudest part in every band, and some
    recordings have nothing louder in theirs.
    """
    exact = samples if samples.device.type == "mps" else samples.double()
    half = torch.fft.rfft(exact, n=n_fft).to(torch.complex64 if samples.dtype == torch.float32 else torch.complex128)
    left, right = half[:, 1 : n_mirrored + 1].flip(1), half[:, n_fft // 2 - n_mirrored : n_fft // 2].flip(1)
    return torch.cat([left.conj(), half, right.conj()], 1)


def _responses(
    centers: Tensor, sigmas: Tensor, window: int, rate: Rate, grid: _Grid, dtype: torch.dtype
) -> tuple[list[int], Tensor]:
    """First bin of each band, and points of responses (band, n_coarse x rate + taps - 1): Gaussians cut to `window`.

    Points lie n_hops / n_coarse bins apart, and begin some before the first bin, for the interpolation.
    """
    n_low, bin_width = grid.n_hops * rate.samples, 2 * math.pi / grid.n_fft
    middle = torch.round(centers.detach() / bin_width)
    offset = (middle * bin_width - centers)[:, None]  # of the middle bin from the centre
    t = torch.arange(window // 2 + 1, device=centers.device, dtype=centers.dtype)
    gaussian = torch.exp(-0.5 * (t / sigmas[:, None]).square()) / (math.sqrt(2 * math.pi) * sigmas[:, None])
    taps = torch.cat([gaussian[:, :1], 2 * gaussian[:, 1:]], 1)  # both sides at once
    place, *waves = _waves(window // 2 + 1, rate.samples * grid.n_coarse, grid.n_coarse * grid.hop)
    cosines, sines = (table.to(taps) for table in waves)
    points = (taps * torch.cos(offset * t)) @ cosines - (taps * torch.sin(offset * t)) @ sines
    if rate.fades:
        points = points * near_share(place.to(taps) + offset.detach(), window)
    return (middle.to(torch.int64) - n_low // 2).tolist(), (points * (n_low / grid.n_fft)).to(dtype)


@lru_cache(maxsize=64)
def _waves(n_taps: int, n_points: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Points 2 pi / size apart, round 0 and some more at both ends; cosines and sines there (tap, point); float64."""
    with torch.inference_mode(False):  # kept for later calls, which may train
        point = torch.arange(n_points + _TAPS - 1) - n_points // 2 - (_TAPS // 2 - 1)
        angle = (torch.arange(n_taps)[:, None] * point % size).double() * (2 * math.pi / size)
        return point.double() * (2 * math.pi / size), angle.cos(), angle.sin()


@lru_cache(maxsize=64)
def _interpolation(n_between: int) -> Tensor:
    """Weights (tap, place), float64: Kaiser's windowed sinc, from points to the places between two of them."""
    with torch.inference_mode(False):
        place = torch.arange(n_between, dtype=torch.float64) / n_between
        distance = place - (torch.arange(_TAPS, dtype=torch.float64) - (_TAPS // 2 - 1))[:, None]
        fall = torch.special.i0(_KAISER_BETA * (1 - (distance / (_TAPS // 2)).square()).clamp_min(0).sqrt())
        weights: Tensor = torch.sinc(distance) * fall / torch.special.i0(torch.tensor(_KAISER_BETA).double())
        return weights


@lru_cache(maxsize=64)
def _resampling(window: int, hop: int, rate: int, tail: int) -> Tensor:
    """(hops x rate, window) float64: a window at full rate -> its band-limited self at `rate` samples a hop.

    From `tail` hops before the window to `tail` hops behind it. At full rate: the window and zeros.
    """
    n_hops = 2 * tail + -(-window // hop)
    with torch.inference_mode(False):
        at = torch.arange(n_hops * rate, dtype=torch.float64) * (hop / rate) - tail * hop
        return torch.sinc((at[:, None] - torch.arange(window)) * (rate / hop))


def smooth(n: int) -> int:
    """The smallest number from n on that has no prime factor above 5: quick to transform."""
    rest = n
    for factor in (2, 3, 5):
        while rest % factor == 0:
            rest //= factor
    return n if rest == 1 else smooth(n + 1)
