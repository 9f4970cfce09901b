"""LEAF's short filters, those that have died away at the window's ends: sub-bands of the whole clip's spectrum.

The response of such a filter is a Gaussian, exp(-(sigma theta)^2 / 2) at theta radians a sample from its centre.
Of the clip's spectrum only the band where that counts is kept and brought back to time at a rate that holds it:
p samples a hop, so that frames stay whole numbers of samples, filters of one p together. The window is brought to
that rate too, as a band-limited signal, so that the energies need never be at full rate.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from tenuto.frontend._leaf_pairs import smooth

BAND_SIGMAS = 5.0  # half the band in standard deviations of the response: what is left out is below -108 dB
_POOL_SIGMAS = 4.3  # the same for the window, -80 dB


def samples_per_hop(sigma: float, window_sigma: float, hop: int) -> int:
    """The rate that a filter needs, in samples a hop: 2^n or 3 2^n, at most `hop`, the full rate."""
    band = 2 * BAND_SIGMAS / (2 * math.pi * sigma)  # cycles a sample, both sides
    pooled = _POOL_SIGMAS / (2 * math.pi * window_sigma)  # differences in the band beyond it are pooled away
    wanted = max(2, math.ceil((band + min(band, pooled)) * hop))
    power = 1 << math.ceil(math.log2(wanted))
    return min(hop, power * 3 // 4 if power * 3 // 4 >= wanted else power)


def band_energies(
    samples: Tensor, centers: Tensor, sigmas: Tensor, windows: Tensor, rates: list[int], hop: int, n_frames: int
) -> Tensor:
    """Energies (batch, band, frame) of the whole window, wherever the clip ends; bands in the order given.

    samples (batch, samples) as LinedUp has them; centers and sigmas (band,), windows (band, window); rates: each
    band's samples a hop.
    """
    window = windows.shape[1]
    tail = -(-window // (2 * hop))  # frames on both sides where a band-limited window has not died away
    before = tail * hop - (window - 1) // 2  # frame k's window begins at sample (k + tail) hop
    n_hops = smooth(n_frames + 2 * tail + -(-2 * window // hop))
    n_fft = n_hops * hop
    n_mirrored = max(rates) * n_hops // 2 + 1
    spectrum = _mirror(torch.fft.rfft(F.pad(samples, (before, 0)), n=n_fft), n_mirrored, n_fft)
    bands: list[Tensor] = [samples.new_empty(0)] * len(rates)
    for rate in sorted(set(rates)):
        index = [i for i, other in enumerate(rates) if other == rate]
        low = _decimate(spectrum, centers[index], sigmas[index], rate, n_hops, n_fft)
        pooled = _pool(low, windows[index], rate, hop, tail, n_frames)
        for i, energies in zip(index, pooled.unbind(1), strict=True):
            bands[i] = energies
    return torch.stack(bands, 1).clamp_min(0)


def _decimate(spectrum: Tensor, centers: Tensor, sigmas: Tensor, rate: int, n_hops: int, n_fft: int) -> Tensor:
    """Spectrum (batch, bin, 2), mirrored at both ends by `_mirror` -> |filtered|^2 (batch, band, hop, rate)."""
    n_low = n_hops * rate
    first = torch.round(centers.detach().double() * (n_fft / (2 * math.pi))).to(torch.int64) - n_low // 2
    bins = first[:, None] + torch.arange(n_low, device=spectrum.device)  # (band, low bin)
    theta = bins.to(centers.dtype) * (2 * math.pi / n_fft) - centers[:, None]
    response = torch.exp(-0.5 * (sigmas[:, None] * theta).square()) * (n_low / n_fft)
    mirror = (spectrum.shape[1] - n_fft // 2 - 1) // 2
    bands = spectrum.unfold(1, n_low, 1).mT[:, first + mirror]  # whole rows: (batch, band, low bin, 2)
    # the band's lowest bin becomes bin 0, which turns phases, of which the modulus knows nothing
    low = torch.fft.ifft(torch.view_as_complex(bands * response[..., None]))
    power: Tensor = low.real.square() + low.imag.square()
    return power.view(*power.shape[:2], n_hops, rate)


def _mirror(spectrum: Tensor, n_bins: int, n_fft: int) -> Tensor:
    """Bins 0 .. n_fft/2 (batch, bin) of a real signal -> (batch, bin, 2) with n_bins more at both ends."""
    bins = torch.arange(-n_bins, n_fft // 2 + 1 + n_bins, device=spectrum.device) % n_fft
    mirrored = bins > n_fft // 2
    parts = torch.view_as_real(spectrum)[:, torch.where(mirrored, n_fft - bins, bins)]
    signs = torch.ones(bins.shape[0], 2, dtype=parts.dtype, device=parts.device)
    signs[:, 1] = torch.where(mirrored, -1, 1)
    return parts * signs


def _pool(energies: Tensor, windows: Tensor, rate: int, hop: int, tail: int, n_frames: int) -> Tensor:
    """energies (batch, band, hop, sample) under windows (band, window) -> (batch, band, frame)."""
    resample = _resampling(windows.shape[1], hop, rate, tail).to(windows)
    low_windows = (windows @ resample.mT).view(windows.shape[0], -1, rate).mT  # (band, sample, hops from the frame's)
    shares = energies @ low_windows  # (batch, band, hop, hops from the frame's)
    total = shares[:, :, :n_frames, 0]
    for m in range(1, shares.shape[-1]):
        total = total + shares[:, :, m : m + n_frames, m]
    return total


@lru_cache(maxsize=64)
def _resampling(window: int, hop: int, rate: int, tail: int) -> Tensor:
    """(hops x rate, window) float64: a window at full rate -> its band-limited self at `rate` samples a hop.

    From `tail` hops before the window to `tail` hops behind it. At full rate: the window and zeros.
    """
    n_hops = 2 * tail + -(-window // hop)
    with torch.inference_mode(False):  # kept for later calls, which may train
        at = torch.arange(n_hops * rate, dtype=torch.float64) * (hop / rate) - tail * hop
        return torch.sinc((at[:, None] - torch.arange(window)) * (rate / hop))
