"""Samples to frames to kept frames to masks: counted by hand and by loops."""

from __future__ import annotations

import math

import pytest
import torch

from tenuto import UsageError
from tenuto.frontend.diffres import DiffRes
from tenuto.frontend.filterbanks import MelSpectrogram
from tenuto.frontend.frontend import Frontend
from tenuto.frontend.lengths import checked_lengths, length_mask, longest_seen, n_frames, n_kept, scale_lengths
from tenuto.frontend.resolution import AvgPool


@pytest.mark.parametrize(
    ("n_samples", "hop_length", "expected"),
    [(0, 160, 0), (1, 160, 1), (160, 160, 1), (161, 160, 2), (16000, 160, 100), (16001, 160, 101), (7, 1, 7)],
)
def test_n_frames_rounds_up(n_samples: int, hop_length: int, expected: int) -> None:
    assert n_frames(n_samples, hop_length) == expected
    assert n_frames(torch.tensor([n_samples]), hop_length).tolist() == [expected]


@pytest.mark.parametrize(
    ("frames", "reduction", "expected"),
    [
        (1000, 0.75, 250),
        (98, 0.75, 25),
        (1, 0.75, 1),
        (2, 0.9, 1),
        (3, 0.5, 2),
        (100, 0.0, 100),
        (1, 0.0, 1),
        (0, 0.5, 0),
    ],
)
def test_n_kept_rounds_half_up_and_keeps_at_least_one(frames: int, reduction: float, expected: int) -> None:
    assert n_kept(frames, reduction) == expected
    assert n_kept(torch.tensor([frames]), reduction).tolist() == [expected]


@pytest.mark.parametrize("reduction", [0.0, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 0.99])
def test_n_kept_of_a_tensor_is_n_kept_of_each(reduction: float) -> None:
    frames = torch.arange(1, 500)
    kept = n_kept(frames, reduction)
    assert kept.dtype == frames.dtype
    assert kept.tolist() == [n_kept(n, reduction) for n in frames.tolist()]
    assert kept.tolist() == [min(n, max(1, math.floor((1 - reduction) * n + 0.5))) for n in frames.tolist()]


@pytest.mark.parametrize("reduction", [1.0, 1.5, -0.1, math.nan])
def test_a_reduction_that_leaves_nothing_is_refused(reduction: float) -> None:
    with pytest.raises(UsageError, match=f"reduction is {reduction}; wanted"):
        n_kept(100, reduction)


def test_length_mask_is_a_loop() -> None:
    lengths = torch.tensor([0, 1, 3, 5])
    expected = [[position < length for position in range(5)] for length in lengths.tolist()]
    assert length_mask(lengths, 5).tolist() == expected


def test_scale_lengths_is_a_loop() -> None:
    lengths = torch.arange(1, 101)
    for n_out in (1, 3, 7, 50, 100):
        expected = [min(n_out, max(1, math.ceil(length * n_out / 100))) for length in lengths.tolist()]
        assert scale_lengths(lengths, 100, n_out).tolist() == expected


@pytest.mark.parametrize(
    "lengths",
    [
        torch.tensor([1.0, 2.0]),
        torch.tensor([1, 2, 3]),
        torch.tensor(2),
        torch.ones(2, 1).long(),
        torch.tensor([True, False]),
        torch.tensor([-1, 2]),
        torch.tensor([5, 2]),
        [1, 2],
    ],
)
def test_lengths_of_another_kind_are_refused(lengths: torch.Tensor) -> None:
    with pytest.raises(UsageError, match=r"wanted an integer tensor \(2,\): the valid frames"):
        checked_lengths(lengths, torch.rand(2, 3, 4), "frame")


def test_lengths_that_are_seen_to_be_whole_are_none() -> None:
    batch = torch.rand(2, 3, 4)
    assert checked_lengths(torch.tensor([4, 4]), batch, "frame") is None
    shorter = checked_lengths(torch.tensor([4, 3], dtype=torch.int32), batch, "frame")
    assert shorter is not None
    assert shorter.tolist() == [4, 3]
    assert shorter.dtype == torch.int64
    assert longest_seen(torch.tensor([2, 3])) == 3


def test_lengths_that_may_not_be_looked_at_are_taken_as_they_are() -> None:
    there = torch.tensor([4, 4], device="meta")
    assert checked_lengths(there, torch.rand(2, 3, 4, device="meta"), "frame") is not None
    assert longest_seen(there) is None
    moved = checked_lengths(torch.tensor([4, 3]), torch.rand(2, 3, 4, device="meta"), "frame")
    assert moved is not None
    assert moved.is_meta


@pytest.mark.parametrize("dtype", [torch.int16, torch.uint16, torch.int32, torch.int64])
def test_lengths_of_any_integers_count_alike(dtype: torch.dtype) -> None:
    front_end = Frontend(MelSpectrogram(n_mels=8), AvgPool(0.75))
    lengths = torch.tensor([32700, 20000])
    with torch.no_grad():
        output = front_end(torch.randn(2, 32700), lengths.to(dtype))
    assert output.lengths.tolist() == front_end.kept(lengths).tolist() == [51, 31]
    layer = DiffRes(8, 0.75).eval()
    for frames in ([40, 20], [30, 20], [40, 40]):
        by_itself = layer(torch.randn(2, 8, 40), torch.tensor(frames).to(dtype))
        assert by_itself.lengths.tolist() == layer.kept(torch.tensor(frames)).tolist()
        assert by_itself.features.shape[-1] == max(by_itself.lengths.tolist())
