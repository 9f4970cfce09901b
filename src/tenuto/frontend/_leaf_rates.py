"""How wide the sub-bands of LEAF's filters are, in samples a hop, and where a long filter's fades out."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

_BAND_SIGMAS = 5.0  # half a short filter's band in standard deviations of the response: -108 dB
_POOL_SIGMAS = 4.3  # the same for the window, -80 dB
# Where a long filter's share begins to fade, and ends, in cycles a window from its centre. By measurement.
_NEAR_CYCLES = (11.0, 30.0)


class Rate(NamedTuple):
    """Samples a hop of a filter's band, and whether it is faded out."""

    samples: int
    fades: bool


def short_rate(sigma: float, window_sigma: float, hop: int) -> Rate:
    """What a short filter needs; both widths in samples."""
    band = 2 * _BAND_SIGMAS / (2 * math.pi * sigma)  # cycles a sample, both sides
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
