"""SincNet: band-passes with two learnable cut-offs each (arXiv 1808.00158), and LEAF's variant SincNet+."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenuto.errors import UsageError
from tenuto.frontend.convolution import Alignment, correlate, line_up, pool
from tenuto.frontend.filterbanks import Filterbank
from tenuto.frontend.impulse_responses import gaussian_lowpass, project, published_hamming, sinc_band_pass
from tenuto.frontend.leaf import check_choice, check_window
from tenuto.frontend.mel import mel_frequencies

_LEAK = 0.2  # slope of the leaky ReLU below zero
_FLOOR = 1e-5  # below which nothing counts, as published with LEAF


class SincNet(Filterbank):
    """Waveforms (batch, samples) in [-1, 1] -> energies (batch, n_filters, ceil(samples / hop_length)).

    Windowed sinc band-passes, leaky ReLU, the maximum over a window each hop, floored at 1e-5 (so energies are
    amplitudes here). Learnable, two a filter: `cutoffs_hz`, of which the lower cut-off is f_min + |first| and the
    upper one min_band + |second| above it (50 Hz each, as published), at most half the sample rate. They start on the
    mel scale. Followed by
    `LayerNorm` this is the SincNet published with LEAF.

    plus: SincNet+, with LEAF's Gaussian low-pass (a learnable width a filter) in place of the maximum; followed by
    `PCEN`. alignment as in `Leaf`.

    Raises UsageError for an even window, or a sample rate that leaves no band.
    """

    window: Tensor

    def __init__(
        self,
        n_filters: int = 40,
        sample_rate: int = 16000,
        window_length: int = 401,
        hop_length: int = 160,
        f_min: float = 50.0,
        min_band: float = 50.0,
        plus: bool = False,
        alignment: Alignment = "published",
    ) -> None:
        settings: dict[str, Any] = {"n_filters": n_filters, "window_length": window_length, "f_min": f_min}
        settings |= {"min_band": min_band, "plus": plus, "alignment": alignment}
        super().__init__(sample_rate, hop_length, n_filters, **settings)
        check_window(window_length, odd=True, way_out="a sinc has a middle sample")
        check_choice("alignment", alignment, ("published", "centred"))
        f_max = sample_rate / 2 - (f_min + min_band)
        if not (n_filters >= 1 and min_band > 0 and 0 <= f_min < f_max):
            raise UsageError(
                f"{n_filters} band-passes from f_min {f_min:g} Hz to {f_max:g} Hz (half of sample_rate less f_min and "
                f"min_band, {min_band:g} Hz); wanted at least one, 0 <= f_min, and room for a band"
            )
        self.window_length, self.alignment, self.f_min, self.min_band = window_length, alignment, f_min, min_band
        edges_hz = mel_frequencies(n_filters + 1, f_min, f_max, "htk")
        self.cutoffs_hz = nn.Parameter(torch.stack([edges_hz[:-1], edges_hz.diff()], 1).float())
        self.pooling_width = nn.Parameter(torch.full((n_filters,), 0.4)) if plus else None
        self.register_buffer("window", published_hamming(window_length), persistent=False)

    def bands_hz(self) -> tuple[Tensor, Tensor]:
        """Lower and upper cut-offs (band,) in hertz."""
        nyquist_hz = self.sample_rate / 2
        low = (self.f_min + self.cutoffs_hz[:, 0].abs()).clamp_max(nyquist_hz - self.min_band)
        return low, (low + self.min_band + self.cutoffs_hz[:, 1].abs()).clamp_max(nyquist_hz)

    def energies(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (batch, samples), zero beyond lengths (batch,) -> energies (batch, band, frame)."""
        lined = line_up(waveforms, lengths, self.window_length, self.hop_length, self.alignment)
        low, high = (cutoffs.to(waveforms.dtype) for cutoffs in self.bands_hz())
        filters = sinc_band_pass(low, high, self.window_length, self.sample_rate) * self.window.to(waveforms.dtype)
        filtered = F.leaky_relu(correlate(lined.samples, filters), _LEAK)
        outside = ~lined.inside[:, None]
        if self.pooling_width is None:
            pooled = F.max_pool1d(filtered.masked_fill(outside, -torch.inf), self.window_length, self.hop_length)
        else:
            widths = project(self.pooling_width, 2 / self.window_length, 0.5).to(waveforms.dtype)
            windows = gaussian_lowpass(widths, self.window_length)
            pooled = pool(filtered.masked_fill(outside, 0), windows, self.hop_length)
        return pooled.clamp_min(_FLOOR)
