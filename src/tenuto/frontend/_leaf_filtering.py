"""Bands of segments' spectra, filtered, back in time, squared and pooled: one differentiable step, some bands a time.

Bands come first in what is held here, so that a band's hops, of all segments of all clips, are rows of one matrix;
and real and imaginary parts lie by turns, as transforms have them, so that real factors of them come twice each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def filtered_energies(
    spectrum: Tensor, responses: Sequence[Tensor], windows: Sequence[Tensor], widths: Tensor, bands: Sequence[Bands]
) -> Tensor:
    """Spectrum (batch x segment, bin), responses, windows, bands, each by rate -> energies (band, batch, frame).

    Responses are real, (band, low bin x 2); windows of `widths` (all bands,), and how these change them, are
    (band, 2, hop, 2 x sample): values come twice each, for real and imaginary parts. Frame k's window begins at hop k,
    hop 0 being the first that is no margin. A band's lowest bin becomes bin 0, which turns phases, of which the
    modulus knows nothing.
    """
    energies: Tensor = _Filtered.apply(spectrum, widths, windows, bands, *responses)
    return energies


class _Filtered(torch.autograd.Function):
    """Where widths are learned, bands are pooled under the windows' slopes too: that is all that widths ask for."""

    @staticmethod
    def forward(ctx: Any, spectrum: Tensor, widths: Tensor, *others: Any) -> Tensor:
        windows, bands, *responses = others
        kept = _rooms(spectrum, bands) if any(ctx.needs_input_grad) else []
        pooled = _energies(spectrum, responses, windows, bands, 2 if ctx.needs_input_grad[1] else 1, kept)
        ctx.bands, ctx.n_kept = bands, len(kept)
        ctx.save_for_backward(spectrum, pooled[-1], *kept, *windows, *responses)
        return pooled[0]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        spectrum, under_slopes, *saved = ctx.saved_tensors
        kept, rest, bands = saved[: ctx.n_kept], saved[ctx.n_kept :], ctx.bands
        windows, responses = rest[: len(bands)], rest[len(bands) :]
        to_spectrum = torch.zeros_like(spectrum) if ctx.needs_input_grad[0] else None
        learns = any(ctx.needs_input_grad[4:])
        to_responses = [torch.zeros_like(each) if learns else None for each in responses]
        back = [(2 * each[:, 0]).flip(1) for each in windows]
        blocks = _blocks(spectrum, bands) if learns or to_spectrum is not None else []
        for i, (which, clips, rows, block, of_all) in enumerate(blocks):
            response, first = responses[which][block], bands[which].first[block]
            low = kept[i] if kept else torch.fft.ifft(_filter(spectrum[rows], response, first))
            to_low = _unpool(low, gradients[0][of_all, clips], back[which][block], bands[which])
            to_bands = torch.fft.fft(to_low, norm="forward")
            if to_spectrum is not None:
                _unfilter(to_bands, response, first, to_spectrum[rows])
            if (of_rate := to_responses[which]) is not None:
                of_rate[block] += _products(to_bands, spectrum[rows], first)
        to_widths = (gradients[0] * under_slopes).sum((1, 2)) if ctx.needs_input_grad[1] else None
        return to_spectrum, to_widths, None, None, *to_responses


def _energies(
    spectrum: Tensor,
    responses: Sequence[Tensor],
    windows: Sequence[Tensor],
    bands: Sequence[Bands],
    n_windows: int,
    kept: list[Tensor],
) -> list[Tensor]:
    """Energies (band, batch, frame) under each of `n_windows`; bands in time go to `kept`, if any."""
    n_clips, n_bands = spectrum.shape[0] // bands[0].segments.n_segments, sum(len(each.first) for each in bands)
    pooled = [responses[0].new_empty(n_bands, n_clips, bands[0].n_frames) for _ in range(n_windows)]
    for i, (which, clips, rows, block, of_all) in enumerate(_blocks(spectrum, bands)):
        filtered = _filter(spectrum[rows], responses[which][block], bands[which].first[block])
        low = torch.fft.ifft(filtered, out=kept[i]) if kept else torch.fft.ifft(filtered)
        pooling = windows[which][block, :n_windows].flatten(1, 2)
        _pool(low, pooling, bands[which], [each[of_all, clips] for each in pooled])
    return pooled


def _rooms(spectrum: Tensor, bands: Sequence[Bands]) -> list[Tensor]:
    """Memory for bands in time, a block each, if they are to be kept for the way back; all in one piece.

    Small ones an allocator would give back to the system, and have anew at every step.
    """
    shapes = [
        (len(bands[which].first[block]), len(spectrum[rows]), bands[which].n_parts // 2)
        for which, _, rows, block, _ in _blocks(spectrum, bands)
    ]
    sizes = [math.prod(shape) for shape in shapes]
    if sum(sizes) * spectrum.element_size() > _KEPT_BYTES:
        return []
    pieces = torch.split(spectrum.new_empty(sum(sizes)), sizes)
    return [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]


class _Block(NamedTuple):
    """What is worked on at once."""

    which: int  # of the rates
    clips: slice
    rows: slice  # of the spectrum
    bands: slice  # of the rate's
    of_all: slice  # the same of all rates'


def _blocks(spectrum: Tensor, bands: Sequence[Bands]) -> list[_Block]:
    blocks, before = [], 0
    for which, of_rate in enumerate(bands):
        n_segments, n_bands = of_rate.segments.n_segments, of_rate.first.shape[0]
        n_batch = spectrum.shape[0] // n_segments
        n_together = max(1, _BLOCK_BYTES // (n_segments * of_rate.n_parts * spectrum.element_size() // 2))
        n_clips = min(n_batch, n_together)
        n_block = max(1, n_together // n_clips)
        for clip in range(0, n_batch, n_clips):
            rows = slice(clip * n_segments, (clip + n_clips) * n_segments)
            for band in range(0, n_bands, n_block):
                stop = min(band + n_block, n_bands)
                of_all = slice(before + band, before + stop)
                blocks.append(_Block(which, slice(clip, clip + n_clips), rows, slice(band, stop), of_all))
        before += n_bands
    return blocks


def _parts(values: Tensor) -> Tensor:
    """Complex (..., n) -> its real and imaginary parts by turns (..., 2 n), a view."""
    return torch.view_as_real(values).flatten(-2)


def _complex(parts: Tensor) -> Tensor:
    """The other way, a view."""
    return torch.view_as_complex(parts.view(*parts.shape[:-1], -1, 2))


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
