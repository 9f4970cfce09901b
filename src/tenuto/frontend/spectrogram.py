"""A spectrogram in the two forms a resolution needs: compressed to look at, and what is to be warped."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from tenuto.frontend.compression import Compression, log_
from tenuto.frontend.importance import frame_energy
from tenuto.frontend.lengths import eager_on_cpu, full_lengths, length_mask, silent_beyond

# A log-mel's energies are taken relative to the clip's maximum; below this (-46 in natural logarithms, 200 dB of
# power) nothing is told apart, and the logarithm of an output frame is floored. A clip of log(0) alone is this low.
_FLOOR = 1e-20
_LOWEST_PEAK = -1e4
_LOG_2 = math.log(2)
_LARGE_CLIP = 2**18  # values: 1 MB; smaller clips stay in the cache between two reductions, and these are fewer


@dataclass(frozen=True)
class Spectrogram(ABC):
    """compressed (batch, band, frame), which is looked at; lengths (batch,) or None: all frames are valid.

    What is to be warped is worked out when asked for: of all clips, or of the few of a `part` at a time.
    """

    compressed: Tensor
    lengths: Tensor | None
    longest: int | None = field(default=None, kw_only=True)  # frames of the longest clip, where nobody had to wait

    @staticmethod
    def of(
        spectrogram: Tensor,
        lengths: Tensor | None,
        compression: Compression | None,
        overwrite: bool = False,
        looks: bool = True,
        longest: int | None = None,
    ) -> Spectrogram:
        """With a compression `spectrogram` is energies, without one a log-mel (natural logarithm).

        Compressions that act within a frame follow the warp; one that looks along time (PCEN) runs once, here,
        and its output is what is warped. overwrite: energies may become the compressed spectrogram, since nothing
        else will be asked for. looks: False where the compressed spectrogram is not, and need not be worked out.
        """
        spectrogram = spectrogram.mT.contiguous().mT  # a frame's bands together, as warp and network like it
        if compression is None:
            return _log_mel(spectrogram, lengths, longest)
        if lengths is not None:
            spectrogram = silent_beyond(spectrogram, length_mask(lengths, spectrogram.shape[-1]))
        if not looks and not compression.along_time:
            return _Energies(spectrogram, lengths, spectrogram, compression, longest=longest)
        compress = compression.overwrite if overwrite else compression
        return _Energies(compress(spectrogram, lengths), lengths, spectrogram, compression, longest=longest)

    @abstractmethod
    def to_warp(self, room: Tensor | None = None) -> Tensor:
        """What is warped: (batch, band, frame) >= 0; without gradients in `room`, where it has to be worked out."""

    @abstractmethod
    def energy(self, to_warp: Tensor) -> Tensor:
        """Root-mean-square energy over bands, given what is warped: (batch, frame). No gradient."""

    @abstractmethod
    def below(self, energy: Tensor, epsilon: float) -> Callable[[], Tensor]:
        """Tells whether `energy` (batch, frame) is less than epsilon, on the scale of the spectrogram: bool.

        May be asked later: what it keeps is no spectrogram.
        """

    @abstractmethod
    def finish(self, warped: Tensor, kept: Tensor, into: Tensor | None = None) -> Tensor:
        """warped (batch, band, kept), which is not needed again, kept lengths (batch,) -> finished features.

        Without gradients `into` a tensor of the same shape.
        """

    @abstractmethod
    def parts(self, n_clips: int) -> Sequence[Spectrogram]:
        """So many clips each, fewer in the last."""

    @property
    def valid(self) -> Tensor | None:
        """bool (batch, frame), or None where every frame is valid."""
        return None if self.lengths is None else length_mask(self.lengths, self.compressed.shape[-1])

    @property
    def lengths_or_full(self) -> Tensor:
        """int64 (batch,): the valid frames of each clip."""
        return full_lengths(self.compressed) if self.lengths is None else self.lengths.to(torch.int64)


@dataclass(frozen=True)
class _Energies(Spectrogram):
    """energies (batch, band, frame) and their compression."""

    energies: Tensor
    compression: Compression

    def to_warp(self, room: Tensor | None = None) -> Tensor:
        return self.compressed if self.compression.along_time else self.energies

    def energy(self, to_warp: Tensor) -> Tensor:
        return frame_energy(self.energies.detach())

    def below(self, energy: Tensor, epsilon: float) -> Callable[[], Tensor]:
        return lambda: energy < epsilon

    def finish(self, warped: Tensor, kept: Tensor, into: Tensor | None = None) -> Tensor:
        finished = warped if self.compression.along_time else self.compression(warped, kept)
        return finished if into is None else into.copy_(finished)

    def parts(self, n_clips: int) -> Sequence[Spectrogram]:
        parts = _split(n_clips, self.compressed, self.lengths, self.energies)
        return [_Energies(compressed, lengths, energies, self.compression) for compressed, lengths, energies in parts]


@dataclass(frozen=True)
class _LogMel(Spectrogram):
    """A log-mel (batch, band, frame), warped as energies relative to its clip's maximum, peak (batch, 1, 1).

    So no logarithm is too large or too small for them. exp2 takes a third of what exp takes, and is as close.
    """

    log_mel: Tensor
    peak: Tensor

    def to_warp(self, room: Tensor | None = None) -> Tensor:
        above_peak = torch.add(self.peak * (-1 / _LOG_2), self.log_mel, alpha=1 / _LOG_2, out=room)
        if self.valid is not None:
            above_peak = above_peak.masked_fill_(~self.valid[:, None], -torch.inf)
        return above_peak.exp2_()

    def energy(self, to_warp: Tensor) -> Tensor:
        return frame_energy(to_warp.detach())

    def below(self, energy: Tensor, epsilon: float) -> Callable[[], Tensor]:
        peak = self.peak.detach()

        def is_below() -> Tensor:
            relative = torch.exp(math.log(epsilon) - peak[:, 0])
            return energy < relative.clamp_min(torch.finfo(energy.dtype).tiny)  # what underflowed is empty

        return is_below

    def finish(self, warped: Tensor, kept: Tensor, into: Tensor | None = None) -> Tensor:
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return warped.clamp_min(_FLOOR).log() + self.peak
        above_peak = log_(warped.clamp_min_(_FLOOR))
        return torch.add(above_peak, self.peak, out=above_peak if into is None else into)

    def parts(self, n_clips: int) -> Sequence[Spectrogram]:
        return [_LogMel(*part) for part in _split(n_clips, self.compressed, self.lengths, self.log_mel, self.peak)]


def _split(n: int, first: Tensor, *others: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """So many clips of each at a time."""
    parts = torch.split(first, n)
    return zip(parts, *([None] * len(parts) if x is None else torch.split(x, n) for x in others), strict=True)


def _log_mel(log_mel: Tensor, lengths: Tensor | None, longest: int | None) -> Spectrogram:
    if eager_on_cpu(log_mel) and lengths is None and not torch.is_grad_enabled():
        lowest, peak = _extremes(log_mel)
        peak = peak.clamp_min_(_LOWEST_PEAK)
        return _LogMel(_floored(log_mel, peak, lowest), None, log_mel, peak)
    loudest = log_mel.amax(1, keepdim=True)  # (batch, 1, frame)
    if lengths is not None:
        loudest = loudest.masked_fill(~length_mask(lengths, log_mel.shape[-1])[:, None], -torch.inf)
    peak = loudest.amax(2, keepdim=True).clamp_min(_LOWEST_PEAK)
    known = log_mel.amin((1, 2), keepdim=True) if eager_on_cpu(log_mel) else None
    return _LogMel(_floored(log_mel, peak, known), lengths, log_mel, peak, longest=longest)


def _extremes(log_mel: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest value of each clip (batch, band, frame), each (batch, 1, 1); large clips are read once."""
    if log_mel.shape[1] * log_mel.shape[2] < _LARGE_CLIP:
        return log_mel.amin((1, 2), keepdim=True), log_mel.amax((1, 2), keepdim=True)
    pairs = [torch.stack(torch.aminmax(clip)) for clip in log_mel.mT]
    lowest, largest = torch.stack(pairs, 1)[..., None, None]
    return lowest, largest


def _floored(log_mel: Tensor, peak: Tensor, lowest: Tensor | None) -> Tensor:
    """log_mel (batch, band, frame), at most the floor below peak (batch, 1, 1): the logarithm of 0 becomes a number.

    No copy where it is the same, given its lowest values (batch, 1, 1).
    """
    if lowest is not None and (lowest - peak).amin().item() >= math.log(_FLOOR):
        return log_mel
    return torch.maximum(log_mel.mT, peak + math.log(_FLOOR)).mT  # in the order of memory, for graphs
