"""The warp against Eq. 5 with Algorithm 1, Eqs. 9-12, the overlap by its definition, and what must always hold."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from oracles import warp as oracle
from tenuto import UsageError, warp, warp_matrix
from tenuto.frontend import _warp_torch
from tolerances import assert_close

FEW = settings(max_examples=30, derandomize=True, deadline=None, database=None)


def scores(kind: str, n_frames: int) -> list[float]:
    """Positive scores of a kind that gives importance another shape."""
    uniform = torch.rand(n_frames, dtype=torch.float64) + 1e-3
    return {
        "random": uniform,
        "spiky": torch.where(uniform > 0.8, 1.0, 1e-4 * uniform),
        "constant": torch.full((n_frames,), 0.3, dtype=torch.float64),
        "one spike": torch.where(torch.arange(n_frames) == n_frames // 2, 1.0, 0.05 * uniform),
    }[kind].tolist()


KINDS = ("random", "spiky", "constant", "one spike")
SIZES = ((7, 3), (12, 6), (30, 4), (31, 30), (24, 24), (9, 1))


def almost_integer(n_frames: int, n_out: int) -> list[Fraction]:
    """Cumulative sums that come within 1e-9 of integers, on either side, and meet them."""
    small = Fraction(1, 10**9)
    pattern = [
        Fraction(1, 2),
        Fraction(1, 2) - small,
        2 * small,
        Fraction(1, 2) - small,
        Fraction(1, 4),
        Fraction(1, 4),
    ]
    importance = (pattern * n_frames)[: n_frames - 1]
    while sum(importance) > n_out - small:
        importance = importance[:-1]
    while n_out - sum(importance) > 1:
        importance.append(Fraction(1))
    return [*importance, n_out - sum(importance)]


def batch_of(importance: list[Fraction]) -> Tensor:
    return torch.tensor([[float(value) for value in importance]], dtype=torch.float64)


def frames_like(importance: Tensor, n_bands: int = 3) -> Tensor:
    return torch.randn(importance.shape[0], n_bands, importance.shape[1], dtype=importance.dtype)


# The three ways of the paper and the definition, against each other and against the code


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_frames", "n_out"), SIZES)
def test_paper_and_definition_agree_exactly_and_the_code_with_them(kind: str, n_frames: int, n_out: int) -> None:
    importance = oracle.exact_importance(scores(kind, n_frames), n_out)
    assert sum(importance) == n_out
    definition = oracle.overlap(importance, n_out)
    first = oracle.equation_5(importance, n_out)
    assert oracle.algorithm_1(first) == definition
    assert oracle.equations_9_to_12(first) == definition
    assert_close(warp_matrix(batch_of(importance), n_out)[0], oracle.tensor(definition), "float64")


@pytest.mark.parametrize(("n_frames", "n_out"), [(14, 4), (20, 9), (8, 2)])
def test_boundaries_that_almost_meet_integers(n_frames: int, n_out: int) -> None:
    importance = almost_integer(n_frames, n_out)
    definition = oracle.overlap(importance, n_out)
    first = oracle.equation_5(importance, n_out)
    assert oracle.algorithm_1(first) == definition == oracle.equations_9_to_12(first)
    assert_close(warp_matrix(batch_of(importance), n_out)[0], oracle.tensor(definition), "float64")


DEGENERATE = {
    "zeros at the start, inside and at the end": ([0, 0, 0.5, 0, 0, 0.75, 0.75, 0, 1, 0, 0], 3),
    "all zero": ([0, 0, 0], 2),
    "larger than one": ([2.5, 0.25, 3.25], 6),
    "one frame over many outputs": ([4.0], 4),
    "one frame, not enough": ([0.25], 3),
    "single frame, one output": ([1.0], 1),
    "single frame, too much": ([7.5], 2),
    "sum below n_out": ([0.5, 0.3, 0.4], 4),
    "sum above n_out": ([0.9, 0.8, 0.7, 0.6], 2),
    "sum above n_out by whole frames": ([1.0] * 8, 3),
    "ends on an integer before n_out": ([0.5, 0.5, 1.0], 4),
    "tiny among large": ([1e-12, 1.0, 1e-12, 1.0, 1e-12], 2),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("aggregate", ["mean", "max"])
def test_degenerate_importance_is_the_overlap(name: str, aggregate: str) -> None:
    values, n_out = DEGENERATE[name]
    importance = torch.tensor([values], dtype=torch.float64)
    definition = oracle.tensor(oracle.overlap(oracle.exact(values), n_out))
    assert_close(warp_matrix(importance, n_out)[0], definition, "float64")
    frames = frames_like(importance)
    by_loops = oracle.mean if aggregate == "mean" else oracle.maximum
    assert_close(warp(frames, importance, n_out, aggregate)[0], by_loops(frames[0], definition), "float64")


@pytest.mark.parametrize("aggregate", ["mean", "max"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sign", ["non-negative", "any", "negative"])
def test_aggregation_is_equation_6_over_all_frames(aggregate: str, kind: str, sign: str) -> None:
    importance = oracle.exact_importance(scores(kind, 18), 5)
    matrix = oracle.tensor(oracle.overlap(importance, 5))
    frames = frames_like(batch_of(importance))
    frames = {"any": frames, "non-negative": frames.abs(), "negative": -frames.abs()}[sign]
    by_loops = oracle.mean if aggregate == "mean" else oracle.maximum
    assert_close(warp(frames, batch_of(importance), 5, aggregate)[0], by_loops(frames[0], matrix), "float64")


def test_maximum_counts_frames_of_weight_zero_only_where_there_are_any() -> None:
    frames = torch.tensor([[[-2.0, -4.0]]])
    assert warp(frames, torch.tensor([[0.5, 0.5]]), 1, "max").item() == -1.0  # every frame has weight in the one row
    assert warp(frames, torch.tensor([[1.0, 1.0]]), 2, "max").tolist() == [[[0.0, 0.0]]]  # the other frame's zero


def test_long_oracle_agrees_with_the_definition() -> None:
    importance = oracle.exact_importance(scores("random", 25), 8)
    frames = frames_like(batch_of(importance))[0]
    expected = oracle.mean(frames, oracle.tensor(oracle.overlap(importance, 8)))
    actual = oracle.mean_of_long(frames.numpy(), batch_of(importance)[0].numpy(), 8)
    assert_close(torch.from_numpy(actual), expected, "float64")


# What must always hold


importances = st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=40)


@FEW
@given(importances, st.floats(0.05, 1.0))
def test_rows_sum_to_one_and_columns_to_importance(values: list[float], share: float) -> None:
    n_out = max(1, int(share * len(values)))
    importance = batch_of(oracle.exact_importance(values, n_out))
    matrix = warp_matrix(importance, n_out)[0]
    assert (matrix >= 0).all()
    assert_close(matrix.sum(1), torch.ones(n_out), "float64")  # each output holds one frame's worth
    assert_close(matrix.sum(0), importance[0], "float64")  # the mass of each frame is kept


@FEW
@given(st.lists(st.floats(0.0, 2.5), min_size=1, max_size=30), st.integers(1, 20))
def test_any_importance_keeps_order_and_loses_only_what_does_not_fit(values: list[float], n_out: int) -> None:
    matrix = warp_matrix(torch.tensor([values], dtype=torch.float64), n_out)[0]
    assert_close(matrix.sum(), torch.tensor(min(math.fsum(values), n_out), dtype=torch.float64), "float64")
    touched = [torch.nonzero(row > 1e-12).flatten().tolist() for row in matrix]
    touched = [frames for frames in touched if frames]
    for before, after in itertools.pairwise(touched):
        assert before[-1] <= after[0]


@FEW
@given(st.integers(1, 30), st.sampled_from(["mean", "max"]))
def test_identity_at_importance_one(n_frames: int, aggregate: str) -> None:
    frames = torch.rand(2, 3, n_frames)
    assert_close(warp(frames, torch.ones(2, n_frames), n_frames, aggregate), frames, "exact")


@FEW
@given(st.integers(1, 8), st.integers(1, 12))
def test_uniform_importance_is_average_pooling(width: int, n_out: int) -> None:
    frames = torch.randn(2, 3, width * n_out)
    importance = torch.full((2, width * n_out), 1 / width)
    pooled = torch.nn.functional.avg_pool1d(frames, width)
    assert_close(warp(frames, importance, n_out), pooled, "float32")


@FEW
@given(importances, st.floats(0.05, 1.0), st.floats(-3, 3))
def test_constant_in_constant_out(values: list[float], share: float, constant: float) -> None:
    n_out = max(1, int(share * len(values)))
    importance = batch_of(oracle.exact_importance(values, n_out))
    frames = torch.full((1, 2, len(values)), constant, dtype=torch.float64)
    assert_close(warp(frames, importance, n_out), frames[..., :n_out], "float64")


@FEW
@given(importances, st.integers(1, 12))
def test_mean_is_linear_in_frames_and_maximum_scales(values: list[float], n_out: int) -> None:
    importance = torch.tensor([values], dtype=torch.float64)
    a, b = frames_like(importance), frames_like(importance)
    together = warp(2 * a - 3 * b, importance, n_out)
    assert_close(together, 2 * warp(a, importance, n_out) - 3 * warp(b, importance, n_out), "float64")
    assert_close(warp(2 * a, importance, n_out, "max"), 2 * warp(a, importance, n_out, "max"), "float64")


@pytest.mark.parametrize("aggregate", ["mean", "max"])
def test_batch_mates_and_their_order_change_nothing(aggregate: str) -> None:
    importance, frames = torch.rand(5, 40), torch.rand(5, 3, 40)
    importance[2, 20:] = 0
    together = warp(frames, importance, 12, aggregate)
    order = torch.tensor([3, 0, 4, 2, 1])
    assert_close(warp(frames[order], importance[order], 12, aggregate), together[order], "exact")
    alone = torch.cat([warp(frames[i : i + 1], importance[i : i + 1], 12, aggregate) for i in range(5)])
    assert_close(alone, together, "float32")


@pytest.mark.parametrize("aggregate", ["mean", "max"])
@pytest.mark.parametrize("n_bands", [1, 3, 128])
@pytest.mark.parametrize("layout", ["frames last", "bands last", "every other frame"])
def test_memory_layout_changes_nothing(aggregate: str, n_bands: int, layout: str) -> None:
    importance, frames = torch.rand(2, 21), torch.rand(2, n_bands, 21)
    given = {
        "frames last": frames,
        "bands last": frames.mT.contiguous().mT,
        "every other frame": frames.repeat_interleave(2, dim=2)[..., ::2],
    }[layout]
    matrix = torch.stack([oracle.tensor(oracle.overlap(oracle.exact(row.tolist()), 8)) for row in importance])
    by_loops = oracle.mean if aggregate == "mean" else oracle.maximum
    expected = torch.stack([by_loops(f, m) for f, m in zip(frames, matrix, strict=True)])
    assert_close(warp(given, importance, 8, aggregate), expected, "float32")


def test_matrix_and_warp_are_one() -> None:
    importance, frames = torch.rand(3, 50, dtype=torch.float64), torch.randn(3, 4, 50, dtype=torch.float64)
    assert_close(warp(frames, importance, 20), frames @ warp_matrix(importance, 20).mT, "float64")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_output_has_the_frames_dtype(dtype: torch.dtype) -> None:
    frames, importance = torch.rand(2, 3, 12), torch.rand(2, 12)
    out = warp(frames.to(dtype), importance.to(dtype), 4)
    assert out.dtype == dtype
    wide = warp(frames.to(dtype).double(), importance.to(dtype).double(), 4)
    assert_close(out, wide, {torch.float64: "float64"}.get(dtype, "float32") if dtype != torch.bfloat16 else "bfloat16")


# Long clips, where float32 sums would lose their way


@pytest.mark.parametrize("kind", ["random", "spiky", "constant"])
def test_boundaries_are_right_at_100_000_frames(kind: str) -> None:
    n_frames, n_out = 100_000, 25_000
    s = torch.tensor(scores(kind, n_frames))
    importance = (s * (n_out / s.double().sum())).float().clamp(max=1)[None]
    frames = torch.randn(1, 2, n_frames)
    expected = oracle.mean_of_long(frames[0].double().numpy(), importance[0].double().numpy(), n_out)
    assert_close(warp(frames, importance, n_out)[0], torch.from_numpy(expected), "long")


def test_maximum_is_right_at_100_000_frames() -> None:
    importance = torch.full((1, 100_000), 0.1)  # in float32 0.1 is 1.5e-9 too much: 1.5e-4 of a frame at the end
    frames = torch.rand(1, 1, 100_000)
    ends = np.cumsum(importance[0].double().numpy())
    starts = np.concatenate([[0.0], ends[:-1]])
    expected = np.zeros(10_000)
    for i in (0, 1, 4_999, 9_998, 9_999):
        weights = np.clip(np.minimum(ends, i + 1) - np.maximum(starts, i), 0, None)
        expected[i] = (weights * frames[0, 0].double().numpy()).max()
    actual = warp(frames, importance, 10_000, "max")[0, 0]
    for i in (0, 1, 4_999, 9_998, 9_999):
        assert_close(actual[i], torch.tensor(expected[i]), "long")


# Gradients


def without_kinks(n_frames: int, n_out: int, total: float) -> Tensor:
    """Importances of the given sum whose boundaries stay 1e-4 away from every integer, where W has a kink."""
    for _ in range(100):
        importance = torch.rand(2, n_frames, dtype=torch.float64) * 0.8 + 0.1
        importance = importance * (total / importance.sum(1, keepdim=True))
        ends = importance.cumsum(1)
        if (ends - ends.round()).abs().min() > 1e-4:
            return importance.requires_grad_()
    raise AssertionError(f"no importance without kinks for {n_frames} frames, {n_out} outputs")


@pytest.mark.parametrize("aggregate", ["mean", "max"])
@pytest.mark.parametrize(
    ("n_frames", "n_out", "total"), [(12, 4, 3.7), (12, 4, 5.3), (9, 1, 0.9), (6, 6, 5.5), (7, 3, 9.1)]
)
@pytest.mark.parametrize("bands_last", [False, True])
def test_gradcheck(aggregate: str, n_frames: int, n_out: int, total: float, bands_last: bool) -> None:
    importance = without_kinks(n_frames, n_out, total)
    frames = torch.randn(2, 2, n_frames, dtype=torch.float64)
    frames = (frames.mT.contiguous().mT if bands_last else frames).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, s: warp(x, s, n_out, aggregate), (frames, importance))


@pytest.mark.parametrize("wanted", ["frames", "importance"])
@pytest.mark.parametrize("aggregate", ["mean", "max"])
def test_gradcheck_of_one_input_alone(wanted: str, aggregate: str) -> None:
    importance = without_kinks(10, 4, 3.6).detach()
    frames = torch.randn(2, 3, 10, dtype=torch.float64)
    given = (frames if wanted == "frames" else importance).requires_grad_()
    assert given.requires_grad
    inputs = [x for x in (frames, importance) if x.requires_grad]
    assert len(inputs) == 1
    assert torch.autograd.gradcheck(lambda _: warp(frames, importance, 4, aggregate), inputs)


@pytest.mark.parametrize("aggregate", ["mean", "max"])
def test_gradient_is_finite_at_kinks_and_zeros(aggregate: str) -> None:
    importance = torch.tensor([[1.0, 0, 0, 0.5, 0.5, 0, 1.0, 0], [0.0] * 8], requires_grad=True)
    frames = torch.rand(2, 3, 8, requires_grad=True)
    warp(frames, importance, 3, aggregate).square().sum().backward()
    assert importance.grad is not None
    assert frames.grad is not None
    assert torch.isfinite(importance.grad).all()
    assert torch.isfinite(frames.grad).all()


# Bad calls


@pytest.mark.parametrize("aggregate", ["mean", "max"])
@pytest.mark.parametrize("learns", [True, False])
def test_an_importance_that_is_no_number_is_seen_in_its_clip_alone(aggregate: str, learns: bool) -> None:
    frames, importance = torch.rand(3, 4, 7, requires_grad=True), torch.rand(3, 7) * 3 / 3.5
    with torch.set_grad_enabled(learns):
        expected = warp(frames, importance, 3, aggregate)
        importance[1, 3] = torch.nan
        found = warp(frames, importance.requires_grad_(learns), 3, aggregate)
    assert found[1].isnan().any()
    assert_close(found[[0, 2]], expected[[0, 2]], "exact")
    if learns:
        for gradient in torch.autograd.grad(found[[0, 2]].sum(), (frames, importance)):
            assert gradient[[0, 2]].isfinite().all()


def test_every_segment_is_written_whatever_the_importance() -> None:
    importance = torch.rand(3, 7)
    importance[0, 0], importance[1, 3], importance[2, 5] = torch.nan, torch.nan, torch.inf
    cuts = _warp_torch.segments(importance, 3)
    assert cuts.output_end is not None
    ends = torch.cat([cuts.frame_end, cuts.output_end.view(-1)])
    assert ends.sort().values.tolist() == list(range(3 * (7 + 3)))
    assert (_warp_torch.whole_frames(importance, 3).output_starts.diff() >= 0).all()


@pytest.mark.parametrize(
    ("frames", "importance", "n_out", "aggregate"),
    [
        (torch.rand(2, 3, 8), torch.rand(2, 7), 3, "mean"),
        (torch.rand(2, 3, 8), torch.rand(3, 8), 3, "mean"),
        (torch.rand(3, 8), torch.rand(2, 8), 3, "mean"),
        (torch.rand(2, 3, 8), torch.rand(2, 8), 0, "mean"),
        (torch.rand(0, 3, 8), torch.rand(0, 8), 3, "mean"),
        (torch.rand(2, 0, 8), torch.rand(2, 8), 3, "max"),
        (torch.rand(2, 3, 0), torch.rand(2, 0), 3, "max"),
        (torch.rand(2, 3, 8), torch.rand(2, 8), 3, "median"),
    ],
)
def test_bad_calls_are_refused_in_one_line(frames: Tensor, importance: Tensor, n_out: int, aggregate: str) -> None:
    with pytest.raises(UsageError) as raised:
        warp(frames, importance, n_out, aggregate)
    assert "\n" not in str(raised.value)
    assert "wanted" in str(raised.value)
