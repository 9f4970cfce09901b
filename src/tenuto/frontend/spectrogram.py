"""A spectrogram in the two forms a resolution needs: compressed to look at, and what is to be warped."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tenuto.frontend.compression import Compression
from tenuto.frontend.importance import frame_energy
from tenuto.frontend.lengths import eager_on_cpu, full_lengths, length_mask

# A log-mel's energies are taken relative to the clip's maximum; below this (-46 in natural logarithms, 200 dB of
# power) nothing is told apart, and the logarithm of an output frame is floored. A clip of log(0) alone is this low.
_FLOOR = 1e-20
_LOWEST_PEAK = -1e4
_LOG_2 = math.log(2)


@dataclass(frozen=True)
class Spectrogram:
    """compressed and to_warp (batch, band, frame), log_energy (batch, frame), lengths (batch,) or None: all valid.

    finish: warped (batch, band, kept), kept lengths (batch,) -> finished features of the same shape.
    """

    compressed: Tensor
    to_warp: Tensor
    log_energy: Tensor
    lengths: Tensor | None
    finish: Callable[[Tensor, Tensor], Tensor]

    @staticmethod
    def of(spectrogram: Tensor, lengths: Tensor | None, compression: Compression | None) -> Spectrogram:
        """With a compression `spectrogram` is energies, without one a log-mel (natural logarithm).

        Compressions that act within a frame follow the warp; one that looks along time (PCEN) runs once, here,
        and its output is what is warped.
        """
        spectrogram = spectrogram.mT.contiguous().mT  # a frame's bands together, as warp and network like it
        if compression is None:
            return _of_log_mel(spectrogram, lengths)
        compressed, log_energy = compression(spectrogram, lengths), _log_energy(spectrogram)
        if compression.along_time:
            return Spectrogram(compressed, compressed, log_energy, lengths, lambda warped, kept: warped)
        return Spectrogram(compressed, spectrogram, log_energy, lengths, compression)

    @property
    def valid(self) -> Tensor | None:
        """bool (batch, frame), or None where every frame is valid."""
        return None if self.lengths is None else length_mask(self.lengths, self.compressed.shape[-1])

    @property
    def lengths_or_full(self) -> Tensor:
        """int64 (batch,): the valid frames of each clip."""
        return full_lengths(self.compressed) if self.lengths is None else self.lengths.to(torch.int64)

    def empty(self, epsilon: float) -> Tensor:
        """bool (batch, frame): frames whose root-mean-square energy over bands is below epsilon."""
        return self.log_energy < math.log(epsilon)


def _log_energy(energies: Tensor) -> Tensor:
    """Energies (batch, band, frame) -> log of the root mean square over bands (batch, frame): seen, not learned."""
    return frame_energy(energies.detach()).log()


def _of_log_mel(log_mel: Tensor, lengths: Tensor | None) -> Spectrogram:
    """Energies relative to the clip's maximum, so that no logarithm is too large or too small for them."""
    heard = log_mel
    if lengths is not None:
        heard = log_mel.masked_fill(~length_mask(lengths, log_mel.shape[-1])[:, None], -torch.inf)
    peak = heard.amax((1, 2), keepdim=True).clamp_min(_LOWEST_PEAK)
    energies = (heard - peak).mul_(1 / _LOG_2).exp2_()  # a third of what exp costs, as close
    floored = _floored(log_mel, peak + math.log(_FLOOR))  # log(0) becomes a number

    def finish(warped: Tensor, kept: Tensor) -> Tensor:
        return warped.clamp_min(_FLOOR).log() + peak

    return Spectrogram(floored, energies, _log_energy(energies) + peak[:, 0].detach(), lengths, finish)


def _floored(log_mel: Tensor, floor: Tensor) -> Tensor:
    """The larger of log_mel (batch, band, frame) and floor (batch, 1, 1); on a CPU no copy where that is log_mel."""
    if eager_on_cpu(log_mel) and bool((log_mel.amin((1, 2), keepdim=True) >= floor).all()):
        return log_mel
    return torch.maximum(log_mel, floor)
