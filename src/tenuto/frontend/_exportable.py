"""Front ends in operators that exported graphs have (ONNX among them): convolutions in place of transforms.

Filters are worked out once, from the parameters as they are, and kept as tensors: what comes out is for use, not
for training. What needs no other form (LogCompression, DiffRes but for its warp, SincNet) is exported as it is.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from tenuto.frontend.convolution import Alignment, line_up, pool
from tenuto.frontend.filterbanks import Filterbank, MelSpectrogram
from tenuto.frontend.impulse_responses import gabor, gaussian_lowpass
from tenuto.frontend.leaf import Leaf
from tenuto.frontend.time_domain import TimeDomainFilterbank


def exportable(filterbank: Filterbank) -> Filterbank:
    """A filterbank that says the same and can be exported: the one that came in, where it can be."""
    if isinstance(filterbank, MelSpectrogram):
        return FourierBasis(filterbank)
    if isinstance(filterbank, Leaf):
        centers, sigmas, widths = (values.detach().double() for values in filterbank.constrained())
        filters = gabor(centers, sigmas, filterbank.window_length)
        windows = gaussian_lowpass(widths, filterbank.window_length)
        return DirectFilterbank(filterbank, filters, windows, filterbank.alignment)
    if isinstance(filterbank, TimeDomainFilterbank):
        filters = torch.view_as_complex(filterbank.taps.detach())
        windows = filterbank.pooling.expand(filterbank.n_bands, -1)
        return DirectFilterbank(filterbank, filters, windows, filterbank.alignment)
    return filterbank


class FourierBasis(Filterbank):
    """MelSpectrogram by its definition: waveforms (batch, samples) -> energies (batch, band, frame).

    The windowed sines and cosines of the Fourier transform are the filters of a convolution; of its bins only those
    that some band hears.
    """

    basis: Tensor
    filters: Tensor

    def __init__(self, mel: MelSpectrogram) -> None:
        super().__init__(mel.sample_rate, mel.hop_length, mel.n_bands)
        inside = torch.nonzero(mel.window)[:, 0]
        first, last = int(inside[0]), int(inside[-1])
        sample = torch.arange(first, last + 1, dtype=torch.float64)
        bins = torch.nonzero(mel.filters.amax(1))  # (bin, 1)
        phase = (2 * math.pi / mel.n_fft) * (bins * sample)
        basis = torch.cat([phase.cos(), phase.sin()]) * mel.window[first : last + 1]
        self.n_before = mel.n_fft // 2 - first  # samples of a window before the middle of its frame
        self.register_buffer("basis", basis[:, None].float())  # (2 bins, 1, sample)
        self.register_buffer("filters", mel.filters[bins[:, 0]].T.contiguous()[..., None])  # (band, bin, 1)

    def energies(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (batch, samples) -> energies (batch, band, frame)."""
        n_samples, n_window = waveforms.shape[1], self.basis.shape[-1]
        n_padded = (self.n_frames(n_samples) - 1) * self.hop_length + n_window
        padded = F.pad(waveforms, (self.n_before, n_padded - self.n_before - n_samples))
        parts = F.conv1d(padded[:, None], self.basis, stride=self.hop_length).square()
        cosines, sines = parts.chunk(2, 1)
        return F.conv1d(cosines + sines, self.filters)


class DirectFilterbank(Filterbank):
    """LEAF and time-domain filterbanks by their definition: complex filters, squared modulus, windows."""

    filters: Tensor
    windows: Tensor

    def __init__(self, like: Filterbank, filters: Tensor, windows: Tensor, alignment: Alignment) -> None:
        super().__init__(like.sample_rate, like.hop_length, like.n_bands)
        self.alignment = alignment
        self.register_buffer("filters", torch.cat([filters.real, filters.imag])[:, None].float())  # (2 bands, 1, tap)
        self.register_buffer("windows", windows.float().contiguous())  # (band, sample)

    def energies(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (batch, samples), zero beyond lengths (batch,) -> energies (batch, band, frame)."""
        lined = line_up(waveforms, lengths, self.windows.shape[1], self.hop_length, self.alignment)
        real, imaginary = F.conv1d(lined.samples[:, None], self.filters).square().chunk(2, 1)
        return pool((real + imaginary).masked_fill(~lined.inside[:, None], 0), self.windows, self.hop_length)
