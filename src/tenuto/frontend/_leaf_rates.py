"""Which way each of LEAF's filters goes, how wide its sub-band is, and where a long filter's fades out."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

# A filter whose sigma is up to this share of the window is below 1e-4 of its peak where the window ends.
_SHORT = 0.11
# A learned window as short as this, as a share of its half, is no low-pass that pairs of near bins could do for.
_SHORT_POOLING = 0.15
_LEAST_WINDOW = 64  # samples; a shorter one's segments have too few bins for pairs
_BAND_SIGMAS = 5.0  # half a short filter's band in standard deviations of the response: -108 dB
_POOL_SIGMAS = 4.3  # the same for the window, -80 dB
# A filter whose sigma is above this share of the window has more than 1e-2 of its peak where the window ends.
_STRONG = 0.165


class Bank(NamedTuple):
    """What parameters say of filters, in their precision."""

    centers: Tensor  # (band,) radians a sample
    sigmas: Tensor  # (band,) samples
    widths: Tensor  # (band,) of the windows, shares of half of one
    filters: Tensor  # (band, window), complex
    windows: Tensor  # (band, window)


class Ways(NamedTuple):
    """Which filters (their places in the bank) go which way."""

    short: list[int]
    long: list[int]
    direct: list[int]


class Fade(NamedTuple):
    """Where what a sub-band holds of a response begins to fall, and ends: cycles a window from the filter's centre."""

    start: float
    end: float


# By measurement.
STRONG_FADE = Fade(11.0, 25.0)  # of long filters with strong ends, thus strong side lobes
_WEAK_FADE = Fade(6.0, 12.5)  # of the other long ones
_NO_FADE = Fade(1e6, 2e6)  # of short ones
_QUICK = sorted({factor << n for factor in (2, 3, 5) for n in range(20)})  # rates that are quick to transform


class Rate(NamedTuple):
    """Samples a hop of a filter's band, and where it is faded out."""

    samples: int
    fade: Fade


def ways_and_rates(bank: Bank, hop: int) -> tuple[Ways, list[Rate]]:
    """Which way filters go, and the rates of the long ones, then of the short ones."""
    sigmas, widths, window = bank.sigmas.tolist(), bank.widths.tolist(), bank.windows.shape[1]
    ways = Ways([], [], [])
    for i, (sigma, width) in enumerate(zip(sigmas, widths, strict=True)):
        if sigma <= _SHORT * window:
            ways.short.append(i)
        else:
            (ways.long if window >= _LEAST_WINDOW and width >= _SHORT_POOLING else ways.direct).append(i)
    short = [_short_rate(sigmas[i], widths[i] * 0.5 * (window - 1), hop) for i in ways.short]
    return ways, [_long_rate(sigmas[i], window, hop) for i in ways.long] + short


def _short_rate(sigma: float, window_sigma: float, hop: int) -> Rate:
    """What a short filter needs; both widths in samples."""
    band = 2 * _BAND_SIGMAS / (2 * math.pi * sigma)  # cycles a sample, both sides
    pooled = _POOL_SIGMAS / (2 * math.pi * window_sigma)  # differences in the band beyond it are pooled away
    return Rate(_round_rate((band + min(band, pooled)) * hop, hop), _NO_FADE)


def _long_rate(sigma: float, window: int, hop: int) -> Rate:
    """What a long filter's near share needs."""
    fade = STRONG_FADE if sigma > _STRONG * window else _WEAK_FADE
    return Rate(_round_rate(2 * fade.end / window * hop, hop), fade)


def _round_rate(wanted: float, hop: int) -> int:
    """The smallest of 2, 3 and 5 times a power of two that is not below `wanted`; at most `hop`."""
    place = bisect_left(_QUICK, wanted)
    return hop if place == len(_QUICK) else min(hop, _QUICK[place])


def near_share(theta: Tensor, fades: Sequence[Fade], window: int) -> Tensor:
    """Of filters' responses at theta (band, any) radians a sample from their centres: 1, falling to 0."""
    ends = torch.tensor(fades, dtype=theta.dtype, device=theta.device) * (2 * math.pi / window)
    return fall(theta.abs(), ends[:, :1], ends[:, 1:])


def fall(values: Tensor, start: Tensor | float, end: Tensor | float) -> Tensor:
    """1 up to `start`, falling as steeply as Hann's window is high to 0 at `end`; any shape.

    Two derivatives are nothing at both ends (a squared cosine has one), so that what it cuts rings less.
    """
    place = ((values - start) / (end - start)).clamp(0, 1)
    return 1 - place + torch.sin(2 * math.pi * place) / (2 * math.pi)
