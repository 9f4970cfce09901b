"""Waveform to energies: the filterbank that every front end starts with.

MelSpectrogram: frame k is centred at sample k x hop_length; outside the clip the waveform is zero:

    samples      |0        hop       2 hop      3 hop   |            ceil(samples / hop) frames
    frame 0   [--+--]
    frame 1         [----+----]
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from itertools import chain
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenuto.errors import UsageError
from tenuto.frontend.lengths import IntOrTensor, checked_lengths, length_mask, n_frames, silent_beyond
from tenuto.frontend.mel import MelNorm, MelScale, mel_matrix

# One block of complex spectrum: small enough to stay in a core's cache (2 MiB), large enough to amortise a call.
_BLOCK_BYTES = 2 * 2**20


class Filterbank(nn.Module, ABC):
    """Waveforms (batch, samples) -> energies (batch, band, frame), non-negative; supply `energies`.

    Attributes: sample_rate (Hz), hop_length (samples), n_bands. A subclass is built from keywords, sample_rate and
    hop_length among them, and hands on those of its own besides n_bands as `settings`, so that `with_hop` can.
    """

    def __init__(self, sample_rate: int, hop_length: int, n_bands: int, **settings: Any) -> None:
        super().__init__()
        if hop_length < 1:
            raise UsageError(f"hop_length is {hop_length} samples; wanted at least 1")
        if sample_rate < 1:
            raise UsageError(f"sample_rate is {sample_rate} Hz; wanted at least 1")
        self.sample_rate, self.hop_length, self.n_bands = sample_rate, hop_length, n_bands
        self._settings = settings  # what `with_hop` builds the same filterbank from

    @abstractmethod
    def energies(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (batch, samples) in [-1, 1] -> energies (batch, band, ceil(samples / hop_length)).

        lengths (batch,): samples beyond which the waveforms are zeros already; None: no such padding. A new tensor
        every time: a Frontend may write into it.
        """

    def n_frames(self, lengths: IntOrTensor) -> IntOrTensor:
        """Frames of clips of so many samples; an int gives an int, a tensor a tensor."""
        return n_frames(lengths, self.hop_length)

    def with_hop(self, hop_length: int) -> Self:
        """A fresh filterbank of the same settings with another hop, in samples."""
        fresh = type(self)(sample_rate=self.sample_rate, hop_length=hop_length, **self._settings)
        held = next(chain(self.buffers(), self.parameters()), None)
        return fresh if held is None else fresh.to(held.device)

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (batch, samples), lengths (batch,) in samples -> energies (batch, band, frame).

        What lies beyond a clip's length is read as zeros, and frames beyond its `n_frames` are zero: energies
        do not depend on the padding. Computed in float32 (or float64) whatever autocast says.

        Raises UsageError for waveforms that are not (batch, samples) of floats with at least one sample.
        """
        if waveforms.dim() != 2 or not waveforms.is_floating_point() or 0 in waveforms.shape:
            raise UsageError(
                f"waveforms are {waveforms.dtype} {tuple(waveforms.shape)}; "
                "wanted a float tensor (batch, samples) of at least one clip and one sample"
            )
        if waveforms.dtype in (torch.float16, torch.bfloat16):
            waveforms = waveforms.float()
        with torch.autocast(waveforms.device.type, enabled=False):
            lengths = checked_lengths(lengths, waveforms, "sample")
            if lengths is None:
                return self.energies(waveforms)
            inside = length_mask(lengths, waveforms.shape[1])
            energies = self.energies(waveforms.masked_fill(~inside, 0), lengths)
            valid = length_mask(self.n_frames(lengths), energies.shape[-1])
            return silent_beyond(energies, valid)


class MelSpectrogram(Filterbank):
    """Power mel spectrogram: waveforms (batch, samples) -> energies (batch, n_mels, ceil(samples / hop_length)).

    A periodic Hann window of win_length samples, centred in n_fft, squared modulus of the Fourier transform,
    Slaney mel filters. Defaults: 16 kHz, 25 ms window, 10 ms hop, 128 bands (the paper, section 3); any hop.
    A full-scale sine gives an energy of the order of 10, so that 1e-4 is an empty frame (DiffRes' epsilon).
    The whole complex spectrogram is never held: transform and filters go block by block.

    Raises UsageError for settings that make no sense: a window longer than n_fft, more bands than the transform
    has bins in their range, a band above half the sample rate. Warns when a band falls between two bins.
    """

    window: Tensor
    filters: Tensor

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 512,
        win_length: int = 400,
        hop_length: int = 160,
        n_mels: int = 128,
        f_min: float = 0.0,
        f_max: float | None = None,
        mel_scale: MelScale = "slaney",
        norm: MelNorm = "slaney",
    ) -> None:
        settings: dict[str, Any] = {"n_fft": n_fft, "win_length": win_length, "n_mels": n_mels, "f_min": f_min}
        settings |= {"f_max": f_max, "mel_scale": mel_scale, "norm": norm}
        super().__init__(sample_rate, hop_length, n_mels, **settings)
        if not 1 <= win_length <= n_fft:
            raise UsageError(f"win_length is {win_length} samples; wanted 1 to n_fft, which is {n_fft}")
        filters = mel_matrix(n_mels, n_fft, sample_rate, f_min, f_max, mel_scale, norm)
        _check_resolved(filters, sample_rate / n_fft, f_min, sample_rate / 2 if f_max is None else f_max)
        before = (n_fft - win_length) // 2
        window = F.pad(torch.hann_window(win_length), (before, n_fft - win_length - before))
        self.n_fft = n_fft
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", filters.T.contiguous(), persistent=False)  # (bin, band)

    def energies(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (batch, samples) -> energies (batch, band, frame); in memory a frame's bands lie together."""
        wanted = self.n_frames(waveforms.shape[1])
        after = (wanted - 1) * self.hop_length + self.n_fft - self.n_fft // 2 - waveforms.shape[1]
        padded = F.pad(waveforms, (self.n_fft // 2, max(after, 0)))
        frames = padded.unfold(1, self.n_fft, self.hop_length)[:, :wanted]  # (batch, frame, sample): a view
        n_block = max(1, _BLOCK_BYTES // (8 * (self.n_fft // 2 + 1) * waveforms.shape[0]))
        blocks = torch.split(frames, n_block, dim=1)
        if torch.is_grad_enabled() or len(blocks) == 1:
            return torch.cat([self._block(block) for block in blocks], dim=1).mT
        energies = frames.new_empty(len(frames), wanted, self.n_bands)  # no second copy of all blocks
        for block, into in zip(blocks, torch.split(energies, n_block, dim=1), strict=True):
            into.copy_(self._block(block))
        return energies.mT

    def _block(self, frames: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(frames * self.window.to(frames.dtype))  # (batch, frame, bin)
        power = spectrum.real.square() + spectrum.imag.square()
        energies: Tensor = power @ self.filters.to(frames.dtype)  # (batch, frame, band)
        return energies


def _check_resolved(filters: Tensor, bin_hz: float, f_min: float, f_max: float) -> None:
    n_bands = filters.shape[0]
    n_bins = int(f_max / bin_hz) - int(f_min / bin_hz)
    if n_bands > n_bins:
        raise UsageError(
            f"n_mels is {n_bands} between {f_min:g} and {f_max:g} Hz, where the transform has {n_bins} bins of "
            f"{bin_hz:g} Hz; wanted no more bands than bins: lower n_mels or raise n_fft"
        )
    n_empty = int((filters.amax(1) == 0).sum())
    if n_empty:
        warnings.warn(
            f"{n_empty} of {n_bands} mel bands fall between two bins of {bin_hz:g} Hz and are always zero; "
            "lower n_mels, raise f_min or raise n_fft",
            stacklevel=3,
        )
