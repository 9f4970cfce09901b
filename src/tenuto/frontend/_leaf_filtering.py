"""Bands of a spectrum, filtered, back in time, squared and pooled: one differentiable step, a few bands at a time."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

_BLOCK_BYTES = 2**21


class Bands(NamedTuple):
    """Where bands begin in the spectrum, their samples a hop, and how many frames are wanted."""

    first: list[int]
    rate: int
    n_frames: int


def filtered_energies(spectrum: Tensor, points: Tensor, between: Tensor, windows: Tensor, bands: Bands) -> Tensor:
    """Spectrum (batch, bin), windows (band, hops x rate) -> energies (batch, band, frame).

    A band's real response (band, low bin) is interpolated from points (band, coarse + taps - 1) by between
    (tap, low bins a point). Frame k's window begins at hop k. A band's lowest bin becomes bin 0, which turns
    phases, of which the modulus knows nothing.
    """
    energies: Tensor = _Filtered.apply(spectrum, points, between, windows, bands)
    return energies


class _Filtered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, spectrum: Tensor, points: Tensor, between: Tensor, windows: Tensor, bands: Bands) -> Tensor:
        n_low = (points.shape[1] - between.shape[0] + 1) * between.shape[1]
        ctx.bands, ctx.blocks = bands, _blocks(spectrum, points.shape[0], n_low)
        energies = windows.new_empty(spectrum.shape[0], points.shape[0], bands.n_frames)
        kept = spectrum.new_empty(spectrum.shape[0], points.shape[0], n_low) if any(ctx.needs_input_grad) else None
        for block in ctx.blocks:
            low = torch.fft.ifft(_cut(spectrum, n_low, bands.first[block]).mul_(_stretch(points[block], between)))
            _pool(low, windows[block], bands, out=energies[:, block])
            if kept is not None:
                kept[:, block] = low
        ctx.save_for_backward(spectrum, points, between, windows, kept)
        return energies

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None, Tensor, None]:
        spectrum, points, between, windows, kept = ctx.saved_tensors
        bands, n_low = ctx.bands, kept.shape[2]
        of_spectrum = torch.zeros_like(spectrum) if ctx.needs_input_grad[0] else None
        of_points, of_windows = torch.empty_like(points), torch.empty_like(windows)
        for block in ctx.blocks:
            gradient, low, first = gradients[0][:, block], kept[:, block], bands.first[block]
            of_windows[block] = _pool_windows(low, gradient, bands, windows.shape[1] // bands.rate)
            of_power = _unpool(gradient, windows[block], bands, n_low // bands.rate)
            of_bands = torch.fft.fft(low * of_power.mul_(2), norm="forward")
            if of_spectrum is not None:
                for i, response in enumerate(_stretch(points[block], between)):
                    of_spectrum[:, first[i] : first[i] + n_low] += of_bands[:, i] * response
            products = torch.view_as_real(_cut(spectrum, n_low, first)).mul_(torch.view_as_real(of_bands))
            of_points[block] = _shrink(products.flatten(2), between)
        return of_spectrum, of_points, None, of_windows, None


def _blocks(spectrum: Tensor, n_bands: int, n_low: int) -> list[slice]:
    size = max(1, _BLOCK_BYTES // (spectrum.shape[0] * n_low * spectrum.element_size()))
    return [slice(start, min(start + size, n_bands)) for start in range(0, n_bands, size)]


def _stretch(points: Tensor, between: Tensor) -> Tensor:
    """points (band, coarse + taps - 1), weights (tap, place) -> response (band, coarse x place)."""
    return (points.unfold(1, between.shape[0], 1) @ between).flatten(1)


def _shrink(products: Tensor, between: Tensor) -> Tensor:
    """Of the response's gradient (batch, band, low bin x part) -> gradient of points (band, coarse + taps - 1)."""
    n_taps, n_places = between.shape
    of_response = products[0] if len(products) == 1 else products.sum(0)
    by_point = of_response.view(of_response.shape[0], -1, 2 * n_places)
    of_taps = between.repeat_interleave(2, 1) @ by_point.mT  # (band, tap, coarse); real and imaginary parts by turns
    total = of_taps.new_zeros(of_taps.shape[0], of_taps.shape[2] + n_taps - 1)
    for tap in range(n_taps):
        total[:, tap : tap + of_taps.shape[2]] += of_taps[:, tap]
    return total


def _cut(spectrum: Tensor, n_low: int, first: list[int]) -> Tensor:
    """Spectrum (batch, bin) -> bands (batch, band, low bin)."""
    return torch.stack([spectrum[:, k : k + n_low] for k in first], 1)


def _squares(low: Tensor, rate: int) -> Tensor:
    """low (batch, band, sample) -> squares of its real and imaginary parts by turns (batch, band, hop, 2 x rate)."""
    parts = torch.view_as_real(low)
    return (parts * parts).view(*low.shape[:2], -1, 2 * rate)


def _pool(low: Tensor, windows: Tensor, bands: Bands, out: Tensor) -> None:
    """|low|^2 of low (batch, band, sample) under windows (band, hops x rate) -> out (batch, band, frame)."""
    both = windows.view(windows.shape[0], -1, bands.rate).repeat_interleave(2, 2)
    shares = both @ _squares(low, bands.rate).mT  # (batch, band, hops from the frame's, hop)
    torch.sum(_diagonals(shares, bands.n_frames), 2, out=out)


def _diagonals(shares: Tensor, n_frames: int) -> Tensor:
    """shares (batch, band, m, hop) -> (batch, band, m, frame), a view: m hops behind the frame's."""
    *outer, inner, hop = shares.stride()
    return shares.as_strided((*shares.shape[:3], n_frames), (*outer, inner + hop, hop))


def _pool_windows(low: Tensor, gradient: Tensor, bands: Bands, n_window_hops: int) -> Tensor:
    """|low|^2 of low (batch, band, sample), gradient (batch, band, frame) -> of windows (band, hops x rate)."""
    squares = _squares(low, bands.rate)
    heard = _heard(gradient, squares.shape[2], n_window_hops)
    both = (heard.mT @ squares).sum(0).flip(1)  # (band, hops, 2 x rate)
    return both.view(*both.shape[:2], bands.rate, 2).sum(-1).flatten(1)


def _unpool(gradient: Tensor, windows: Tensor, bands: Bands, n_hops: int) -> Tensor:
    """gradient (batch, band, frame), windows (band, hops x rate) -> of power (batch, band, sample)."""
    by_hop = windows.view(windows.shape[0], -1, bands.rate)
    return (_heard(gradient, n_hops, by_hop.shape[1]) @ by_hop.flip(1)).flatten(2)


def _heard(gradient: Tensor, n_hops: int, n_window_hops: int) -> Tensor:
    """gradient (batch, band, frame) -> (batch, band, hop, m), a view: of the frames that hop is in, last one last."""
    before = n_window_hops - 1
    return F.pad(gradient, (before, n_hops - gradient.shape[-1])).unfold(2, n_window_hops, 1)
