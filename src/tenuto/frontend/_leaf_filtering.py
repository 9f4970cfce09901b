"""Bands of a spectrum, filtered, back in time, squared and pooled: one differentiable step, a few bands at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

_BLOCK_BYTES = 2 * 2**20  # of spectrum held at once: what a core's own cache holds


class Bands(NamedTuple):
    """Where bands begin in the spectrum, their samples a hop, and how many frames are wanted."""

    first: list[int]
    rate: int
    n_frames: int


def filtered_energies(spectrum: Tensor, response: Tensor, windows: Tensor, bands: Bands) -> Tensor:
    """Spectrum (batch, bin), real response (band, low bin), windows (band, hops x rate) -> (batch, band, frame).

    Frame k's window begins at hop k. A band's lowest bin becomes bin 0, which turns phases, of which the modulus
    knows nothing.
    """
    energies: Tensor = _Filtered.apply(spectrum, response, windows, bands)
    return energies


class _Filtered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, spectrum: Tensor, response: Tensor, windows: Tensor, bands: Bands) -> Tensor:
        blocks = []
        energies = windows.new_empty(spectrum.shape[0], len(bands.first), bands.n_frames)
        for block in _blocks(spectrum, response):
            low = torch.fft.ifft(_cut(spectrum, response.shape[1], bands.first[block]).mul_(response[block]))
            _pool(_power(low), windows[block], bands, out=energies[:, block])
            blocks.append(low)
        ctx.save_for_backward(spectrum, response, windows, *(blocks if any(ctx.needs_input_grad) else ()))
        ctx.bands = bands
        return energies

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        spectrum, response, windows, *lows = ctx.saved_tensors
        bands, n_low = ctx.bands, response.shape[1]
        of_spectrum = torch.zeros_like(spectrum) if ctx.needs_input_grad[0] else None
        of_response, of_windows = torch.empty_like(response), torch.empty_like(windows)
        for block, low in zip(_blocks(spectrum, response), lows, strict=True):
            gradient = gradients[0][:, block]
            of_windows[block] = _pool_windows(_power(low), gradient, bands, windows.shape[1] // bands.rate)
            of_power = _unpool(gradient, windows[block], bands, n_low // bands.rate)
            of_bands = torch.fft.fft(low * of_power.mul_(2), norm="forward")
            pieces = _cut(spectrum, n_low, bands.first[block])
            products = torch.view_as_real(pieces).mul_(torch.view_as_real(of_bands))
            of_response[block] = products.sum(0).sum(-1)
            if of_spectrum is not None:
                for i, first in enumerate(bands.first[block]):
                    of_spectrum[:, first : first + n_low] += of_bands[:, i] * response[block][i]
        return of_spectrum, of_response, of_windows, None


def _blocks(spectrum: Tensor, response: Tensor) -> Iterator[slice]:
    n_bands, n_low = response.shape
    size = max(1, _BLOCK_BYTES // (spectrum.shape[0] * n_low * spectrum.element_size()))
    for start in range(0, n_bands, size):
        yield slice(start, min(start + size, n_bands))


def _cut(spectrum: Tensor, n_low: int, first: list[int]) -> Tensor:
    """Spectrum (batch, bin) -> bands (batch, band, low bin)."""
    return torch.stack([spectrum[:, k : k + n_low] for k in first], 1)


def _power(low: Tensor) -> Tensor:
    """|low|^2, any shape."""
    squares = torch.view_as_real(low).square()
    return squares[..., 0] + squares[..., 1]


def _pool(power: Tensor, windows: Tensor, bands: Bands, out: Tensor) -> None:
    """power (batch, band, sample) under windows (band, hops x rate) -> out (batch, band, frame)."""
    hops = power.view(*power.shape[:2], -1, bands.rate)
    shares = hops @ windows.view(windows.shape[0], -1, bands.rate).mT  # (batch, band, hop, hops from the frame's)
    torch.sum(_diagonals(shares, bands.n_frames), -1, out=out)


def _diagonals(shares: Tensor, n_frames: int) -> Tensor:
    """shares (..., hop, m) -> (..., frame, m), a view: m hops behind the frame's."""
    *outer, hop, inner = shares.stride()
    size = (*shares.shape[:2], n_frames, shares.shape[-1])
    return shares.as_strided(size, (*outer, hop, hop + inner))


def _pool_windows(power: Tensor, gradient: Tensor, bands: Bands, n_window_hops: int) -> Tensor:
    """power (batch, band, sample), gradient (batch, band, frame) -> of windows (band, hops x rate)."""
    hops = power.view(*power.shape[:2], -1, bands.rate)
    heard = _heard(gradient, hops.shape[2], n_window_hops)
    return (heard.mT @ hops).sum(0).flip(1).flatten(1)


def _unpool(gradient: Tensor, windows: Tensor, bands: Bands, n_hops: int) -> Tensor:
    """gradient (batch, band, frame), windows (band, hops x rate) -> of power (batch, band, sample)."""
    by_hop = windows.view(windows.shape[0], -1, bands.rate)
    return (_heard(gradient, n_hops, by_hop.shape[1]) @ by_hop.flip(1)).flatten(2)


def _heard(gradient: Tensor, n_hops: int, n_window_hops: int) -> Tensor:
    """gradient (batch, band, frame) -> (batch, band, hop, m), a view: of the frames that hop is in, last one last."""
    before = n_window_hops - 1
    return F.pad(gradient, (before, n_hops - gradient.shape[-1])).unfold(2, n_window_hops, 1)
