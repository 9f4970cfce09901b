"""Mel scales and filters against librosa's."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from oracles import mel as oracle
from tenuto import UsageError
from tenuto.frontend.mel import MelNorm, MelScale, hz_to_mel, mel_matrix, mel_to_hz
from tolerances import assert_close


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_scales_are_librosas_and_each_others_inverse(scale: MelScale) -> None:
    hz = torch.cat([torch.linspace(0, 22050, 400), torch.tensor([999.999, 1000.0, 1000.001])]).double()
    expected = librosa.hz_to_mel(hz.numpy(), htk=scale == "htk")
    assert_close(hz_to_mel(hz, scale), torch.from_numpy(np.asarray(expected)), "float64")
    assert_close(mel_to_hz(hz_to_mel(hz, scale), scale), hz, "float64")


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("norm", ["slaney", None])
@pytest.mark.parametrize(
    ("n_mels", "n_fft", "sample_rate", "f_min", "f_max"),
    [
        (128, 512, 16000, 0.0, 8000.0),
        (40, 512, 16000, 60.0, 7800.0),
        (64, 1024, 44100, 20.0, 22050.0),
        (3, 400, 8000, 0.0, 4000.0),
        (40, 401, 16000, 0.0, 8000.0),
    ],
)
def test_filters_are_librosas(
    scale: MelScale, norm: MelNorm, n_mels: int, n_fft: int, sample_rate: int, f_min: float, f_max: float
) -> None:
    expected = oracle.filters(n_mels, n_fft, sample_rate, f_min, f_max, scale, norm)
    assert expected.max() > 1e-3
    actual = mel_matrix(n_mels, n_fft, sample_rate, f_min, f_max, scale, norm)
    assert actual.shape == (n_mels, n_fft // 2 + 1)
    assert_close(actual, expected, "mel filters")


def test_f_max_is_half_the_sample_rate_by_default() -> None:
    assert_close(mel_matrix(40, 512, 16000), mel_matrix(40, 512, 16000, 0.0, 8000.0), "exact")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"f_max": 9000.0}, "half the sample rate"),
        ({"f_min": 5000.0, "f_max": 4000.0}, "f_min < f_max"),
        ({"f_min": -1.0}, "0 <= f_min"),
        ({"n_mels": 0}, "at least one band"),
        ({"mel_scale": "bark"}, "wanted 'slaney' or 'htk'"),
        ({"norm": "l2"}, "wanted 'slaney' or None"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        mel_matrix(**({"n_mels": 40, "n_fft": 512, "sample_rate": 16000} | settings))  # type: ignore[arg-type]
