"""LEAF: Gabor filters, squared modulus, Gaussian low-pass pooling, all learnable (arXiv 2101.08596)."""

from __future__ import annotations

import math
from functools import lru_cache, partial
from threading import get_ident
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenuto.errors import UsageError
from tenuto.frontend._leaf_bands import band_energies
from tenuto.frontend._leaf_pairs import pair_energies, taper
from tenuto.frontend._leaf_rates import Bank, ways_and_rates
from tenuto.frontend._remembered import Remember, Remembered
from tenuto.frontend.convolution import Alignment, LinedUp, direct_energies, line_up, pool, squared_modulus, with_ends
from tenuto.frontend.filterbanks import Filterbank
from tenuto.frontend.impulse_responses import (
    HALF_WIDTH,
    GaborStart,
    gabor,
    gaussian_lowpass,
    mel_start,
    project,
)
from tenuto.frontend.lengths import in_graph_without_gradients, is_exporting, n_frames

Method = Literal["fft", "direct"]


class Leaf(Filterbank):
    """Waveforms (batch, samples) in [-1, 1] -> energies (batch, n_filters, ceil(samples / hop_length)).

    At its defaults the published LEAF before its floor and PCEN: `PCEN(40)(Leaf()(waveforms))` is all of it.
    Learnable, three a filter: centre frequency (radians a sample, in [0, pi]), sigma (samples, so that the width
    at half maximum of the response is 1 to window_length / 4 of the window's bins) and the pooling window's width
    (a share of half the window, in [2 / window_length, 0.5], 0.4 at the start).

    start: "published" reads the first filters off 512 bins, "analytic" computes them from the mel scale.
    alignment: "published" spreads frames evenly between the ends of the clip (frame k at (k + 1/2) hop_length
    for clips of whole hops), "centred" puts frame k at sample k x hop_length, as MelSpectrogram does.
    method: "direct" convolves at full rate; "fft" computes the same function, within 1e-3 of each band's norm
    (8.4e-4 in the worst band of 516 recordings; 2e-3 where a clip has nothing below 5 kHz, in low bands that hear but
    side lobes), many times faster: short filters in sub-bands (`_leaf_bands`), long ones by pairs of bins too
    (`_leaf_pairs`), the frames that reach beyond the clip directly.

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
        self._remembered = Remembered()
        self.register_buffer("taper", taper(window_length), persistent=False)

    def _sigma_bounds(self) -> tuple[float, float]:
        """Widths at half maximum from half the circle, pi radians, to one bin of the window, 2 pi / window."""
        return 4 * HALF_WIDTH / math.pi, self.window_length * HALF_WIDTH / math.pi

    def constrained(self) -> tuple[Tensor, Tensor, Tensor]:
        """Centres in radians a sample, sigmas in samples, pooling widths, each (band,), within their bounds."""
        widths = project(self.pooling_width, 2 / self.window_length, 0.5)
        return project(self.center, 0, math.pi), project(self.sigma, *self._sigma_bounds()), widths

    def energies(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (batch, samples), zero beyond lengths (batch,) -> energies (batch, band, frame).

        Which way a filter goes depends on its values, which no graph of torch.compile sees: without gradients all of
        it is one operator there, with gradients the graph breaks here.
        """
        if self.method == "fft" and in_graph_without_gradients():
            kind = self.n_bands, self.sample_rate, self.window_length, self.hop_length, self.alignment
            traced: Tensor = _opaque(waveforms, lengths, self.center, self.sigma, self.pooling_width, *kind)
            return traced
        if self.method == "fft" and torch.compiler.is_compiling() and not is_exporting():
            untraced: Any = torch.compiler.disable
            energies: Tensor = untraced(self.energies)(waveforms, lengths)
            return energies
        lined = line_up(waveforms, lengths, self.window_length, self.hop_length, self.alignment)
        exact = torch.float32 if waveforms.device.type == "mps" else torch.float64  # phases reach some hundred radians
        centers, sigmas, widths = (values.to(exact) for values in self.constrained())
        remember = self._remembered.of(centers, sigmas, widths)
        make = partial(self._filters, centers, sigmas, widths, waveforms.dtype)
        bank, (filters, windows) = remember(("filters", waveforms.dtype), make)
        if self.method == "direct":
            return direct_energies(lined, filters, windows, self.hop_length)
        return with_ends(self._whole_windows(lined, bank, remember), lined, filters, windows, self.hop_length)

    def _filters(
        self, centers: Tensor, sigmas: Tensor, widths: Tensor, dtype: torch.dtype
    ) -> tuple[Bank, tuple[Tensor, Tensor]]:
        """Filters and windows (band, window), in the precision of the parameters and rounded."""
        filters = gabor(centers, sigmas, self.window_length)
        windows = gaussian_lowpass(widths, self.window_length)
        rounded = filters.to(torch.promote_types(dtype, torch.complex32)), windows.to(dtype)
        return Bank(centers, sigmas, widths, filters, windows), rounded

    def _whole_windows(self, lined: LinedUp, bank: Bank, remember: Remember) -> Tensor:
        """Energies (batch, band, frame), right where a frame's window lies within the clip."""
        hop, n_frames = self.hop_length, lined.n_frames
        ways, rates = remember("ways", partial(ways_and_rates, bank, hop))
        parts = []
        if index := ways.long + ways.short:
            parts.append(band_energies(lined.samples, bank, index, rates, hop, n_frames, remember))
        if index := ways.long:
            fades = [rate.fade for rate in rates[: len(index)]]
            far = pair_energies(lined.samples, self.taper, bank, index, fades, hop, n_frames, remember)
            parts[0] = parts[0] + F.pad(far, (0, 0, 0, len(ways.short)))
        if index := ways.direct:
            filters, samples = bank.filters[index], lined.samples.to(bank.windows.dtype)
            parts.append(pool(squared_modulus(samples, filters), bank.windows[index], hop).to(lined.samples))
        energies = torch.cat(parts, 1) if len(parts) > 1 else parts[0]
        order = [*ways.long, *ways.short, *ways.direct]
        if order == sorted(order):  # as they start
            return energies
        return energies.index_select(1, torch.tensor(order, device=energies.device).argsort())


@torch.library.custom_op(
    "tenuto::leaf",
    mutates_args=(),
    schema="(Tensor waveforms, Tensor? lengths, Tensor center, Tensor sigma, Tensor pooling_width, int n_filters, "
    "int sample_rate, int window_length, int hop_length, str alignment) -> Tensor",
)
def _opaque(
    waveforms: Tensor, lengths: Tensor | None, center: Tensor, sigma: Tensor, pooling_width: Tensor, *kind: Any
) -> Tensor:
    """What a Leaf of these parameters says, by the fast form."""
    parameters = {"center": center, "sigma": sigma, "pooling_width": pooling_width}
    bank = _bank(*kind, waveforms.device, get_ident())
    energies: Tensor = torch.func.functional_call(bank, parameters, (waveforms, lengths))
    return energies.contiguous()


@_opaque.register_fake
def _(waveforms: Tensor, lengths: Tensor | None, *others: Any) -> Tensor:
    *_, n_filters, _, _, hop_length, _ = others
    return waveforms.new_empty(waveforms.shape[0], n_filters, n_frames(waveforms.shape[1], hop_length))


@lru_cache(maxsize=8)
def _bank(
    n_filters: int,
    sample_rate: int,
    window_length: int,
    hop_length: int,
    alignment: Alignment,
    device: torch.device,
    thread: int,
) -> Leaf:
    """Of these settings, for parameters of any values: what it remembers is of those that it was last called with.

    Each thread has its own, as parameters are put into it for the time of a call.
    """
    start: dict[str, Any] = {"f_min": 0.0, "f_max": sample_rate / 2, "start": "analytic", "alignment": alignment}
    return Leaf(n_filters, sample_rate, window_length, hop_length, **start).to(device)


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
