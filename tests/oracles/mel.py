"""librosa's mel filters and power mel spectrogram, with this project's framing."""

from __future__ import annotations

import warnings

import librosa
import numpy as np
import torch
from torch import Tensor


def filters(
    n_mels: int, n_fft: int, sample_rate: int, f_min: float, f_max: float, scale: str, norm: str | None
) -> Tensor:
    """(band, bin) in float64."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Empty filters")  # bands between two bins are part of the comparison
        weights = librosa.filters.mel(
            sr=sample_rate,
            n_fft=n_fft,
            n_mels=n_mels,
            fmin=f_min,
            fmax=f_max,
            htk=scale == "htk",
            norm=norm,
            dtype=np.float64,
        )
    return torch.from_numpy(weights)


def energies(waveform: Tensor, bank: Tensor, n_fft: int, win_length: int, hop_length: int) -> Tensor:
    """(samples) -> (band, ceil(samples / hop_length)) in float64: frame k centred at sample k x hop_length."""
    n_frames = -(-len(waveform) // hop_length)
    padded = np.pad(waveform.double().numpy(), (n_fft // 2, n_fft + hop_length))
    spectrum = librosa.stft(
        padded, n_fft=n_fft, hop_length=hop_length, win_length=win_length, window="hann", center=False
    )[:, :n_frames]
    assert spectrum.shape[1] == n_frames
    return bank @ torch.from_numpy(np.abs(spectrum) ** 2)
