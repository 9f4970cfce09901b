"""The exportable forms against those they stand for."""

from __future__ import annotations

import pytest
import torch

from tenuto import Leaf, MelSpectrogram, SincNet, TimeDomainFilterbank, warp, warp_matrix
from tenuto.frontend import _warp_export, _warp_torch
from tenuto.frontend._exportable import exportable
from tenuto.frontend._pcen_export import recur
from tenuto.frontend.filterbanks import Filterbank
from tenuto.frontend.pcen import smooth
from tenuto.frontend.position_encoding import _by_addition, _sinusoids
from tolerances import assert_close

SIZES = ((1, 1), (7, 7), (100, 25), (1000, 990), (5000, 50))


def importance(n_clips: int, n_frames: int, n_out: int) -> torch.Tensor:
    """At most 1, with zeros and ones among them, that sum to n_out or a little less."""
    scores = torch.rand(n_clips, n_frames, dtype=torch.float64) ** 3
    scores[:, 1::5] = 0
    scaled = scores * n_out / scores.sum(1, keepdim=True)
    return scaled.clamp_max(1)


@pytest.mark.parametrize(("n_frames", "n_out"), SIZES)
@pytest.mark.parametrize("algorithm1", [True, False])
def test_both_warps_agree(n_frames: int, n_out: int, algorithm1: bool) -> None:
    weights = importance(3, n_frames, n_out)
    frames = torch.randn(3, 8, n_frames)  # of both signs: untouched frames count as zero in the maximum
    cut = "segments" if algorithm1 else "whole_frames"
    wanted = _warp_torch.weighted_sum_and_max(frames, getattr(_warp_torch, cut)(weights, n_out))
    found = _warp_export.weighted_sum_and_max(frames, getattr(_warp_export, cut)(weights, n_out))
    for one, other in zip(found, wanted, strict=True):
        assert_close(one, other, "float32")


def test_the_exportable_warp_is_the_overlap() -> None:
    weights = importance(2, 60, 15)
    frames = torch.rand(2, 4, 60, dtype=torch.float64)
    pieces = _warp_export.segments(weights, 15)
    assert_close(_warp_export.weighted_sum(frames, pieces), frames @ warp_matrix(weights, 15).mT, "float64")
    shared = _warp_export.weighted_sum(frames[:1], pieces)
    assert_close(shared, warp(frames[:1].expand(2, -1, -1), weights, 15), "float64")


def test_boundaries_hold_at_a_hundred_thousand_frames() -> None:
    pieces = _warp_export.segments(torch.full((1, 100_000), 0.1, dtype=torch.float64), 10_000)
    sums = _warp_export.weighted_sum(torch.ones(1, 1, 100_000), pieces)
    assert_close(sums, torch.ones(1, 1, 10_000), "long")


@pytest.mark.parametrize(
    "filterbank",
    [
        MelSpectrogram(n_mels=40),
        MelSpectrogram(hop_length=700, n_mels=40, f_min=50.0),  # with samples between windows
        MelSpectrogram(hop_length=16, n_mels=40),
        MelSpectrogram(win_length=401, n_mels=40),  # of no middle sample
        MelSpectrogram(win_length=512, n_mels=40),
        MelSpectrogram(n_fft=64, win_length=2, hop_length=5, n_mels=6),  # of one sample
        Leaf(method="direct"),
        SincNet(),
        TimeDomainFilterbank(),
    ],
)
def test_exportable_filterbanks_say_the_same(filterbank: Filterbank) -> None:
    waveforms, lengths = 0.1 * torch.randn(3, 6037), torch.tensor([6037, 3000, 50])
    with torch.no_grad():
        wanted = filterbank(waveforms, lengths)
        found = exportable(filterbank)(waveforms, lengths)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=3e-6 * float(wanted.max()))


@pytest.mark.parametrize("n_frames", [1, 32, 33, 1000])
def test_sinusoids_by_addition_are_sinusoids(n_frames: int) -> None:
    device = torch.device("cpu")
    assert_close(_by_addition(6, n_frames, device), _sinusoids(6, n_frames, device), "float32")


@pytest.mark.parametrize("n_frames", [1, 31, 32, 33, 1000, 40_000])
def test_pcen_recurs_the_same_in_blocks_of_blocks(n_frames: int) -> None:
    energies, gain = torch.rand(2, 4, n_frames), torch.tensor([0.0, 0.01, 0.3, 1.0])
    found = recur(energies, gain, 1 - gain, energies[..., 0])
    assert_close(found, smooth(energies, gain, energies[..., 0]), "float32")
