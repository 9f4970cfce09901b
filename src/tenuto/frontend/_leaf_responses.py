"""Responses of LEAF's filters on the bins of their sub-bands, differentiable in centres and widths.

A response, the transform of a Gaussian cut to its taps, is smooth: computed at every few bins, interpolated between.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import accumulate, groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tenuto.frontend._leaf_rates import Rate, near_share

_TAPS = 12  # of the interpolation between coarse points of a response, which errs by 1e-6
_KAISER_BETA = 12.5


class Bins(NamedTuple):
    """Of a transform of n_hops hops: p samples a hop are p n_hops bins; responses are computed at p n_coarse."""

    hop: int
    n_hops: int
    n_coarse: int

    @property
    def n_fft(self) -> int:
        return self.n_hops * self.hop


def of_rates(rates: list[Rate]) -> list[tuple[int, slice]]:
    """Rates in ascending order -> each in samples a hop, and which filters have it."""
    runs = [(samples, len(list(run))) for samples, run in groupby(rate.samples for rate in rates)]
    stops = accumulate(count for _, count in runs)
    return [(samples, slice(stop - count, stop)) for (samples, count), stop in zip(runs, stops, strict=True)]


def responses(
    centers: Tensor, sigmas: Tensor, window: int, rates: list[Rate], bins: Bins, dtype: torch.dtype
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Centres, sigmas (band,) -> middle bins (band,); of each rate responses, each value twice (band, low bin x 2).

    Rates come in ascending order. Gaussians of area one cut to `window` samples, as far as they are near shares.
    """
    bin_width, runs = 2 * math.pi / bins.n_fft, of_rates(rates)
    middle = torch.round(centers.detach() / bin_width).nan_to_num()  # of a centre that is no number: any
    offset = (middle * bin_width - centers).to(dtype)  # of the middle bin from the centre
    most = runs[-1][0] * bins.n_coarse
    tables = _waves(window // 2 + 1, most, bins.n_coarse * bins.hop, dtype)
    place, *waves = (table.to(offset.device) for table in tables)
    share = near_share(place + offset.detach()[:, None], [rate.fade for rate in rates], window)
    scale = share.mul_(offset.new_tensor([rate.samples / bins.hop for rate in rates])[:, None])
    cuts = [
        (rows, slice((most - n) // 2, (most + n) // 2 + _TAPS - 1))
        for n, rows in ((samples * bins.n_coarse, rows) for samples, rows in runs)
    ]
    between = _interpolation(bins.n_hops // bins.n_coarse).to(offset)
    return middle.to(torch.int64), _Responses.apply(offset, sigmas.to(dtype), *waves, scale, between, cuts)


class _Responses(torch.autograd.Function):
    """Offsets and sigmas (band,), cosines and sines (tap, point), scale (band, point), weights between points ->

    responses of the filters and at the points of each of `cuts`, with as many bins between points as there are weights.
    Sums over taps are over both sides of the Gaussian.
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, ...]:
        offsets, sigmas, cosines, sines, scale, between, cuts = inputs
        t = torch.arange(cosines.shape[0], device=sigmas.device, dtype=sigmas.dtype)
        taps = torch.exp(-0.5 * (t / sigmas[:, None]).square()).mul_(2 / (math.sqrt(2 * math.pi) * sigmas[:, None]))
        taps[:, 0] /= 2
        phases = offsets[:, None] * t
        even, odd = taps * phases.cos(), taps * phases.sin()
        points = torch.addmm(even @ cosines, odd, sines, alpha=-1).mul_(scale)
        ctx.save_for_backward(sigmas, t, even, odd, cosines, sines, scale, between)
        ctx.cuts = cuts
        return tuple(_stretched(points[cut], between) for cut in cuts)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        sigmas, t, even, odd, cosines, sines, scale, between = ctx.saved_tensors
        to_points = torch.zeros_like(scale)
        for cut, gradient in zip(ctx.cuts, gradients, strict=True):
            to_points[cut] = _unstretched(gradient, between)
        to_points *= scale
        to_even, to_odd = to_points @ cosines.T, to_points @ sines.T
        to_offsets = -(odd * to_even).addcmul_(even, to_odd) @ t
        by_tap = (even * to_even).addcmul_(odd, to_odd, value=-1)
        to_sigmas = by_tap @ t.square() / sigmas**3 - by_tap.sum(1) / sigmas
        return to_offsets, to_sigmas, None, None, None, None, None


def _stretched(points: Tensor, between: Tensor) -> Tensor:
    """points (band, coarse + taps - 1), weights (tap, place x 2) -> (band, coarse x place x 2)."""
    return (points.unfold(1, between.shape[0], 1) @ between).flatten(1)


def _unstretched(gradient: Tensor, between: Tensor) -> Tensor:
    """gradient (band, coarse x place x 2) -> of points (band, coarse + taps - 1)."""
    n_taps, n_places = between.shape
    of_taps = between @ gradient.view(gradient.shape[0], -1, n_places).mT  # (band, tap, coarse)
    n_bands, _, n_coarse = of_taps.shape
    n_points = n_coarse + n_taps - 1
    room = of_taps.new_zeros(n_bands, n_taps, n_points)  # tap k's from point k on
    room.as_strided(of_taps.shape, (n_taps * n_points, n_points + 1, 1)).copy_(of_taps)
    return room.sum(1)


@lru_cache(maxsize=64)
def _waves(n_taps: int, n_points: int, size: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Points 2 pi / size apart, round 0 and some more at both ends; cosines and sines there (tap, point)."""
    with torch.inference_mode(False):  # kept for later calls, which may train
        point = torch.arange(n_points + _TAPS - 1, device="cpu") - n_points // 2 - (_TAPS // 2 - 1)
        angle = (torch.arange(n_taps, device="cpu")[:, None] * point % size).double() * (2 * math.pi / size)
        return (point.double() * (2 * math.pi / size)).to(dtype), angle.cos().to(dtype), angle.sin().to(dtype)


@lru_cache(maxsize=64)
def _interpolation(n_between: int) -> Tensor:
    """Weights (tap, place x 2), float64, each twice: Kaiser's windowed sinc, from points to places between two."""
    with torch.inference_mode(False):
        place = torch.arange(n_between, dtype=torch.float64, device="cpu") / n_between
        tap = torch.arange(_TAPS, dtype=torch.float64, device="cpu")
        distance = place - (tap - (_TAPS // 2 - 1))[:, None]
        fall = torch.special.i0(_KAISER_BETA * (1 - (distance / (_TAPS // 2)).square()).clamp_min(0).sqrt())
        weights: Tensor = (
            torch.sinc(distance) * fall / torch.special.i0(torch.tensor(_KAISER_BETA, device="cpu").double())
        )
        return weights.repeat_interleave(2, 1)
