"""The published front ends by their definitions, clip by clip, filter by filter, frame by frame, in float64.

LEAF: arXiv 2101.08596, section 3, with the padding of its release: "same" as TensorFlow means it, for the filters
(stride 1) and for the pooling (stride hop), which puts half of the missing samples, rounded down, in front.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def same_padding(signal: Array, size: int, hop: int, value: float = 0.0) -> tuple[Array, int]:
    """The signal with its zeros (or `value`) on both sides, and the number of frames."""
    n_frames = math.ceil(len(signal) / hop)
    missing = max((n_frames - 1) * hop + size - len(signal), 0)
    before = missing // 2
    return np.pad(signal, (before, missing - before), constant_values=value), n_frames


def correlate(signal: Array, taps: NDArray[np.complex128]) -> NDArray[np.complex128]:
    padded, n = same_padding(signal, len(taps), 1)
    return np.array([np.sum(padded[i : i + len(taps)] * taps) for i in range(n)])


def pool(signal: Array, window: Array, hop: int) -> Array:
    padded, n = same_padding(signal, len(window), hop)
    return np.array([np.sum(padded[k * hop : k * hop + len(window)] * window) for k in range(n)])


def max_pool(signal: Array, size: int, hop: int) -> Array:
    padded, n = same_padding(signal, size, hop, -np.inf)
    return np.array([padded[k * hop : k * hop + size].max() for k in range(n)])


def gabor(center: float, sigma: float, size: int) -> NDArray[np.complex128]:
    t = np.arange(-(size // 2), (size + 1) // 2)
    return np.exp(1j * center * t) * np.exp(-(t**2) / (2 * sigma**2)) / (math.sqrt(2 * math.pi) * sigma)


def gaussian_window(width: float, size: int) -> Array:
    t = np.arange(size)
    return np.exp(-0.5 * ((t - 0.5 * (size - 1)) / (width * 0.5 * (size - 1))) ** 2)


def constrain_sigma(sigma: float, size: int) -> float:
    scale = math.sqrt(2 * math.log(2)) / math.pi
    return min(max(sigma, 4 * scale), size * scale)


def published_gabors(n_filters: int, sample_rate: int = 16000, f_min: float = 60.0, f_max: float = 7800.0) -> Array:
    """Centre and sigma of each filter (band, 2), before the constraint, off the bins of a 512-point mel matrix."""
    n_fft, rows = 512, []
    edges = np.linspace(1127 * np.log(1 + f_min / 700), 1127 * np.log(1 + f_max / 700), n_filters + 2)
    for low, center, high in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
        weights = [0.0]
        for i in range(1, n_fft // 2 + 1):
            mel = 1127 * math.log(1 + i * sample_rate / n_fft / 700)
            weights.append(max(0.0, min((mel - low) / (center - low), (high - mel) / (high - center))))
        roots = np.sqrt(weights)
        n_half = np.sum(roots >= roots.max() / 2)
        coefficient = math.sqrt(2 * math.log(2)) * n_fft
        rows.append([np.argmax(roots) * 2 * math.pi / n_fft, coefficient / (math.pi * n_half)])
    return np.array(rows)


def leaf(waveform: Array, gabors: Array, width: float = 0.4, size: int = 401, hop: int = 160) -> Array:
    """Energies (band, frame), before floor and PCEN."""
    window = gaussian_window(width, size)
    energies = [
        np.abs(correlate(waveform, gabor(center, constrain_sigma(sigma, size), size))) ** 2 for center, sigma in gabors
    ]
    return np.array([pool(energy, window, hop) for energy in energies])


def pcen(energies: Array, alpha: float = 0.96, s: float = 0.04, delta: float = 2.0, root: float = 2.0) -> Array:
    """Energies (band, frame) -> the same, with LEAF's floors."""
    energies = np.maximum(energies, 1e-5)
    mean, out = energies[:, 0], []
    for k in range(energies.shape[1]):
        mean = s * energies[:, k] + (1 - s) * mean
        out.append((energies[:, k] / (1e-12 + mean) ** alpha + delta) ** (1 / root) - delta ** (1 / root))
    return np.array(out).T


def sincnet(waveform: Array, n_filters: int, plus: bool, size: int = 401, hop: int = 160) -> Array:
    """LEAF's SincNet (max pooling) and SincNet+ (Gaussian low-pass) at their starts, 16 kHz, floored at 1e-5."""
    hz = np.linspace(*(2595 * np.log10(1 + f / 700) for f in (50.0, 7900.0)), n_filters + 1)
    edges_hz = 700 * (10 ** (hz / 2595) - 1)
    hamming = 0.54 - 0.46 * np.cos(2 * math.pi * np.arange(size) / size)
    rows = []
    for left_hz, width_hz in zip(edges_hz[:-1], np.diff(edges_hz), strict=True):
        low = 50 + abs(left_hz)
        high = min(low + 50 + abs(width_hz), 8000.0)
        taps = []
        for t in np.arange(-(size // 2), size // 2 + 1) / 16000:
            arcs = [2 * f * (math.sin(2 * math.pi * f * t) / (2 * math.pi * f * t) if t else 1) for f in (high, low)]
            taps.append(arcs[0] - arcs[1])
        filtered = correlate(waveform, np.array(taps) / max(taps) * hamming).real
        rectified = np.where(filtered < 0, 0.2 * filtered, filtered)
        rows.append(pool(rectified, gaussian_window(0.4, size), hop) if plus else max_pool(rectified, size, hop))
    return np.maximum(np.array(rows), 1e-5)
