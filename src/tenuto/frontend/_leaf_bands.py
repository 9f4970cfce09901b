"""LEAF in sub-bands: each filter's band of a segment's spectrum, back in time at a rate that holds it.

A clip is cut into segments of at most 64 windows, which overlap by what filters reach for, so that transforms stay in a
processor's first caches: twice as fast as one transform of ten seconds.

The rate is p samples a hop, so that frames stay whole numbers of samples; filters of one p go together. The window
is brought to that rate too, as a band-limited signal, so that the energies need never be at full rate.

A short filter has died away at the window's ends, so that its response, a Gaussian, fits a band as a whole. That of
a long one, which the window cuts off, has side lobes everywhere: its band is faded out (`near_share`), and what
pairs of frequencies say that do not both lie within it is left to `_leaf_pairs`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tenuto.frontend._leaf_filtering import Bands, Segments, Windows, filtered_energies, stretched
from tenuto.frontend._leaf_rates import Bank, Fade, Rate, near_share
from tenuto.frontend._remembered import Remember, made

_TAPS = 12  # of the interpolation between coarse points of a response, which errs by 1e-6
_KAISER_BETA = 12.5
_ROLL_OFF = 0.4  # of windows at a band's rate
_SEGMENT_WINDOWS = 64  # the longest segments


def band_energies(
    samples: Tensor,
    bank: Bank,
    places: list[int],
    rates: list[Rate],
    hop: int,
    n_frames: int,
    remember: Remember = made,
) -> Tensor:
    """Energies (batch, band, frame) of the whole window, wherever the clip ends.

    samples (batch, samples) as LinedUp has them; bands are the filters of the bank at these places, of these rates.
    """
    window = bank.windows.shape[1]
    tail, grid = _tail_and_grid(hop, window, n_frames)
    # frame k's window begins at sample (k + tail) hop behind the first segment's margin
    before = (tail + grid.segments.margin) * hop - (window - 1) // 2
    n_mirrored = max(rate.samples for rate in rates) * grid.segments.n_hops // 2
    spectrum = _spectra(samples, before, grid, n_mirrored)
    between = _interpolation(grid.segments.n_hops // grid.n_coarse).to(samples)
    order, energies = [], []
    for rate in sorted({each.samples for each in rates}):
        index = [i for i, each in enumerate(rates) if each.samples == rate]
        of_rate = [places[i] for i in index], [rates[i].fade for i in index], rate
        make = partial(_parameters, bank, *of_rate, grid, _resampling(window, hop, rate, tail), between)
        key = ("bands", rate, grid.segments.n_hops, grid.n_coarse, samples.dtype)
        first, responses, pooling = remember(key, make)
        bands = Bands(first + n_mirrored, rate, n_frames, grid.segments)
        energies.append(filtered_energies(spectrum, responses, pooling, bands))
        order += index
    back = torch.tensor(order, device=samples.device).argsort()
    return torch.cat(energies).index_select(0, back).transpose(0, 1)


def _parameters(
    bank: Bank,
    places: list[int],
    fades: Sequence[Fade],
    rate: int,
    grid: _Grid,
    resampling: Tensor,
    between: Tensor,
) -> tuple[Tensor, Tensor, Windows]:
    """First bins of bands, their responses, their windows at the rate: what depends on parameters alone."""
    centers, sigmas, widths, windows = (of[places] for of in (bank.centers, bank.sigmas, bank.widths, bank.windows))
    first, points = _responses(centers, sigmas, windows.shape[1], fades, rate, grid, between.dtype)
    pooling = _low_windows(windows, widths, resampling, rate, between.dtype)
    return first, stretched(points, between), pooling


def _low_windows(windows: Tensor, widths: Tensor, resampling: Tensor, rate: int, dtype: torch.dtype) -> Windows:
    """Gaussian windows (band, window) of widths (band,), shares of half of it, at a band's rate, each value twice."""
    place = torch.linspace(-1, 1, windows.shape[1], dtype=windows.dtype, device=windows.device)
    with torch.no_grad():
        slopes = windows * (place / widths[:, None]).square() / widths[:, None]
        both = torch.cat([windows, slopes]) @ resampling.to(windows).T
    values, slopes = both.to(dtype).view(2, windows.shape[0], -1, rate).repeat_interleave(2, 3)
    return Windows(values, slopes, widths.to(dtype))


class _Grid(NamedTuple):
    """The clip's segments, each transformed; responses are computed at every (n_hops / n_coarse)th bin."""

    hop: int
    segments: Segments
    n_coarse: int

    @property
    def n_fft(self) -> int:
        return self.segments.n_hops * self.hop


def _tail_and_grid(hop: int, window: int, n_frames: int) -> tuple[int, _Grid]:
    """Frames on both sides where a band-limited window has not died away; segments of all hops that windows reach."""
    tail = -(-window // (4 * hop))
    return tail, _grid(hop, window, n_frames + 2 * tail + -(-window // hop) - 1)


@lru_cache(maxsize=256)
def _grid(hop: int, window: int, n_hops: int) -> _Grid:
    """For at least `n_hops`; quick to transform, and responses at four times the points that they need, or more.

    Neighbours share the length of two windows: one that a filter reaches for, and one for what fading leaves.
    """
    least, margin = -(-2 * window // hop), -(-window // hop)
    grids = []
    for n_coarse in (2 * n for n in range(least, 2 * least) if smooth(n) == n):
        n_most = max(2 * n_coarse, _SEGMENT_WINDOWS * window // hop)
        for n_segment in (n_coarse * n for n in range(1, n_most // n_coarse + 1) if smooth(n) == n):
            if n_segment > 2 * margin:
                count = -(-n_hops // (n_segment - 2 * margin))
                grids.append(_Grid(hop, Segments(count, n_segment, margin), n_coarse))
    return min(grids, key=lambda grid: grid.segments.n_segments * grid.segments.n_hops)


def _spectra(samples: Tensor, before: int, grid: _Grid, n_mirrored: int) -> Tensor:
    """samples (batch, samples) behind `before` zeros -> (batch x segment, bin), both ends mirrored.

    Bins are -n_mirrored .. n_fft/2 + n_mirrored. In float64, as single precision would leave noise at -140 dB of
    the loudest part in every band, and some recordings have nothing louder in theirs.
    """
    n_fft, step = grid.n_fft, grid.segments.n_inner * grid.hop
    after = (grid.segments.n_segments - 1) * step + n_fft - before - samples.shape[1]
    exact = samples if samples.device.type == "mps" else samples.double()
    segments = F.pad(exact, (before, max(after, 0))).unfold(1, n_fft, step)[:, : grid.segments.n_segments].flatten(0, 1)
    half = torch.fft.rfft(segments).to(torch.complex64 if samples.dtype == torch.float32 else torch.complex128)
    left, right = half[:, 1 : n_mirrored + 1].flip(1), half[:, n_fft // 2 - n_mirrored : n_fft // 2].flip(1)
    return torch.cat([left.conj(), half, right.conj()], 1)


def _responses(
    centers: Tensor,
    sigmas: Tensor,
    window: int,
    fades: Sequence[Fade],
    rate: int,
    grid: _Grid,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """First bin of each band, and points of responses (band, n_coarse x rate + taps - 1): Gaussians cut to `window`.

    Points lie n_hops / n_coarse bins apart, and begin some before the first bin, for the interpolation.
    """
    n_low, bin_width = grid.segments.n_hops * rate, 2 * math.pi / grid.n_fft
    middle = torch.round(centers.detach() / bin_width)
    offset = (middle * bin_width - centers).to(dtype)  # of the middle bin from the centre
    tables = _waves(window // 2 + 1, rate * grid.n_coarse, grid.n_coarse * grid.hop, dtype)
    place, *waves = (table.to(offset.device) for table in tables)
    scale = near_share(place + offset.detach()[:, None], fades, window).mul_(n_low / grid.n_fft)
    points: Tensor = _Points.apply(offset, sigmas.to(dtype), *waves, scale)
    return middle.to(torch.int64) - n_low // 2, points


class _Points(torch.autograd.Function):
    """Offsets and sigmas (band,), cosines and sines (tap, point), scale (band, point) -> responses (band, point).

    That of the Gaussian of area one, cut to its taps, at the points' frequencies plus the offset; sums over both sides.
    """

    @staticmethod
    def forward(ctx: Any, offsets: Tensor, sigmas: Tensor, cosines: Tensor, sines: Tensor, scale: Tensor) -> Tensor:
        t = torch.arange(cosines.shape[0], device=sigmas.device, dtype=sigmas.dtype)
        taps = torch.exp(-0.5 * (t / sigmas[:, None]).square()).mul_(2 / (math.sqrt(2 * math.pi) * sigmas[:, None]))
        taps[:, 0] /= 2
        phases = offsets[:, None] * t
        even, odd = taps * phases.cos(), taps * phases.sin()
        ctx.save_for_backward(sigmas, t, even, odd, cosines, sines, scale)
        return torch.addmm(even @ cosines, odd, sines, alpha=-1).mul_(scale)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        sigmas, t, even, odd, cosines, sines, scale = ctx.saved_tensors
        to_points = gradients[0] * scale
        to_even, to_odd = to_points @ cosines.T, to_points @ sines.T
        to_offsets = -(odd * to_even).addcmul_(even, to_odd) @ t
        by_tap = (even * to_even).addcmul_(odd, to_odd, value=-1)
        to_sigmas = by_tap @ t.square() / sigmas**3 - by_tap.sum(1) / sigmas
        return to_offsets, to_sigmas, None, None, None


@lru_cache(maxsize=64)
def _waves(n_taps: int, n_points: int, size: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Points 2 pi / size apart, round 0 and some more at both ends; cosines and sines there (tap, point)."""
    with torch.inference_mode(False):  # kept for later calls, which may train
        point = torch.arange(n_points + _TAPS - 1) - n_points // 2 - (_TAPS // 2 - 1)
        angle = (torch.arange(n_taps)[:, None] * point % size).double() * (2 * math.pi / size)
        return (point.double() * (2 * math.pi / size)).to(dtype), angle.cos().to(dtype), angle.sin().to(dtype)


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
        distance = (at[:, None] - torch.arange(window)) * (rate / hop)
        return torch.sinc(distance) if rate == hop else _raised_cosine(distance)


def _raised_cosine(x: Tensor) -> Tensor:
    """Band-limited kernel at x samples, any shape: flat up to 1 - roll-off of half the rate, 0 from 1 + roll-off on.

    A sinc's tails, cut, would let loud frames be heard in quiet ones some windows away.
    """
    below = 1 - (2 * _ROLL_OFF * x).square()  # nothing at the kernel's two removable poles
    at_poles = math.pi / 4 * torch.sinc(torch.tensor(0.5 / _ROLL_OFF, dtype=x.dtype))
    return torch.where(below.abs() < 1e-9, at_poles, torch.sinc(x) * torch.cos(math.pi * _ROLL_OFF * x) / below)


def smooth(n: int) -> int:
    """The smallest number from n on that has no prime factor above 5: quick to transform."""
    rest = n
    for factor in (2, 3, 5):
        while rest % factor == 0:
            rest //= factor
    return n if rest == 1 else smooth(n + 1)
