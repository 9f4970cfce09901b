"""LEAF's long filters, those that the window cuts off: energies from pairs of bins of one Fourier transform a frame.

A frame's energy is sum_n w[n] |y[n]|^2 over its window, y the filtered clip. On a segment of K samples round the
window, with transform X and a filter's (real) response H, that is (Parseval)

    1 / K^2  sum_f sum_d  W(d) H(f) H(f + d) Re(conj(X(f)) X(f + d)),      W the transform of w.

Only few differences d matter, since w is a low-pass, and what a frame has to say about pairs is the same for
all filters: energies are one matrix product of pairs (frame, pair) and weights (pair, filter: `_leaf_weights`). The
weights hold a filter's whole response, the side lobes of its cut ends too, which no sub-band holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tenuto.frontend._leaf_bands import smooth
from tenuto.frontend._leaf_rates import STRONG_FADE, Bank, Fade, fall
from tenuto.frontend._leaf_weights import FAR_CYCLES, Pairs, multiply, pair_weights, undo_product
from tenuto.frontend._products import packed, product, rough_products
from tenuto.frontend._remembered import Remember, made

_SEGMENT_OVER_WINDOW = 2.15  # two windows less one sample count; the rest is for the taper
_HEARD_CYCLES = 3.0  # a window: how far apart pairs lie that parameters hear of, and those above all side lobes
_BLOCK_BYTES = 2**22  # of pairs that are held at once
_BLOCKS_A_RUN = 3  # whose segments are transformed at once: 1 MB of 800 samples


def segment_length(window: int) -> int:
    """Samples of the segment that is transformed for one frame: even, with prime factors 2, 3 and 5 only."""
    return smooth(math.ceil(_SEGMENT_OVER_WINDOW * window / 2)) * 2


def taper(window: int) -> Tensor:
    """Weights (segment,), float64: one on the 2 window - 1 samples that matter, falling to zero at both ends."""
    size = segment_length(window)
    distance = (torch.arange(size, dtype=torch.float64) - size // 2).abs()
    return fall(distance, window - 1, size // 2)


class Frames(NamedTuple):
    """Where segments lie, frame k's from sample k hop on, and which pairs count: heard by parameters, and others."""

    hop: int
    n_frames: int
    heard: Pairs
    others: Pairs

    @property
    def first(self) -> int:
        """The bin, below 0, where those that pairs reach begin."""
        return min(self.heard.first, self.others.first)

    def reached(self, which: Pairs, parts: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Parts (row, bin) of all bins that pairs reach -> of those from `which` pairs' first on, views."""
        real, imaginary = (part[:, which.first - self.first :] for part in parts)
        return real, imaginary


def pair_energies(
    samples: Tensor,
    taper: Tensor,
    bank: Bank,
    places: list[int],
    fades: Sequence[Fade],
    hop: int,
    n_frames: int,
    remember: Remember = made,
) -> Tensor:
    """What pairs say that are not within a filter's near share: samples as LinedUp has them -> (batch, band, frame).

    Bands are the filters of the bank at these places, symmetric round their middle (window odd). Parameters hear of
    the first differences only: the others are some hundredths of what these say.
    """
    size, window = taper.shape[0], bank.windows.shape[1]
    heard, others = remember(("which", size), partial(_which_pairs, bank, places, fades, size))
    dtypes = samples.dtype, torch.bfloat16 if rough_products(samples) else samples.dtype
    make = partial(pair_weights, bank, places, fades, size, (heard, others), dtypes)
    if torch.is_grad_enabled():
        weights = make()
    else:
        weights = remember(("pairs", size, dtypes), lambda: tuple(packed(each) for each in make()))
    # the middle of frame k's window is sample k hop + window - 1 of `samples`
    before = size // 2 - (window - 1)
    after = max((n_frames - 1) * hop + size - before - samples.shape[1], 0)
    padded = F.pad(samples, (before, after))
    frames = Frames(hop, n_frames, heard, others)
    energies: Tensor = _Pairs.apply(padded, taper.to(samples.dtype), *weights, frames)
    return energies.mT


def _which_pairs(bank: Bank, places: list[int], fades: Sequence[Fade], size: int) -> tuple[Pairs, Pairs]:
    """Pairs that parameters hear of, and the others: wider apart, up to where strong side lobes end."""
    bins_a_cycle = size / bank.windows.shape[1]
    n_differences, n_heard = math.ceil(FAR_CYCLES[1] * bins_a_cycle) - 1, round(_HEARD_CYCLES * bins_a_cycle)
    heard = Pairs(-((n_heard + 1) // 2), size // 2, 0, n_heard)
    centers = bank.centers.tolist()
    strong = [centers[place] for place, fade in zip(places, fades, strict=True) if fade == STRONG_FADE]
    highest = max(strong, default=0.0) * size / (2 * math.pi)
    step = size // 32  # so that few tables are made while parameters move
    last = min(math.ceil((highest + STRONG_FADE.start * bins_a_cycle) / step) * step, heard.last)
    return heard, Pairs(-((n_differences + 1) // 2), last, n_heard + 1, n_differences)


class _Pairs(torch.autograd.Function):
    """(batch, samples), taper, weights (band, difference x bin) twice -> (batch, frame, band), some frames at a time.

    The pairs are some twenty times the spectrum, so backward makes them again instead of keeping them.
    """

    @staticmethod
    def forward(
        ctx: Any, samples: Tensor, taper: Tensor, of_heard: Tensor, of_others: Tensor, frames: Frames
    ) -> Tensor:
        energies = samples.new_empty(samples.shape[0], frames.n_frames, of_heard.shape[0])
        kept: list[Tensor] = []
        room = _rooms(samples, frames, (frames.heard, frames.others))
        n_block = _block_length(samples, frames)
        for clip, run in _runs(samples, frames):
            spectra = _bins(_segments(samples[clip], run, taper, frames), frames)
            for rows, parts in _blocks(run, spectra, n_block):
                heard, others = (
                    _pairs(frames.reached(which, parts), which, each)
                    for which, each in zip((frames.heard, frames.others), room, strict=True)
                )
                far = product(others.to(of_others.dtype), of_others)
                torch.add(product(heard, of_heard), far, out=energies[clip, rows])
            kept += spectra if any(ctx.needs_input_grad) else ()
        ctx.save_for_backward(samples, taper, of_heard, of_others, *kept)
        ctx.frames = frames
        return energies

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor | None, None, None]:
        samples, taper, of_heard, of_others, *kept = ctx.saved_tensors
        frames: Frames = ctx.frames
        to_samples = torch.zeros_like(samples) if ctx.needs_input_grad[0] else None
        to_weights = torch.zeros_like(of_heard) if ctx.needs_input_grad[2] else None
        (room,) = _rooms(samples, frames, (frames.heard,))
        n_block, spectra = _block_length(samples, frames), zip(kept[::2], kept[1::2], strict=True)
        for (clip, run), of_run in zip(_runs(samples, frames), spectra, strict=True):
            for rows, parts in _blocks(run, of_run, n_block):
                gradient = gradients[0][clip, rows].contiguous()
                if to_weights is not None:
                    pairs = _pairs(frames.reached(frames.heard, parts), frames.heard, room)
                    to_weights += product(gradient.T, pairs.T)
                if to_samples is not None:
                    to_parts = _through_pairs(gradient, parts, (of_heard, of_others), frames)
                    _to_segments(to_parts, to_samples[clip], rows, taper, frames)
        return to_samples, None, to_weights, None, None


def _runs(samples: Tensor, frames: Frames) -> Iterator[tuple[int, slice]]:
    """Yields (clip, frames) whose segments are transformed at once: those of some blocks."""
    n_run = _BLOCKS_A_RUN * _block_length(samples, frames)
    for clip in range(samples.shape[0]):
        for start in range(0, frames.n_frames, n_run):
            yield clip, slice(start, min(start + n_run, frames.n_frames))


def _blocks(run: slice, parts: Sequence[Tensor], n_block: int) -> Iterator[tuple[slice, tuple[Tensor, Tensor]]]:
    """Yields frames whose pairs are held at once, and their rows of a run's real and imaginary parts."""
    for start in range(run.start, run.stop, n_block):
        real, imaginary = (part[start - run.start : start - run.start + n_block] for part in parts)
        yield slice(start, start + len(real)), (real, imaginary)


def _block_length(samples: Tensor, frames: Frames) -> int:
    most = max(1, _BLOCK_BYTES // (samples.element_size() * max(frames.heard.n_pairs, frames.others.n_pairs)))
    return -(-frames.n_frames // -(-frames.n_frames // most))


def _rooms(samples: Tensor, frames: Frames, which: tuple[Pairs, ...]) -> list[Tensor]:
    """Memory of a block's pairs, used again for each."""
    return [samples.new_empty(_block_length(samples, frames), each.n_differences, each.n_first) for each in which]


def _segments(samples: Tensor, rows: slice, taper: Tensor, frames: Frames) -> Tensor:
    """samples (samples,) -> spectra of the frames' segments (row, bin)."""
    segments = samples.unfold(0, taper.shape[0], frames.hop)[rows]
    spectra: Tensor = torch.fft.rfft(segments * taper)
    return spectra


def _bins(spectrum: Tensor, frames: Frames) -> tuple[Tensor, Tensor]:
    """Bins 0 .. K/2 (row, bin) -> real and imaginary parts of all bins that pairs reach, mirrored at both ends."""
    first, half = frames.first, spectrum.shape[1] - 1
    last = max(which.last + which.last_difference for which in (frames.heard, frames.others))
    inner = spectrum[:, max(first, 0) : min(last, half) + 1]
    left = spectrum[:, 1 : 1 + max(-first, 0)].flip(1)
    right = spectrum[:, half - max(last - half, 0) : half].flip(1)
    real = torch.cat([left.real, inner.real, right.real], 1)
    return real, torch.cat([-left.imag, inner.imag, -right.imag], 1)


def _pairs(parts: tuple[Tensor, Tensor], which: Pairs, room: Tensor) -> Tensor:
    """Real and imaginary parts (row, bin) -> Re(conj(X(f)) X(f + d)) (row, difference x bin), written into `room`."""
    return multiply(*parts, which, room[: parts[0].shape[0]]).flatten(1)


def _through_pairs(
    gradient: Tensor, parts: tuple[Tensor, Tensor], weights: tuple[Tensor, Tensor], frames: Frames
) -> tuple[Tensor, Tensor]:
    """gradient (row, band), parts (row, bin), weights of pairs heard and others -> of the parts."""
    total = torch.zeros_like(parts[0]), torch.zeros_like(parts[1])
    for which, each in zip((frames.heard, frames.others), weights, strict=True):
        to_pairs = product(gradient, each.to(gradient.dtype).T).view(gradient.shape[0], which.n_differences, -1)
        for part, to_part in zip(frames.reached(which, parts), frames.reached(which, total), strict=True):
            to_part += undo_product(to_pairs, part, which)
    return total


def _to_segments(
    to_parts: tuple[Tensor, Tensor], to_samples: Tensor, rows: slice, taper: Tensor, frames: Frames
) -> None:
    """Adds to to_samples (samples,) what bins of the segments of some frames say; all linear."""
    start, stop = rows.start * frames.hop, (rows.stop - 1) * frames.hop + taper.shape[0]
    with torch.enable_grad():
        piece = torch.zeros_like(to_samples[start:stop], requires_grad=True)
        parts = _bins(_segments(piece, slice(0, rows.stop - rows.start), taper, frames), frames)
    to_samples[start:stop] += torch.autograd.grad(parts, piece, to_parts)[0]
