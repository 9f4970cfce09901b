"""Time-domain filterbanks: free complex filters that start as Gabor filters (arXiv 1711.01161)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from tenuto.frontend.convolution import Alignment, direct_energies, line_up
from tenuto.frontend.filterbanks import Filterbank
from tenuto.frontend.impulse_responses import GaborStart, gabor, mel_start, squared_hann
from tenuto.frontend.leaf import check_choice, check_window


class TimeDomainFilterbank(Filterbank):
    """Waveforms (batch, samples) in [-1, 1] -> energies (batch, n_filters, ceil(samples / hop_length)).

    Complex filters of window_length free taps (real and imaginary part: 51,328 parameters at 64 filters of 401),
    squared modulus, squared-Hann pooling, which is fixed. At the start energies are about those of a mel spectrogram
    without normalisation: each filter has the area of its mel triangle. Published with a logarithm behind.
    start and alignment as in `Leaf`.

    Raises UsageError for a band above half the sample rate, more filters than the published start resolves, or a
    window of less than 3 samples.
    """

    pooling: Tensor

    def __init__(
        self,
        n_filters: int = 40,
        sample_rate: int = 16000,
        window_length: int = 401,
        hop_length: int = 160,
        f_min: float = 60.0,
        f_max: float = 7800.0,
        start: GaborStart = "published",
        alignment: Alignment = "published",
    ) -> None:
        settings: dict[str, Any] = {"n_filters": n_filters, "window_length": window_length, "f_min": f_min}
        settings |= {"f_max": f_max, "start": start, "alignment": alignment}
        super().__init__(sample_rate, hop_length, n_filters, **settings)
        check_window(window_length, odd=False, way_out="")
        check_choice("alignment", alignment, ("published", "centred"))
        self.window_length, self.alignment = window_length, alignment
        centers, sigmas, areas = mel_start(n_filters, sample_rate, f_min, f_max, start)
        scales = (areas * 2 * math.sqrt(math.pi) * sigmas).sqrt()  # arXiv 1711.01161, section 2.2
        filters = gabor(centers, sigmas, window_length) * scales[:, None]
        self.taps = nn.Parameter(torch.view_as_real(filters).float())  # (band, tap, real and imaginary part)
        self.register_buffer("pooling", squared_hann(window_length), persistent=False)

    def energies(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (batch, samples), zero beyond lengths (batch,) -> energies (batch, band, frame)."""
        lined = line_up(waveforms, lengths, self.window_length, self.hop_length, self.alignment)
        filters = torch.view_as_complex(self.taps.to(waveforms.dtype))
        windows = self.pooling.to(waveforms.dtype).expand(self.n_bands, -1)
        return direct_energies(lined, filters, windows, self.hop_length)
