"""Waveform to features: a filterbank, a resolution, and the compression it is handed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tenuto.frontend.compression import Compression, LogCompression
from tenuto.frontend.filterbanks import Filterbank
from tenuto.frontend.importance import frame_energy
from tenuto.frontend.lengths import IntOrTensor, checked_lengths
from tenuto.frontend.output import ResolutionOutput
from tenuto.frontend.resolution import FullResolution, Resolution
from tenuto.frontend.spec_augment import SpecAugment


class Frontend(nn.Module):
    """Waveforms (batch, samples) in [-1, 1] -> features (batch, channel, band, kept).

    filterbank: any Filterbank; ChangeHop replaces it by a coarser one. resolution: DiffRes, AvgPool, ConvAvgPool,
    ChangeHop, or None for every frame. compression: log(x + eps) by default. augment: SpecAugment or None.
    """

    def __init__(
        self,
        filterbank: Filterbank,
        resolution: Resolution | None = None,
        compression: Compression | None = None,
        augment: SpecAugment | None = None,
    ) -> None:
        super().__init__()
        self.resolution = FullResolution() if resolution is None else resolution
        self.filterbank = self.resolution.prepare(filterbank)
        self.compression = LogCompression() if compression is None else compression
        self.augment = augment

    @property
    def sample_rate(self) -> int:
        """Of the waveforms it wants, in hertz."""
        return self.filterbank.sample_rate

    @property
    def n_bands(self) -> int:
        """Bands of the features."""
        return self.filterbank.n_bands

    @property
    def n_channels(self) -> int:
        """Channels of the features."""
        return self.resolution.n_channels

    def kept(self, n_samples: IntOrTensor) -> IntOrTensor:
        """Frames that reach the classifier of clips of so many samples."""
        return self.resolution.kept(self.filterbank.n_frames(n_samples))

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> ResolutionOutput:
        """Waveforms (batch, samples), lengths int (batch,) valid samples or None: all -> ResolutionOutput.

        The features of a clip do not depend on its batch, nor on how far it was padded. Leave lengths on the CPU, also
        where the waveforms are on a GPU: then whole clips are seen to be whole, and nothing waits for the GPU.
        """
        energies = self.filterbank(waveforms, lengths)  # which checks them
        frames = None if lengths is None else self.filterbank.n_frames(lengths.to(torch.int64))  # int16 overflows
        empty = None
        if self.augment is not None and self.training:
            empty = frame_energy(energies) < self.resolution.epsilon  # of the sound, not of its mask
            energies = self.augment(energies, checked_lengths(frames, energies, "frame"))
        overwrite = not self._is_heard()
        features: ResolutionOutput = self.resolution(energies, frames, self.compression, empty, overwrite=overwrite)
        return features

    def _is_heard(self) -> bool:
        """Whether a hook sees energies between filterbank and compression, and may keep them."""
        heard = self.filterbank._forward_hooks or self.resolution._forward_pre_hooks
        return bool(heard or self.compression._forward_pre_hooks or self.compression._forward_hooks)
