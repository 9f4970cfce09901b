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
from functools import lru_cache, partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tenuto.frontend._leaf_filtering import Bands, Segments, filtered_energies
from tenuto.frontend._leaf_rates import Bank, Rate
from tenuto.frontend._leaf_responses import Bins, of_rates, responses
from tenuto.frontend._remembered import Remember, made

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
    window, device = bank.windows.shape[1], samples.device
    tail, grid = _tail_and_grid(hop, window, n_frames)
    # frame k's window begins at sample (k + tail) hop behind the first segment's margin
    before = (tail + grid.segments.margin) * hop - (window - 1) // 2
    order = sorted(range(len(rates)), key=lambda i: rates[i].samples)
    in_order = torch.tensor([places[i] for i in order], device=device), [rates[i] for i in order]
    make = partial(_parameters, bank, *in_order, grid, tail, samples.dtype)
    firsts, (of_bins, of_windows, widths) = remember(("bands", grid, tail, samples.dtype), make)
    n_mirrored = rates[order[-1]].samples * grid.segments.n_hops // 2
    spectrum = _spectra(samples, before, grid, n_mirrored)
    segments = grid.segments
    bands = [Bands(first + n_mirrored, rate, n_frames, segments) for rate, first in firsts]
    back = torch.tensor(order, device=device).argsort()
    return filtered_energies(spectrum, of_bins, of_windows, widths, bands).index_select(0, back).transpose(0, 1)


def _parameters(
    bank: Bank, places: Tensor, rates: list[Rate], grid: _Grid, tail: int, dtype: torch.dtype
) -> tuple[list[tuple[int, Tensor]], tuple[tuple[Tensor, ...], list[Tensor], Tensor]]:
    """What depends on parameters alone: rates in samples a hop and first bins; responses, windows, widths.

    Rates in ascending order.
    """
    centers, sigmas, widths, windows = (
        of.index_select(0, places) for of in (bank.centers, bank.sigmas, bank.widths, bank.windows)
    )
    window, runs = windows.shape[1], of_rates(rates)
    middle, of_bins = responses(centers, sigmas, window, rates, grid.bins, dtype)
    both = _windows_and_slopes(windows.detach(), widths.detach())
    of_windows = [_at_rate(both[rows], _resampling(window, grid.hop, rate, tail), rate, dtype) for rate, rows in runs]
    firsts = [(rate, middle[rows] - grid.segments.n_hops * rate // 2) for rate, rows in runs]
    return firsts, (of_bins, of_windows, widths.to(dtype))


def _windows_and_slopes(windows: Tensor, widths: Tensor) -> Tensor:
    """Gaussian windows (band, window) of widths (band,), shares of half of it -> with slopes (band, 2, window)."""
    place = torch.linspace(-1, 1, windows.shape[1], dtype=windows.dtype, device=windows.device)
    return torch.stack([windows, windows * (place / widths[:, None]).square() / widths[:, None]], 1)


def _at_rate(windows: Tensor, resampling: Tensor, rate: int, dtype: torch.dtype) -> Tensor:
    """windows (band, 2, window) -> at a band's rate, each value twice (band, 2, hop, 2 x sample)."""
    resampled = (windows @ resampling.to(windows).T).to(dtype)
    return resampled.view(*resampled.shape[:2], -1, rate).repeat_interleave(2, 3)


class _Grid(NamedTuple):
    """The clip's segments, each transformed; responses are computed at every (n_hops / n_coarse)th bin."""

    hop: int
    segments: Segments
    n_coarse: int

    @property
    def bins(self) -> Bins:
        return Bins(self.hop, self.segments.n_hops, self.n_coarse)


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
    n_fft, step = grid.bins.n_fft, grid.segments.n_inner * grid.hop
    after = (grid.segments.n_segments - 1) * step + n_fft - before - samples.shape[1]
    exact = samples if samples.device.type == "mps" else samples.double()
    segments = F.pad(exact, (before, max(after, 0))).unfold(1, n_fft, step)[:, : grid.segments.n_segments].flatten(0, 1)
    half = torch.fft.rfft(segments).to(torch.complex64 if samples.dtype == torch.float32 else torch.complex128)
    left, right = half[:, 1 : n_mirrored + 1].flip(1), half[:, n_fft // 2 - n_mirrored : n_fft // 2].flip(1)
    return torch.cat([left.conj(), half, right.conj()], 1)


@lru_cache(maxsize=64)
def _resampling(window: int, hop: int, rate: int, tail: int) -> Tensor:
    """(hops x rate, window) float64: a window at full rate -> its band-limited self at `rate` samples a hop.

    From `tail` hops before the window to `tail` hops behind it. At full rate: the window and zeros.
    """
    n_hops = 2 * tail + -(-window // hop)
    with torch.inference_mode(False):
        at = torch.arange(n_hops * rate, dtype=torch.float64, device="cpu") * (hop / rate) - tail * hop
        distance = (at[:, None] - torch.arange(window, device="cpu")) * (rate / hop)
        return torch.sinc(distance) if rate == hop else _raised_cosine(distance)


def _raised_cosine(x: Tensor) -> Tensor:
    """Band-limited kernel at x samples, any shape: flat up to 1 - roll-off of half the rate, 0 from 1 + roll-off on.

    A sinc's tails, cut, would let loud frames be heard in quiet ones some windows away.
    """
    below = 1 - (2 * _ROLL_OFF * x).square()  # nothing at the kernel's two removable poles
    at_poles = math.pi / 4 * torch.sinc(x.new_tensor(0.5 / _ROLL_OFF))
    return torch.where(below.abs() < 1e-9, at_poles, torch.sinc(x) * torch.cos(math.pi * _ROLL_OFF * x) / below)


def smooth(n: int) -> int:
    """The smallest number from n on that has no prime factor above 5: quick to transform."""
    rest = n
    for factor in (2, 3, 5):
        while rest % factor == 0:
            rest //= factor
    return n if rest == 1 else smooth(n + 1)
