"""Weights of pairs of bins in the energies of LEAF's long filters, and what of their gradients the filters hear."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tenuto.frontend._leaf_rates import Bank, Fade, fall, near_share

# Pairs further apart than this many cycles a window begin to fade, and end. A sharp end would ring.
FAR_CYCLES = (14.5, 22.0)
_BLOCK_BYTES = 2**20  # of weights that are worked on at once


class Pairs(NamedTuple):
    """Which pairs (f, f + d) are taken into account, in bins: f from `first` up to `last`, d likewise."""

    first: int
    last: int
    first_difference: int
    last_difference: int

    @property
    def n_differences(self) -> int:
        return self.last_difference - self.first_difference + 1

    @property
    def n_first(self) -> int:
        return self.last - self.first + 1

    @property
    def n_pairs(self) -> int:
        return self.n_differences * self.n_first


def pair_weights(
    bank: Bank,
    places: list[int],
    fades: Sequence[Fade],
    size: int,
    which: tuple[Pairs, Pairs],
    dtypes: tuple[torch.dtype, torch.dtype],
) -> tuple[Tensor, Tensor]:
    """Weights (band, difference x first bin) of the pairs that parameters hear of, and of the others.

    Less the weights of pairs in filters' near shares. Bands are the filters of the bank at these places.
    """
    rows = torch.tensor(places, device=bank.centers.device)
    centers, windows = bank.centers.detach().index_select(0, rows), bank.windows.index_select(0, rows)
    halves = bank.filters[:, bank.filters.shape[1] // 2 :].index_select(0, rows)
    response = torch.fft.hfft(halves, n=size).to(dtypes[0])  # (band, K), real: filters are symmetric
    theta = torch.arange(size, device=rows.device).to(dtypes[0]) * (2 * math.pi / size) + math.pi
    theta = torch.remainder(theta - centers.to(dtypes[0])[:, None], 2 * math.pi) - math.pi
    share = near_share(theta, fades, windows.shape[1])
    heard = _weights(response, share, windows, which[0], dtypes[0])
    with torch.no_grad():
        return heard, _weights(response, share, windows, which[1], dtypes[1])


def _weights(response: Tensor, share: Tensor, windows: Tensor, which: Pairs, dtype: torch.dtype) -> Tensor:
    """Weights (band, difference x first bin) of pairs (f, f + d), less those of the near share.

    Pairs (f, f + d) and (-f - d, -f) say the same of a real signal, so that only those whose middle f + d/2 lies
    between bins 0 and K/2 are counted: twice, or once on the two ends, where both are one pair.
    """
    cosines, counts = (table.to(windows.device) for table in _tables(windows.shape[1], response.shape[1], which))
    of_windows = (windows @ cosines.to(windows)).to(response)
    weights: Tensor = _Weights.apply(response, share, of_windows, counts.to(response), which, dtype)
    return weights.flatten(1)


@lru_cache(maxsize=64)
def _tables(window: int, size: int, which: Pairs) -> tuple[Tensor, Tensor]:
    """Cosines (window, difference), float64, of a window's transform; how often pairs count (difference, first bin)."""
    with torch.inference_mode(False):  # kept for later calls, which may train
        n = torch.arange(window, device="cpu") - window // 2
        d = torch.arange(which.first_difference, which.last_difference + 1, device="cpu")
        middle = 2 * torch.arange(which.first, which.last + 1, device="cpu") + d[:, None]  # twice f + d/2
        inside = ((middle >= 0) & (middle <= size)).double()
        counts = inside - 0.5 * ((middle == 0) | (middle == size)).double()  # where a pair is its own mirror image
        # the segment begins K/2 before the window's middle, which turns every second bin's sign
        signs = torch.where(d % 2 == 0, 1, -1) * torch.where(d == 0, 1, 2)
        factors = signs * fall(d * (window / size), *FAR_CYCLES) / size**2
        return torch.cos((n[:, None] * d % size).double() * (2 * math.pi / size)) * factors, counts


def _both_sides(response: Tensor, which: Pairs) -> Tensor:
    """response (band, K) -> (2, band, bin): at bins f from `first` < 0 up to the last that pairs reach, and at -f."""
    first, last = which.first, which.last + which.last_difference
    there = torch.cat([response[:, first:], response[:, : last + 1]], 1)
    return torch.stack([there, torch.cat([response[:, -last:], response[:, : 1 - first]], 1).flip(1)])


def _from_both_sides(to_sides: Tensor, which: Pairs, to_response: Tensor) -> Tensor:
    """Adds to to_response (band, K) what to_sides (2, band, bin) say, and returns it."""
    first, last = which.first, which.last + which.last_difference
    there, mirrored = to_sides[0], to_sides[1].flip(1)
    for begin, part in ((there, slice(first, None)), (mirrored, slice(-last, None))):
        n = to_response[:, part].shape[1]
        to_response[:, part] += begin[:, :n]
        to_response[:, : begin.shape[1] - n] += begin[:, n:]
    return to_response


class _Weights(torch.autograd.Function):
    """Responses H (band, K), near shares' part of them likewise, W (band, difference), counts (difference, bin) ->

    (H(f) H(f + d) + H(-f) H(-f - d) - the same of near shares) W(d) counts, (band, difference, bin).
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        response, share, of_windows, counts, which, dtype = inputs
        shares = _both_sides(share, which)
        far = _both_sides(response, which)
        sides = torch.cat([far, far * shares])  # at f and -f, then the same of near shares
        n_bands, shape = response.shape[0], (which.n_differences, which.n_first)
        weights: Tensor = response.new_empty(n_bands, *shape, dtype=dtype)
        products = response.new_empty(n_bands if any(ctx.needs_input_grad) else 0, *shape)
        for bands in _blocks(weights):
            room = products[bands] if len(products) else response.new_empty(weights[bands].shape)
            torch.mul(_products(sides[:, bands], counts, which, room), of_windows[bands, :, None], out=weights[bands])
        ctx.save_for_backward(sides, shares, of_windows, counts, products)
        ctx.which, ctx.size = which, response.shape[1]
        return weights

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        sides, shares, of_windows, counts, products = ctx.saved_tensors
        weighted = gradients[0] * products
        to_windows = weighted.sum(-1)
        to_products = torch.mul(gradients[0], counts, out=weighted).mul_(of_windows[:, :, None])
        to_far, to_near = undo_product(to_products, sides, ctx.which).chunk(2)
        to_sides = to_far.addcmul_(to_near, shares, value=-1)
        to_response = _from_both_sides(to_sides, ctx.which, sides.new_zeros(sides.shape[1], ctx.size))
        return to_response, None, to_windows, None, None, None


def _blocks(weights: Tensor) -> list[slice]:
    size = max(1, _BLOCK_BYTES // weights[0].nbytes)
    return [slice(start, start + size) for start in range(0, weights.shape[0], size)]


def _products(sides: Tensor, counts: Tensor, which: Pairs, room: Tensor) -> Tensor:
    """sides (4, band, bin) as _Weights has them, counts (difference, bin) -> `room` (band, difference, bin)."""
    products = multiply(sides[0], sides[1], which, room)
    for side in sides[2:]:
        products.addcmul_(*_factors(side, which), value=-1)
    return products.mul_(counts)


def _factors(part: Tensor, which: Pairs) -> tuple[Tensor, Tensor]:
    """part (row, bin) -> at f (row, 1, first bin) and at f + d (row, difference, first bin), views."""
    differences = slice(which.first_difference, which.last_difference + 1)
    return part[:, None, : which.n_first], part.unfold(1, which.n_first, 1)[:, differences]


def multiply(a: Tensor, b: Tensor, which: Pairs, out: Tensor) -> Tensor:
    """a(f) a(f + d) + b(f) b(f + d): twice (row, bin) -> `out` (row, difference, first bin)."""
    torch.mul(*_factors(a, which), out=out)
    return out.addcmul_(*_factors(b, which))


def undo_product(gradient: Tensor, part: Tensor, which: Pairs) -> Tensor:
    """Gradient (row, difference, first bin) of part(f) part(f + d) -> of part (any, row, bin)."""
    n_first, total = gradient.shape[2], torch.zeros_like(part)
    for i, d in enumerate(range(which.first_difference, which.last_difference + 1)):
        total[..., :n_first].addcmul_(gradient[:, i], part[..., d : d + n_first])
        total[..., d : d + n_first].addcmul_(gradient[:, i], part[..., :n_first])
    return total
