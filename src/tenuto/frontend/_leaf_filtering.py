"""Bands of segments' spectra, filtered, back in time, squared and pooled: one differentiable step, some bands a time.

Bands come first in what is held here, so that a band's hops, of all segments of all clips, are rows of one matrix;
and real and imaginary parts lie by turns, as transforms have them, so that real factors of them come twice each.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

_BLOCK_BYTES = 2**20  # of bands that are worked on at once
_KEPT_BYTES = 2**25  # of bands that are kept for the way back; more are made again, quicker than fresh memory is had


class Segments(NamedTuple):
    """A clip in n_segments of n_hops hops; `margin` of them at both ends are its neighbours' too."""

    n_segments: int
    n_hops: int
    margin: int

    @property
    def n_inner(self) -> int:
        return self.n_hops - 2 * self.margin


class Bands(NamedTuple):
    """Where bands begin in the spectrum, their samples a hop, and how many frames are wanted."""

    first: Tensor  # (band,) int64
    rate: int
    n_frames: int
    segments: Segments

    @property
    def n_parts(self) -> int:
        """Of a segment, real and imaginary."""
        return 2 * self.segments.n_hops * self.rate


class Windows(NamedTuple):
    """Windows, each value twice (band, hop, 2 x sample), how their widths (band,) change them (likewise), and these."""

    values: Tensor
    slopes: Tensor
    widths: Tensor


def filtered_energies(spectrum: Tensor, responses: Tensor, windows: Windows, bands: Bands) -> Tensor:
    """Spectrum (batch x segment, bin), windows of bands -> energies (band, batch, frame).

    A band's response is real; it comes twice each, (band, low bin x 2). Frame k's window begins at hop k, hop 0 being
    the first that is no margin. A band's lowest bin becomes bin 0, which turns phases, of which the modulus knows
    nothing.
    """
    energies: Tensor = _Filtered.apply(spectrum, responses, *windows, bands)
    return energies


def stretched(points: Tensor, between: Tensor) -> Tensor:
    """points (band, coarse + taps - 1), weights (tap, place) -> response, each twice (band, coarse x place x 2)."""
    responses: Tensor = _Stretched.apply(points, between.repeat_interleave(2, 1))
    return responses


class _Stretched(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, points: Tensor, between: Tensor) -> Tensor:
        ctx.save_for_backward(between)
        return (points.unfold(1, between.shape[0], 1) @ between).flatten(1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (between,) = ctx.saved_tensors
        n_taps, n_places = between.shape
        of_taps = between @ gradients[0].view(gradients[0].shape[0], -1, n_places).mT  # (band, tap, coarse)
        total = of_taps.new_zeros(of_taps.shape[0], of_taps.shape[2] + n_taps - 1)
        for tap in range(n_taps):
            total[:, tap : tap + of_taps.shape[2]] += of_taps[:, tap]
        return total, None


class _Filtered(torch.autograd.Function):
    """Where widths are learned, bands are pooled under the windows' slopes too: that is all that widths ask for."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        spectrum, responses, windows, slopes, _, bands = inputs
        pooling = [windows, slopes] if ctx.needs_input_grad[4] else [windows]
        keeps = any(ctx.needs_input_grad) and responses.nbytes * spectrum.shape[0] <= _KEPT_BYTES
        kept = _rooms(spectrum, bands) if keeps else []
        pooled = _energies(spectrum, responses, pooling, bands, kept)
        ctx.bands = bands
        ctx.save_for_backward(spectrum, responses, windows, pooled[-1], *kept)
        return pooled[0]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        spectrum, responses, windows, slopes, *kept = ctx.saved_tensors
        bands, (hears_signal, learns) = ctx.bands, ctx.needs_input_grad[:2]
        to_spectrum = torch.zeros_like(spectrum) if hears_signal else None
        to_responses = torch.zeros_like(responses) if learns else None
        back = (2 * windows).flip(1)
        for i, (clips, rows, block) in enumerate(_blocks(spectrum, bands)):
            first = bands.first[block]
            low = kept[i] if kept else torch.fft.ifft(_filter(spectrum[rows], responses[block], first))
            to_low = _unpool(low, gradients[0][block, clips], back[block], bands)
            to_bands = torch.fft.fft(to_low, norm="forward")
            if to_spectrum is not None:
                _unfilter(to_bands, responses[block], first, to_spectrum[rows])
            if to_responses is not None:
                to_responses[block] += _products(to_bands, spectrum[rows], first)
        to_widths = (gradients[0] * slopes).sum((1, 2)) if ctx.needs_input_grad[4] else None
        return to_spectrum, to_responses, None, None, to_widths, None


def _energies(
    spectrum: Tensor, responses: Tensor, pooling: list[Tensor], bands: Bands, kept: list[Tensor]
) -> list[Tensor]:
    """Energies (band, batch, frame) under each of `pooling`, values twice; bands in time go to `kept`, if any."""
    n_clips, windows = spectrum.shape[0] // bands.segments.n_segments, torch.cat(pooling, 1)
    pooled = [responses.new_empty(responses.shape[0], n_clips, bands.n_frames) for _ in pooling]
    for i, (clips, rows, block) in enumerate(_blocks(spectrum, bands)):
        filtered = _filter(spectrum[rows], responses[block], bands.first[block])
        low = torch.fft.ifft(filtered, out=kept[i]) if kept else torch.fft.ifft(filtered)
        _pool(low, windows[block], bands, [each[block, clips] for each in pooled])
    return pooled


def _rooms(spectrum: Tensor, bands: Bands) -> list[Tensor]:
    """Memory for bands in time, a block each, in one piece: many small ones would be given back and had anew."""
    n_low = bands.n_parts // 2
    shapes = [(len(bands.first[block]), len(spectrum[rows]), n_low) for _, rows, block in _blocks(spectrum, bands)]
    room = spectrum.new_empty(len(bands.first), spectrum.shape[0], n_low)
    pieces = room.view(-1).split([math.prod(shape) for shape in shapes])
    return [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]


def _blocks(spectrum: Tensor, bands: Bands) -> list[tuple[slice, slice, slice]]:
    """Which clips, rows of the spectrum and bands to take at once."""
    n_segments, n_bands = bands.segments.n_segments, bands.first.shape[0]
    n_batch = spectrum.shape[0] // n_segments
    n_together = max(1, _BLOCK_BYTES // (n_segments * bands.n_parts * spectrum.element_size() // 2))
    n_clips = min(n_batch, n_together)
    n_block = max(1, n_together // n_clips)
    return [
        (
            slice(clip, clip + n_clips),
            slice(clip * n_segments, (clip + n_clips) * n_segments),
            slice(band, band + n_block),
        )
        for clip in range(0, n_batch, n_clips)
        for band in range(0, n_bands, n_block)
    ]


def _parts(values: Tensor) -> Tensor:
    """Complex (..., n) -> its real and imaginary parts by turns (..., 2 n), a view."""
    return torch.view_as_real(values).flatten(-2)


def _complex(parts: Tensor) -> Tensor:
    """The other way, a view."""
    return torch.view_as_complex(parts.unflatten(-1, (-1, 2)))


def _cuts(spectrum: Tensor, n_parts: int, first: Tensor) -> Tensor:
    """Spectrum (row, bin) -> parts of the bands (band, row, n_parts), cut out in one operation."""
    return _parts(spectrum).unfold(1, n_parts, 2).transpose(0, 1).index_select(0, first)


def _filter(spectrum: Tensor, responses: Tensor, first: Tensor) -> Tensor:
    """Spectrum (row, bin), responses, each twice (band, low bin x 2) -> bands (band, row, low bin)."""
    return _complex(_cuts(spectrum, responses.shape[1], first).mul_(responses[:, None]))


def _unfilter(to_bands: Tensor, responses: Tensor, first: Tensor, to_spectrum: Tensor) -> None:
    """Adds to to_spectrum (row, bin) what to_bands (band, row, low bin) say; bands overlap."""
    n_parts, to_parts = responses.shape[1], _parts(to_spectrum)
    for k, response, to_band in zip(first.tolist(), responses, _parts(to_bands), strict=True):
        to_parts[:, 2 * k : 2 * k + n_parts].addcmul_(to_band, response)


def _products(to_bands: Tensor, spectrum: Tensor, first: Tensor) -> Tensor:
    """to_bands (band, row, low bin), which are overwritten -> of responses (band, low bin x part)."""
    parts = _parts(to_bands)
    return parts.mul_(_cuts(spectrum, parts.shape[2], first)).sum(1)


def _squares(low: Tensor, rate: int) -> Tensor:
    """low (band, row, sample) -> squares of its real and imaginary parts by turns (band, row x hop, 2 x rate)."""
    parts = _parts(low)
    return (parts * parts).view(low.shape[0], -1, 2 * rate)


def _pool(low: Tensor, windows: Tensor, bands: Bands, out: list[Tensor]) -> None:
    """|low|^2 of low (band, row, sample) under windows, values twice, one behind the other -> each of `out`."""
    n_segments, n_hops, margin = bands.segments
    shares = windows @ _squares(low, bands.rate).mT  # (band, hops from the frame's, row x hop)
    inner = shares.view(*shares.shape[:2], -1, n_segments, n_hops)[..., margin : n_hops - margin].flatten(3)
    for each, energies in zip(inner.chunk(len(out), 1), out, strict=True):
        torch.sum(_diagonals(each, bands.n_frames), 1, out=energies)


def _diagonals(shares: Tensor, n_frames: int) -> Tensor:
    """shares (band, m, batch, hop) -> (band, m, batch, frame), a view: m hops behind the frame's."""
    outer, inner, clip, hop = shares.stride()
    return shares.as_strided((*shares.shape[:3], n_frames), (outer, inner + hop, clip, hop))


def _unpool(low: Tensor, gradient: Tensor, by_hop: Tensor, bands: Bands) -> Tensor:
    """gradient (band, batch, frame), twice the windows, last hop first -> of low (band, row, sample)."""
    to_parts = (_heard(gradient, by_hop.shape[1], bands) @ by_hop).view(*low.shape, 2)
    return torch.view_as_complex(to_parts.mul_(torch.view_as_real(low)))


def _heard(gradient: Tensor, n_window_hops: int, bands: Bands) -> Tensor:
    """gradient (band, batch, frame) -> (band, row x hop, m): of the frames that hop is in, last one last."""
    segments = bands.segments
    n_behind = segments.n_segments * segments.n_inner - bands.n_frames
    of_hops = F.pad(gradient, (n_window_hops - 1, n_behind)).unfold(2, n_window_hops, 1)
    by_segment = of_hops.view(*gradient.shape[:2], segments.n_segments, segments.n_inner, n_window_hops)
    return F.pad(by_segment, (0, 0, segments.margin, segments.margin)).flatten(1, 3)
