"""LEAF: Gabor filters, squared modulus, Gaussian low-pass pooling, all learnable (arXiv 2101.08596)."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from tenuto.errors import UsageError
from tenuto.frontend import _leaf_bands, _leaf_pairs
from tenuto.frontend.convolution import Alignment, LinedUp, direct_energies, line_up, pool, squared_modulus
from tenuto.frontend.filterbanks import Filterbank
from tenuto.frontend.impulse_responses import (
    HALF_WIDTH,
    GaborStart,
    gabor,
    gaussian_lowpass,
    mel_start,
    project,
)

Method = Literal["fft", "direct"]

# A filter whose sigma is up to this share of the window is below 1e-4 of its peak where the window ends.
_SHORT = 0.11
# Longer ones go by pairs of bins. How far apart these may lie, as shares of the segment, depends on how far they lie
# from the filters' centres: (reach, differences). Above the second share, a band's energy may come from side
# lobes mostly, and beats between them take more differences. Chosen by measurement, on recordings.
_LONG = 0.2
_MIDDLE_RINGS = ((math.inf, 4 / 1024), (100 / 1024, 16 / 1024))
_LONG_RINGS = ((math.inf, 8 / 1024), (100 / 1024, 16 / 1024), (64 / 1024, 48 / 1024))
# A learned window as short as this, as a share of its half, is no low-pass for pairs of bins any more.
_SHORT_POOLING = 0.15


class Leaf(Filterbank):
    """Waveforms (batch, samples) in [-1, 1] -> energies (batch, n_filters, ceil(samples / hop_length)).

    At its defaults the published LEAF before its floor and PCEN: `PCEN(40)(Leaf()(waveforms))` is all of it.
    Learnable, three a filter: centre frequency (radians a sample, in [0, pi]), sigma (samples, so that the width
    at half maximum of the response is 1 to window_length / 4 of the window's bins) and the pooling window's width
    (a share of half the window, in [2 / window_length, 0.5], 0.4 at the start).

    start: "published" reads the first filters off 512 bins, "analytic" computes them from the mel scale.
    alignment: "published" spreads frames evenly between the ends of the clip (frame k at (k + 1/2) hop_length
    for clips of whole hops), "centred" puts frame k at sample k x hop_length, as MelSpectrogram does.
    method: "direct" convolves at full rate; "fft" computes the same function, within 1e-3 of each band's norm,
    many times faster: short filters in sub-bands (`_leaf_bands`), long ones by pairs of bins (`_leaf_pairs`), the
    frames that reach beyond the clip directly.

    Raises UsageError for a band above half the sample rate, more filters than the published start resolves, a
    window of less than 3 samples, or an even one with method "fft".
    """

    taper: Tensor

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
        method: Method = "fft",
    ) -> None:
        settings: dict[str, Any] = {"n_filters": n_filters, "window_length": window_length, "f_min": f_min}
        settings |= {"f_max": f_max, "start": start, "alignment": alignment, "method": method}
        super().__init__(sample_rate, hop_length, n_filters, **settings)
        check_window(window_length, odd=method == "fft", way_out="method='direct' takes any")
        check_choice("alignment", alignment, ("published", "centred"))
        check_choice("method", method, ("fft", "direct"))
        centers, sigmas, _ = mel_start(n_filters, sample_rate, f_min, f_max, start)
        self.window_length, self.method, self.alignment = window_length, method, alignment
        low, high = self._sigma_bounds()
        self.center = nn.Parameter(centers.float())
        self.sigma = nn.Parameter(sigmas.float().clamp(low, high))
        self.pooling_width = nn.Parameter(torch.full((n_filters,), 0.4))
        self.register_buffer("taper", _leaf_pairs.taper(window_length), persistent=False)

    def _sigma_bounds(self) -> tuple[float, float]:
        """Widths at half maximum from half the circle, pi radians, to one bin of the window, 2 pi / window."""
        return 4 * HALF_WIDTH / math.pi, self.window_length * HALF_WIDTH / math.pi

    def constrained(self) -> tuple[Tensor, Tensor, Tensor]:
        """Centres in radians a sample, sigmas in samples, pooling widths, each (band,), within their bounds."""
        widths = project(self.pooling_width, 2 / self.window_length, 0.5)
        return project(self.center, 0, math.pi), project(self.sigma, *self._sigma_bounds()), widths

    def energies(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (batch, samples), zero beyond lengths (batch,) -> energies (batch, band, frame)."""
        lined = line_up(waveforms, lengths, self.window_length, self.hop_length, self.alignment)
        centers, sigmas, widths = (values.to(waveforms.dtype) for values in self.constrained())
        filters = gabor(centers, sigmas, self.window_length)
        windows = gaussian_lowpass(widths, self.window_length)
        if self.method == "direct":
            return direct_energies(lined, filters, windows, self.hop_length)
        whole = self._whole_windows(lined, centers, sigmas, widths, filters, windows)
        return _with_ends(whole, lined, filters, windows, self.hop_length)

    def _whole_windows(
        self, lined: LinedUp, centers: Tensor, sigmas: Tensor, widths: Tensor, filters: Tensor, windows: Tensor
    ) -> Tensor:
        """Energies (batch, band, frame), right where a frame's window lies within the clip."""
        hop, n_frames = self.hop_length, lined.n_frames
        ways = _ways(sigmas.tolist(), widths.tolist(), self.window_length)
        parts = []
        if index := ways.bands:
            half = 0.5 * (self.window_length - 1)
            of_bands = centers[index], sigmas[index], windows[index]
            scales = zip(sigmas[index].tolist(), widths[index].tolist(), strict=True)
            rates = [_leaf_bands.samples_per_hop(sigma, width * half, hop) for sigma, width in scales]
            parts.append(_leaf_bands.band_energies(lined.samples, *of_bands, rates, hop, n_frames))
        for index, rings in ((ways.middle, _MIDDLE_RINGS), (ways.long, _LONG_RINGS)):
            if index:
                spectra = _leaf_pairs.segment_spectra(lined.samples, self.taper, self.window_length, hop, n_frames)
                parts.append(_pair_energies(spectra, centers[index], filters[index], windows[index], rings))
        if index := ways.direct:
            parts.append(pool(squared_modulus(lined.samples, filters[index]), windows[index], hop))
        order = [*ways.bands, *ways.middle, *ways.long, *ways.direct]
        back = torch.tensor(order, device=sigmas.device).argsort()
        return torch.cat(parts, 1)[:, back]


class _Ways(NamedTuple):
    """Which filters (their places in the bank) go which way."""

    bands: list[int]
    middle: list[int]
    long: list[int]
    direct: list[int]


def _ways(sigmas: list[float], widths: list[float], window_length: int) -> _Ways:
    ways = _Ways([], [], [], [])
    for i, (sigma, width) in enumerate(zip(sigmas, widths, strict=True)):
        if sigma <= _SHORT * window_length:
            ways.bands.append(i)
        elif width < _SHORT_POOLING:
            ways.direct.append(i)
        else:
            (ways.middle if sigma <= _LONG * window_length else ways.long).append(i)
    return ways


def _pair_energies(
    spectra: Tensor, centers: Tensor, filters: Tensor, windows: Tensor, rings: tuple[tuple[float, float], ...]
) -> Tensor:
    """Spectra (batch, frame, bin) -> energies (batch, band, frame), from the pairs that `rings` let in."""
    size = 2 * (spectra.shape[-1] - 1)
    bins = [center * size / (2 * math.pi) for center in centers.tolist()]
    n_before, energies = -1, spectra.real.new_zeros(())
    for reach, share in rings:
        n_differences = round(share * size)
        first = max(min(bins) - reach * size - n_differences, -((n_differences + 1) // 2))
        last = min(max(bins) + reach * size, size // 2)
        pairs = _leaf_pairs.Pairs(math.floor(first), math.floor(last), n_before + 1, n_differences)
        energies = energies + _leaf_pairs.pair_energies(spectra, filters, windows, pairs)
        n_before = n_differences
    return energies.clamp_min(0)


def _with_ends(whole: Tensor, lined: LinedUp, filters: Tensor, windows: Tensor, hop: int) -> Tensor:
    """whole (batch, band, frame), with the frames whose window reaches beyond the clip computed directly."""
    window = filters.shape[1]
    n_ends = min(-(-(window // 2 + 1) // hop), lined.n_frames)  # frames at each end
    n_batch = lined.samples.shape[0]
    frame = torch.arange(lined.n_frames, device=whole.device)
    for first in (torch.zeros_like(lined.frames), (lined.frames - n_ends).clamp_min(0)):
        n_window = (n_ends - 1) * hop + window
        index = first[:, None] * hop + torch.arange(n_window + window - 1, device=whole.device)
        samples = lined.samples.gather(1, index.expand(n_batch, -1))
        inside = lined.inside.gather(1, index[:, :n_window])
        ends = direct_energies(LinedUp(samples, inside, lined.frames, n_ends), filters, windows, hop)
        offset = frame - first[:, None]  # (batch or 1, frame)
        chosen = offset.clamp(0, n_ends - 1)[:, None].expand(n_batch, whole.shape[1], -1)
        whole = torch.where(((offset >= 0) & (offset < n_ends))[:, None], ends.gather(2, chosen), whole)
    return whole


def check_window(window_length: int, odd: bool, way_out: str) -> None:
    """Raises UsageError for a window of less than 3 samples, or an even one where an odd one is wanted."""
    if window_length < 3:
        raise UsageError(f"window_length is {window_length} samples; wanted at least 3")
    if odd and window_length % 2 == 0:
        raise UsageError(
            f"window_length is {window_length} samples; wanted an odd number, {window_length + 1} say ({way_out})"
        )


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises UsageError unless `value` is one of `choices`."""
    if value not in choices:
        raise UsageError(f"{name} is {value!r}; wanted one of {', '.join(map(repr, choices))}")
