"""Placement is what the dense warp matrix says, at a cost that does not grow with its size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tenuto.frontend.rescaling import rescale
from tenuto.frontend.warp import warp_matrix
from tenuto.inference.placement import place

CASES = {
    "random": torch.rand(60),
    "spiky": torch.where(torch.arange(60) % 7 == 0, 1.0, 1e-4),
    "silence in front, between and behind": torch.where((torch.arange(60) // 10) % 2 == 1, 0.8, 0.0),
    "uniform": torch.full((60,), 0.5),
}


@pytest.mark.parametrize("scores", CASES.values(), ids=CASES)
def test_places_are_those_of_the_warp_matrix(scores: torch.Tensor) -> None:
    n_kept, hop_seconds = 15, 0.01
    importance = rescale(scores.clamp_min(1e-30).log()[None].double(), torch.tensor([n_kept]))
    matrix = warp_matrix(importance, n_kept)[0].numpy()  # (kept, frame)
    placed = place(importance[0].numpy(), n_kept, hop_seconds)
    frames = np.arange(60)
    np.testing.assert_allclose(placed.centre_seconds, matrix @ frames * hop_seconds / matrix.sum(1), atol=1e-9)
    for row, first, last in zip(matrix, placed.first_frame, placed.last_frame, strict=True):
        touched = np.flatnonzero(row > 2e-3)
        assert first <= touched[0]
        assert touched[-1] <= last
        assert row[first : last + 1].sum() > 0.99
        assert row[first] > 0
        assert row[last] > 0


def test_uniform_importance_cuts_time_evenly() -> None:
    placed = place(np.full(100, 0.25), 25, 0.01)
    np.testing.assert_array_equal(placed.first_frame, np.arange(0, 100, 4))
    np.testing.assert_array_equal(placed.last_frame, np.arange(3, 100, 4))
    np.testing.assert_allclose(placed.start_seconds[1:], np.arange(4, 100, 4) * 0.01 - 0.005)
    np.testing.assert_allclose(placed.end_seconds, np.arange(4, 101, 4) * 0.01 - 0.005)
    np.testing.assert_allclose(np.diff(placed.edge_seconds), 0.04)


def test_every_frame_kept_is_the_identity() -> None:
    placed = place(np.ones(10), 10, 0.5)
    np.testing.assert_array_equal(placed.first_frame, np.arange(10))
    np.testing.assert_array_equal(placed.last_frame, np.arange(10))
    np.testing.assert_allclose(placed.centre_seconds, np.arange(10) * 0.5)


def test_rows_past_the_sum_are_empty() -> None:
    placed = place(np.full(10, 0.15), 4, 1.0)  # sums to 1.5: one full row, half a row, two empty ones
    assert placed.first_frame.tolist()[2:] == [-1, -1]
    assert np.isnan(placed.centre_seconds).tolist() == [False, False, True, True]
    assert np.isfinite(placed.edge_seconds).all()


def test_no_importance_at_all_places_nothing() -> None:
    placed = place(np.zeros(10), 3, 1.0)
    assert placed.last_frame.tolist() == [-1, -1, -1]


def test_an_hour_takes_no_dense_matrix() -> None:
    n_frames, n_kept = 360_000, 90_000  # dense: 260 GB
    importance = np.random.default_rng(0).random(n_frames)
    placed = place(importance * n_kept / importance.sum(), n_kept, 0.01)
    assert (np.diff(placed.centre_seconds) > 0).all()
    assert placed.last_frame[-1] == n_frames - 1
