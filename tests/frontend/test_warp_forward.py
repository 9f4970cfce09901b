"""The warp without gradients against the dense matrix and against the warp that has a way back."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tenuto import warp, warp_matrix
from tenuto.frontend import _warp_forward, _warp_torch
from tenuto.frontend.warp import Warp
from tolerances import assert_close

KINDS = ("random", "equal", "many zeros", "ragged", "too much", "too little", "longer than an output", "an empty clip")
SIZES = ((7, 3), (90, 20), (31, 30), (24, 24), (9, 2), (1, 1))


def importance_of(kind: str, n_frames: int, n_out: int) -> Tensor:
    """(3, frame) float64 that sums to n_out, but where the kind says otherwise."""
    scores = torch.rand(3, n_frames, dtype=torch.float64) + 1e-3
    if kind == "equal":
        scores = torch.ones_like(scores)
    if kind == "many zeros":
        scores[:, n_frames // 3 : 2 * n_frames // 3] = 0
    if kind == "ragged":
        scores = scores * (torch.arange(n_frames) < torch.tensor([[n_frames], [(n_frames + 1) // 2], [1]]))
    if kind == "longer than an output":
        scores[:, n_frames // 2] = scores.sum(1)
    importance = scores * (n_out / scores.sum(1, keepdim=True))
    if kind == "an empty clip":
        importance[1] = 0
    return {"too much": 1.7 * importance, "too little": 0.4 * importance}.get(kind, importance)


def dense(frames: Tensor, importance: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    """Mean and maximum by the matrix: (batch, band, n_out) each."""
    products = warp_matrix(importance, n_out).to(frames.dtype)[:, None] * frames[:, :, None]
    return products.sum(3), products.amax(3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n_frames", "n_out"), SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_mean_and_maximum_are_those_of_the_matrix(kind: str, n_frames: int, n_out: int, dtype: torch.dtype) -> None:
    frames, importance = torch.rand(3, 5, n_frames, dtype=dtype), importance_of(kind, n_frames, n_out)
    with torch.no_grad():
        found = [warp(frames, importance, n_out, aggregate) for aggregate in ("mean", "max")]
    for fast, slow in zip(found, dense(frames, importance, n_out), strict=True):
        assert_close(fast, slow, "float64" if dtype == torch.float64 else "float32")


@pytest.mark.parametrize("algorithm1", [True, False])
@pytest.mark.parametrize("n_group", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_groups_of_clips_are_what_gradients_go_through(kind: str, n_group: int, algorithm1: bool) -> None:
    frames, importance = torch.rand(3, 4, 50, dtype=torch.float64), importance_of(kind, 50, 11)
    scale = torch.tensor([[3.0], [1.5], [0.5]], dtype=torch.float64)
    slow = Warp(importance, 11, algorithm1, max_scale=scale)
    shared = frames[:1]
    expected = [*slow.mean_and_max(frames), slow.mean(frames), slow.mean(shared)]
    with torch.no_grad():
        groups = Warp(importance, 11, algorithm1, max_scale=scale).groups(n_group, torch.float64)
        parts = zip(groups, torch.split(frames, n_group), strict=True)
        each = [(*group.mean_and_max(x), group.mean(x), group.mean(shared)) for group, x in parts]
        found = [torch.cat(x) for x in zip(*each, strict=True)]
    for fast, reference in zip(found, expected, strict=True):
        assert_close(fast, reference, "float64")


def test_the_scale_may_be_one_number() -> None:
    frames, importance = torch.rand(3, 4, 50, dtype=torch.float64), importance_of("random", 50, 11)
    with torch.no_grad():
        groups = Warp(importance, 11, max_scale=2.5).groups(2, torch.float64)
        largest = torch.cat([g.mean_and_max(x)[1] for g, x in zip(groups, torch.split(frames, 2), strict=True)])
    assert_close(largest, 2.5 * dense(frames, importance, 11)[1], "float64")


@pytest.mark.parametrize("kind", KINDS)
def test_segments_are_those_of_the_reference(kind: str) -> None:
    importance = importance_of(kind, 40, 9)
    fast, slow = _warp_forward.segments(importance, 9), _warp_torch.segments(importance, 9)
    starts = slow.output_starts[:-1].view(3, 10) - torch.arange(3)[:, None] * 49
    assert_close(fast.starts[:, :-1], starts, "exact")
    assert (fast.starts[:, -1] == 49).all()
    asked = (slow.output % 10 != 9).view(3, 49)
    assert_close(fast.weight[asked], slow.weight.view(3, 49)[asked], "float64")
    has_length = asked & (fast.weight > 0)
    assert_close(fast.frame[has_length], slow.clip_frame.view(3, 49)[has_length], "exact")
    assert fast.n_most >= starts.diff().max()


def test_an_output_that_all_frames_touch_may_be_negative() -> None:
    frames, importance = -torch.rand(2, 3, 6, dtype=torch.float64) - 1, torch.full((2, 6), 1 / 6, dtype=torch.float64)
    expected = dense(frames, importance, 1)[1]
    with torch.no_grad():
        assert_close(warp(frames, importance, 1, "max"), expected, "float64")
        assert_close(
            Warp(importance, 1, max_scale=2.0).groups(1, torch.float64)[1].mean_and_max(frames[1:])[1],
            2 * expected[1:],
            "float64",
        )
    assert (expected < 0).all()


def test_frames_below_zero_leave_zero_as_the_largest() -> None:
    frames, importance = -torch.rand(2, 3, 20, dtype=torch.float64), importance_of("random", 20, 5)[:2]
    with torch.no_grad():
        assert_close(warp(frames, importance, 5, "max"), dense(frames, importance, 5)[1], "float64")


def test_what_is_not_a_number_stays_so() -> None:
    importance = importance_of("random", 20, 5)
    importance[1, 7:] = torch.nan
    with torch.no_grad():
        found = warp(torch.rand(3, 4, 20, dtype=torch.float64), importance, 5)
    assert found[1].isnan().all()
    assert found[[0, 2]].isfinite().all()
