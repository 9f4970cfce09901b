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

_SEGMENT_OVER_WINDOW = 2.15  # two windows less one sample count; the rest is for the taper
_CYCLES = 8.0  # a window: how far apart pairs may lie
_HEARD_CYCLES = 3.0  # how far apart those that parameters hear of
_BLOCK_BYTES = 8 * 2**20  # of pairs that are held at once


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


def pair_energies(spectra: Tensor, centers: Tensor, filters: Tensor, windows: Tensor) -> Tensor:
    """What pairs say that are not within a filter's near share: spectra (batch, frame, bin) -> (batch, band, frame).

    Complex filters (band, window) and real windows (band, window), both symmetric round their middle (window odd), in
    float64. Parameters hear of the first differences only: the others are some hundredths of what these say.
    """
    size = 2 * (spectra.shape[-1] - 1)
    n_differences, n_heard = (round(cycles * size / windows.shape[1]) for cycles in (_CYCLES, _HEARD_CYCLES))
    real, imaginary = _bins(spectra.flatten(0, 1), -((n_differences + 1) // 2), size // 2 + n_differences)
    first = Pairs(-((n_differences + 1) // 2), size // 2, 0, n_heard)
    others = first._replace(first_difference=n_heard + 1, last_difference=n_differences)
    energies: Tensor = _Pairs.apply(real, imaginary, _pair_weights(centers, filters, windows, size, first, real.dtype), first)
    with torch.no_grad():
        weights = _pair_weights(centers, filters, windows, size, others, real.dtype)
    energies = energies + _Pairs.apply(real, imaginary, weights, others)
    return energies.view(*spectra.shape[:2], -1).mT


def _bins(spectrum: Tensor, first: int, last: int) -> tuple[Tensor, Tensor]:
    """Bins 0 .. K/2 (row, bin) -> real and imaginary parts of bins first .. last, mirrored at both ends."""
    half = spectrum.shape[1] - 1
    inner = spectrum[:, max(first, 0) : min(last, half) + 1]
    left = spectrum[:, 1 : 1 + max(-first, 0)].flip(1)
    right = spectrum[:, half - max(last - half, 0) : half].flip(1)
    real = torch.cat([left.real, inner.real, right.real], 1)
    return real, torch.cat([-left.imag, inner.imag, -right.imag], 1)


def _pair_weights(
    centers: Tensor, filters: Tensor, windows: Tensor, size: int, which: Pairs, precision: torch.dtype
) -> Tensor:
    """Weights (band, difference x first bin) of pairs (f, f + d).

    Pairs (f, f + d) and (-f - d, -f) say the same of a real signal, so that only those whose middle f + d/2 lies
    between bins 0 and K/2 are counted: twice, or once on the two ends, where both are one pair.
    """
    device, dtype = windows.device, windows.dtype
    n = torch.arange(windows.shape[1], device=device) - windows.shape[1] // 2
    d = torch.arange(which.first_difference, which.last_difference + 1, device=device)
    f = torch.arange(which.first, which.last + which.last_difference + 1, device=device)
    response: Tensor = torch.fft.fft(_around_zero(filters, size)).real  # (band, K): filters are symmetric
    theta = torch.arange(size, device=device, dtype=dtype) * (2 * math.pi / size) - centers.detach()[:, None]
    near = response * near_share(torch.remainder(theta + math.pi, 2 * math.pi) - math.pi, windows.shape[1])
    response, near = response.to(precision), near.to(precision)
    middle = 2 * f[: which.last - which.first + 1] + d[:, None]  # twice f + d/2
    inside = (middle >= 0) & (middle <= size)
    ends = (middle == 0) | (middle == size)  # where a pair is its own mirror image
    counts = inside.to(dtype) * torch.where(ends, 0.5, 1.0).to(dtype)
    # the segment begins K/2 before the window's middle, which turns every second bin's sign
    signs = torch.where(d % 2 == 0, 1, -1) * torch.where(d == 0, 1, 2)
    cosines = torch.cos((n * d[:, None]).to(dtype) * (2 * math.pi / size)) * (signs.to(dtype) / size**2)[:, None]
    products: Tensor = _Products.apply(response[:, f % size], response[:, -f % size], which)
    within: Tensor = _Products.apply(near[:, f % size], near[:, -f % size], which)
    return ((products - within) * counts.to(precision) * (windows @ cosines.T).to(precision)[:, :, None]).flatten(1)


def _around_zero(filters: Tensor, size: int) -> Tensor:
    """filters (band, window) -> (band, size), their middle at sample 0."""
    before = filters.shape[1] // 2
    return F.pad(filters, (0, size - filters.shape[1])).roll(-before, 1)


class _Products(torch.autograd.Function):
    """Responses (band, bin) at f and at -f, H(f) H(f + d) + H(-f) H(-f - d) of the pairs (band, difference, bin)."""

    @staticmethod
    def forward(ctx: Any, there: Tensor, mirrored: Tensor, which: Pairs) -> Tensor:
        ctx.save_for_backward(there, mirrored)
        ctx.which = which
        n_first = which.last - which.first + 1
        return _multiply(there, mirrored, which, there.new_empty(there.shape[0], which.n_differences, n_first))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        there, mirrored = (_undo_product(gradients[0], part, ctx.which) for part in ctx.saved_tensors)
        return there, mirrored, None


class _Pairs(torch.autograd.Function):
    """(row, bin) real and imaginary parts, weights (band, difference x bin) -> (row, band), blocks of rows at a time.

    The pairs are some twenty times the spectrum, so backward makes them again instead of keeping them.
    """

    @staticmethod
    def forward(ctx: Any, real: Tensor, imaginary: Tensor, weights: Tensor, which: Pairs) -> Tensor:
        ctx.save_for_backward(real, imaginary, weights)
        ctx.which = which
        energies = real.new_empty(real.shape[0], weights.shape[0])
        for rows, pairs in _blocks(real, imaginary, which):
            torch.mm(pairs, weights.T, out=energies[rows])
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
                of_weights.addmm_(gradient[rows].T, pairs)
        of_real = of_imaginary = None
        if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
            of_pairs = (gradient @ weights).view(gradient.shape[0], ctx.which.n_differences, -1)
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
