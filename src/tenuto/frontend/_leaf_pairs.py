"""LEAF's long filters, those that the window cuts off: energies from pairs of bins of one Fourier transform a frame.

A frame's energy is sum_n w[n] |y[n]|^2 over its window, y the filtered clip. On a segment of K samples round the
window, with transform X and a filter's (real) response H, that is (Parseval)

    1 / K^2  sum_f sum_d  W(d) H(f) H(f + d) Re(conj(X(f)) X(f + d)),      W the transform of w.

Only few differences d matter, since w is a low-pass, and what a frame has to say about pairs is the same for
all filters: energies are one matrix product of pairs (frame, pair) and weights (pair, filter). The weights hold a
filter's whole response, the side lobes of its cut ends too, which no sub-band holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tenuto.frontend._leaf_bands import near_share, smooth
from tenuto.frontend._products import product, rough_products
from tenuto.frontend._remembered import Remember, made

_SEGMENT_OVER_WINDOW = 2.15  # two windows less one sample count; the rest is for the taper
_CYCLES = 12.0  # a window: how far apart pairs may lie
_HEARD_CYCLES = 3.0  # how far apart those that parameters hear of
_BLOCK_BYTES = 2 * 2**20  # of pairs that are held at once


def segment_length(window: int) -> int:
    """Samples of the segment that is transformed for one frame: even, with prime factors 2, 3 and 5 only."""
    return smooth(math.ceil(_SEGMENT_OVER_WINDOW * window / 2)) * 2


def taper(window: int) -> Tensor:
    """Weights (segment,), float64: one on the 2 window - 1 samples that matter, falling to zero at both ends."""
    size = segment_length(window)
    distance = (torch.arange(size, dtype=torch.float64) - size // 2).abs()
    fall = ((distance - (window - 1)) / (size // 2 - (window - 1))).clamp(0, 1)
    return torch.cos(fall * (math.pi / 2)).square()


class Pairs(NamedTuple):
    """Which pairs (f, f + d) are taken into account, in bins: f from `first` up to `last`, d likewise."""

    first: int
    last: int
    first_difference: int
    last_difference: int

    @property
    def n_differences(self) -> int:
        return self.last_difference - self.first_difference + 1


def segment_spectra(samples: Tensor, taper: Tensor, window: int, hop: int, n_frames: int) -> Tensor:
    """samples (batch, samples) as LinedUp has them -> spectra of the frames' segments (batch, frame, bin)."""
    size = taper.shape[0]
    # the middle of frame k's window is sample k hop + window - 1 of `samples`
    before = size // 2 - (window - 1)
    after = (n_frames - 1) * hop + size - before - samples.shape[1]
    segments = F.pad(samples, (before, max(after, 0))).unfold(1, size, hop)[:, :n_frames]
    spectra: Tensor = torch.fft.rfft(segments * taper.to(samples.dtype))
    return spectra


def pair_energies(
    spectra: Tensor, centers: Tensor, filters: Tensor, windows: Tensor, remember: Remember = made
) -> Tensor:
    """What pairs say that are not within a filter's near share: spectra (batch, frame, bin) -> (batch, band, frame).

    Complex filters (band, window) and real windows (band, window), both symmetric round their middle (window odd), in
    float64. Parameters hear of the first differences only: the others are some hundredths of what these say.
    """
    size, window = 2 * (spectra.shape[-1] - 1), windows.shape[1]
    n_differences, n_heard = (round(cycles * size / window) for cycles in (_CYCLES, _HEARD_CYCLES))
    heard = Pairs(-((n_differences + 1) // 2), size // 2, 0, n_heard)
    others = heard._replace(first_difference=n_heard + 1, last_difference=n_differences)
    real, imaginary = _bins(spectra.flatten(0, 1), heard.first, heard.last + n_differences)
    weights: tuple[Tensor, Tensor] = remember(
        ("pairs", size, real.dtype), lambda: _weights_of(centers, filters, windows, size, (heard, others), real.dtype)
    )
    energies: Tensor = _Pairs.apply(real, imaginary, weights[0], heard)
    energies = energies + _Pairs.apply(real, imaginary, weights[1], others)
    return energies.view(*spectra.shape[:2], -1).mT


def _weights_of(
    centers: Tensor, filters: Tensor, windows: Tensor, size: int, which: tuple[Pairs, Pairs], dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Weights (band, difference x first bin) of the pairs that parameters hear of, and of the others."""
    response: Tensor = torch.fft.fft(_around_zero(filters, size)).real  # (band, K): filters are symmetric
    theta = torch.arange(size, device=windows.device) * (2 * math.pi / size) + math.pi - centers.detach()[:, None]
    near = response * near_share(torch.remainder(theta, 2 * math.pi) - math.pi, windows.shape[1])
    response, near = response.to(dtype), near.to(dtype)
    heard = _pair_weights(response, near, windows, which[0])
    with torch.no_grad():
        return heard, _pair_weights(response, near, windows, which[1])


def _bins(spectrum: Tensor, first: int, last: int) -> tuple[Tensor, Tensor]:
    """Bins 0 .. K/2 (row, bin) -> real and imaginary parts of bins first .. last, mirrored at both ends."""
    half = spectrum.shape[1] - 1
    inner = spectrum[:, max(first, 0) : min(last, half) + 1]
    left = spectrum[:, 1 : 1 + max(-first, 0)].flip(1)
    right = spectrum[:, half - max(last - half, 0) : half].flip(1)
    real = torch.cat([left.real, inner.real, right.real], 1)
    return real, torch.cat([-left.imag, inner.imag, -right.imag], 1)


def _pair_weights(response: Tensor, near: Tensor, windows: Tensor, which: Pairs) -> Tensor:
    """Weights (band, difference x first bin) of pairs (f, f + d), less those of the near share.

    Pairs (f, f + d) and (-f - d, -f) say the same of a real signal, so that only those whose middle f + d/2 lies
    between bins 0 and K/2 are counted: twice, or once on the two ends, where both are one pair.
    """
    device, size = windows.device, response.shape[1]
    n = torch.arange(windows.shape[1], device=device) - windows.shape[1] // 2
    d = torch.arange(which.first_difference, which.last_difference + 1, device=device)
    middle = 2 * torch.arange(which.first, which.last + 1, device=device) + d[:, None]  # twice f + d/2
    inside = ((middle >= 0) & (middle <= size)).to(response)
    counts = inside - 0.5 * ((middle == 0) | (middle == size)).to(response)  # where a pair is its own mirror image
    # the segment begins K/2 before the window's middle, which turns every second bin's sign
    signs = torch.where(d % 2 == 0, 1, -1) * torch.where(d == 0, 1, 2)
    cosines = torch.cos((n * d[:, None]).to(windows) * (2 * math.pi / size)) * (signs.to(windows) / size**2)[:, None]
    sides = [*_both_sides(response, which), *_both_sides(near, which)]
    of_windows = (windows @ cosines.T).to(response)
    weights: Tensor = _Weights.apply(*sides, of_windows, counts, which)
    return weights.flatten(1)


def _both_sides(response: Tensor, which: Pairs) -> tuple[Tensor, Tensor]:
    """response (band, K) -> at bins f from `first` < 0 up to the last that pairs reach, and at -f: (band, bin)."""
    first, last = which.first, which.last + which.last_difference
    there = torch.cat([response[:, first:], response[:, : last + 1]], 1)
    return there, torch.cat([response[:, -last:], response[:, : 1 - first]], 1).flip(1)


def _around_zero(filters: Tensor, size: int) -> Tensor:
    """filters (band, window) -> (band, size), their middle at sample 0."""
    before = filters.shape[1] // 2
    return F.pad(filters, (0, size - filters.shape[1])).roll(-before, 1)


class _Weights(torch.autograd.Function):
    """Responses (band, bin) at f and -f, near shares likewise, W (band, difference), counts (difference, bin) ->

    (H(f) H(f + d) + H(-f) H(-f - d) - the same of near shares) W(d) counts, (band, difference, bin).
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        there, mirrored, near, near_mirrored, of_windows, counts, which = inputs
        n_first = which.last - which.first + 1
        products = _multiply(there, mirrored, which, there.new_empty(there.shape[0], which.n_differences, n_first))
        products -= _multiply(near, near_mirrored, which, torch.empty_like(products))
        products *= counts
        ctx.save_for_backward(there, mirrored, near, near_mirrored, of_windows, counts, products)
        ctx.which = which
        weights: Tensor = products * of_windows[:, :, None]
        return weights

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        *sides, of_windows, counts, products = ctx.saved_tensors
        to_windows = (gradients[0] * products).sum(-1)
        of_products = gradients[0] * (of_windows[:, :, None] * counts)
        there, mirrored, near, near_mirrored = (_undo_product(of_products, side, ctx.which) for side in sides)
        return there, mirrored, -near, -near_mirrored, to_windows, None, None


class _Pairs(torch.autograd.Function):
    """(row, bin) real and imaginary parts, weights (band, difference x bin) -> (row, band), blocks of rows at a time.

    The pairs are some twenty times the spectrum, so backward makes them again instead of keeping them.
    """

    @staticmethod
    def forward(ctx: Any, real: Tensor, imaginary: Tensor, weights: Tensor, which: Pairs) -> Tensor:
        ctx.save_for_backward(real, imaginary, weights)
        ctx.which = which
        energies = real.new_empty(real.shape[0], weights.shape[0])
        rough = which.first_difference > 0 and rough_products(real)
        weights = weights.bfloat16() if rough else weights
        for rows, pairs in _blocks(real, imaginary, which):
            energies[rows] = product(pairs.bfloat16() if rough else pairs, weights)
        return energies

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        real, imaginary, weights = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        of_weights = None
        if ctx.needs_input_grad[2]:
            of_weights = torch.zeros_like(weights)
            for rows, pairs in _blocks(real, imaginary, ctx.which):
                of_weights += product(gradient[rows].T, pairs.T)
        of_real = of_imaginary = None
        if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
            of_pairs = product(gradient, weights.T).view(gradient.shape[0], ctx.which.n_differences, -1)
            of_real, of_imaginary = (_undo_product(of_pairs, part, ctx.which) for part in (real, imaginary))
        return of_real, of_imaginary, of_weights, None


def _blocks(real: Tensor, imaginary: Tensor, which: Pairs) -> Iterator[tuple[slice, Tensor]]:
    """Yields (rows, pairs (row, difference x bin)), Re(conj(X(f)) X(f + d)); the memory of `pairs` is used again."""
    n_rows, n_first = real.shape[0], which.last - which.first + 1
    n_block = max(1, min(n_rows, _BLOCK_BYTES // (real.element_size() * n_first * which.n_differences)))
    block = real.new_empty(n_block, which.n_differences, n_first)
    for start in range(0, n_rows, n_block):
        rows = slice(start, min(start + n_block, n_rows))
        yield rows, _multiply(real[rows], imaginary[rows], which, block[: rows.stop - start]).flatten(1)


def _multiply(a: Tensor, b: Tensor, which: Pairs, out: Tensor) -> Tensor:
    """a(f) a(f + d) + b(f) b(f + d): twice (row, bin) -> `out` (row, difference, first bin)."""
    n_first = out.shape[2]
    differences = slice(which.first_difference, which.last_difference + 1)
    torch.mul(a[:, None, :n_first], a.unfold(1, n_first, 1)[:, differences], out=out)  # unfold is a view
    return out.addcmul_(b[:, None, :n_first], b.unfold(1, n_first, 1)[:, differences])


def _undo_product(gradient: Tensor, part: Tensor, which: Pairs) -> Tensor:
    """Gradient (row, difference, first bin) of part(f) part(f + d) -> of part (row, bin)."""
    n_first, total = gradient.shape[2], torch.zeros_like(part)
    for i, d in enumerate(range(which.first_difference, which.last_difference + 1)):
        total[:, :n_first].addcmul_(gradient[:, i], part[:, d : d + n_first])
        total[:, d : d + n_first].addcmul_(gradient[:, i], part[:, :n_first])
    return total
