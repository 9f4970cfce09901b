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

    Frames times the windowed cosines and sines of the Fourier transform, of those bins that some band hears. Windows
    are even about their middle, and so are cosines; sines are odd: what lies before the middle is added to what lies
    behind it, or taken from it, which leaves half the products.
    """

    cosines: Tensor
    sines: Tensor
    filters: Tensor

    def __init__(self, mel: MelSpectrogram) -> None:
        super().__init__(mel.sample_rate, mel.hop_length, mel.n_bands)
        inside = torch.nonzero(mel.window)[:, 0]
        first, last = int(inside[0]), int(inside[-1])
        self.n_window, self.n_half = last - first + 1, (last - first + 1) // 2  # samples; before their middle
        self.n_before = mel.n_fft // 2 - first  # samples of a window before the middle of its frame
        # From the middle on, which is a sample where there are an odd number of them.
        sample = torch.arange(first + self.n_half, last + 1)
        bins = torch.nonzero(mel.filters.amax(1))[:, 0]
        phase = (2 * math.pi / mel.n_fft) * (((2 * sample - first - last).double() / 2)[:, None] * bins)
        window = mel.window[sample, None]
        self.register_buffer("cosines", (phase.cos() * window).float())  # (sample, bin)
        self.register_buffer("sines", (phase.sin() * window).float()[self.n_window % 2 :])  # of the middle it is 0
        self.register_buffer("filters", mel.filters[bins].contiguous())  # (bin, band)

    def energies(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (batch, samples) -> energies (batch, band, frame)."""
        frames = self._frames(waveforms)
        before, middle = frames[..., : self.n_half].flip(-1), frames[..., self.n_half : self.n_window - self.n_half]
        behind = frames[..., self.n_window - self.n_half :]
        even = torch.cat([middle, behind + before], -1) @ self.cosines
        odd = (behind - before) @ self.sines
        return ((even * even + odd * odd) @ self.filters).mT

    def _frames(self, waveforms: Tensor) -> Tensor:
        """Waveforms (batch, samples) -> (batch, frame, n_window): hops side by side."""
        n_frames, n_hops = self.n_frames(waveforms.shape[1]), -(-self.n_window // self.hop_length)
        n_behind = (n_frames + n_hops - 1) * self.hop_length - self.n_before - waveforms.shape[1]
        hops = F.pad(waveforms, (self.n_before, n_behind)).view(waveforms.shape[0], -1, self.hop_length)
        return torch.cat([hops[:, i : i + n_frames] for i in range(n_hops)], -1)[..., : self.n_window]


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
