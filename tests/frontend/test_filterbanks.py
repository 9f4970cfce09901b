"""The mel spectrogram against librosa on noise and on real clips; framing, padding, hops."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
import soxr
import torch
from torch import Tensor, nn

from oracles import mel as oracle
from tenuto import ChangeHop, Frontend, MelSpectrogram, UsageError
from tenuto.frontend.filterbanks import Filterbank
from tenuto.frontend.mel import MelScale
from tolerances import assert_close


def energies_by_librosa(waveform: Tensor, bank: MelSpectrogram, scale: str, win_length: int) -> Tensor:
    filters = oracle.filters(bank.n_bands, bank.n_fft, bank.sample_rate, 0.0, bank.sample_rate / 2, scale, "slaney")
    return oracle.energies(waveform, filters, bank.n_fft, win_length, bank.hop_length)


def read(path: Path, sample_rate: int) -> Tensor:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(soxr.resample(samples.mean(1), rate, sample_rate))


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("source", ["esc10/audio", "fsdd/recordings"])
def test_energies_are_librosas_on_real_clips(real_data: Path, source: str, scale: MelScale) -> None:
    bank = MelSpectrogram(n_mels=64, mel_scale=scale)
    paths = sorted((real_data / source).iterdir())[::97][:5]
    assert paths
    for path in paths:
        waveform = read(path, bank.sample_rate)
        assert_close(bank(waveform[None])[0], energies_by_librosa(waveform, bank, scale, 400), "mel energies")


@pytest.mark.parametrize("n_samples", [1, 159, 160, 161, 399, 1600, 16000, 16001])
def test_ceil_of_samples_over_hop_frames_each_centred_at_its_hop(n_samples: int) -> None:
    bank = MelSpectrogram()
    waveform = torch.randn(n_samples).clamp(-1, 1)
    expected = energies_by_librosa(waveform, bank, "slaney", 400)
    assert expected.shape == (128, -(-n_samples // 160))
    assert_close(bank(waveform[None])[0], expected, "mel energies")


@pytest.mark.parametrize("hop_length", [16, 37, 640])
@pytest.mark.parametrize(("n_fft", "win_length"), [(512, 400), (1024, 1024), (600, 333)])
def test_any_hop_and_window(hop_length: int, n_fft: int, win_length: int) -> None:
    bank = MelSpectrogram(n_fft=n_fft, win_length=win_length, hop_length=hop_length, n_mels=64)
    waveform = torch.randn(4000).clamp(-1, 1)
    assert_close(bank(waveform[None])[0], energies_by_librosa(waveform, bank, "slaney", win_length), "mel energies")


def test_a_pulse_is_loudest_in_the_frame_at_its_sample() -> None:
    waveform = torch.zeros(1, 3200)
    waveform[0, 1600] = 1
    assert MelSpectrogram()(waveform)[0].sum(0).argmax() == 10


def test_a_batch_of_long_clips_is_each_clip() -> None:
    waveforms = torch.randn(3, 60_000).clamp(-1, 1)  # more than one block of spectrum
    together = MelSpectrogram(hop_length=40)(waveforms)
    alone = torch.cat([MelSpectrogram(hop_length=40)(waveform[None]) for waveform in waveforms])
    assert_close(together, alone, "float32")


@pytest.mark.parametrize("n_padding", [0, 10, 1000])
@pytest.mark.parametrize("rubbish", [0.0, 0.7, torch.nan])
def test_what_lies_beyond_a_clip_changes_nothing(n_padding: int, rubbish: float) -> None:
    bank, lengths = MelSpectrogram(), torch.tensor([3000, 2001, 1])
    waveforms = torch.randn(3, 3000).clamp(-1, 1)
    padded = torch.nn.functional.pad(waveforms, (0, n_padding))
    for waveform, length in zip(padded, lengths, strict=True):
        waveform[length:] = rubbish
    together = bank(padded, lengths)
    n_frames = bank.n_frames(lengths)
    assert n_frames.tolist() == [19, 13, 1]
    for i in range(3):
        alone = bank(waveforms[i : i + 1, : lengths[i]])
        assert_close(together[i : i + 1, :, : n_frames[i]], alone, "padding")
        assert (together[i, :, n_frames[i] :] == 0).all()


def test_another_hop_is_a_fresh_filterbank_of_the_same_settings() -> None:
    bank = MelSpectrogram(
        sample_rate=8000, n_fft=256, win_length=200, hop_length=80, n_mels=20, f_min=100.0, mel_scale="htk"
    )
    coarse = bank.with_hop(320)
    direct = MelSpectrogram(8000, 256, 200, 320, 20, 100.0, mel_scale="htk")
    waveform = torch.randn(1, 2000)
    assert (bank.hop_length, coarse.hop_length) == (80, 320)
    assert_close(coarse(waveform), direct(waveform), "exact")


def test_a_filterbank_that_supplies_energies_alone_takes_another_hop() -> None:
    class Loudness(Filterbank):
        def __init__(self, sample_rate: int = 16000, hop_length: int = 160) -> None:
            super().__init__(sample_rate, hop_length, n_bands=1)

        def energies(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
            wanted = self.n_frames(waveforms.shape[1])
            padded = nn.functional.pad(waveforms, (0, wanted * self.hop_length - waveforms.shape[1]))
            return padded.view(len(waveforms), 1, wanted, self.hop_length).square().sum(-1)

    coarse = Frontend(Loudness(), ChangeHop(0.75))
    assert coarse(torch.randn(2, 16001)).features.shape == (2, 1, 1, 26)


def test_float64_in_float64_out_and_half_precision_does_not_overflow() -> None:
    bank, waveform = MelSpectrogram(), torch.randn(1, 4000).clamp(-1, 1)
    assert bank(waveform.double()).dtype == torch.float64
    assert_close(bank(waveform.double()), bank(waveform), "mel energies")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_close(bank(waveform), bank(waveform.float()), "exact")


def test_empty_bands_are_said() -> None:
    with pytest.warns(UserWarning, match="fall between two bins"):
        MelSpectrogram(mel_scale="htk")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hop_length": 0}, "hop_length is 0"),
        ({"win_length": 600}, "wanted 1 to n_fft, which is 512"),
        ({"n_mels": 400}, "lower n_mels or raise n_fft"),
        ({"sample_rate": 0}, "sample_rate is 0"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MelSpectrogram(**settings)


@pytest.mark.parametrize(
    "waveforms", [torch.zeros(100), torch.zeros(1, 1, 100), torch.zeros(1, 0), torch.zeros(1, 9).int()]
)
def test_waveforms_of_another_kind_are_refused(waveforms: Tensor) -> None:
    with pytest.raises(UsageError, match=r"wanted a float tensor \(batch, samples\)"):
        MelSpectrogram()(waveforms)
