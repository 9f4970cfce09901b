"""Metrics against their definitions, written out with loops."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tenuto.training import metrics


def literal_auc(scores: list[float], truth: list[int]) -> float:
    """Share of pairs (positive, negative) in the right order, a tie counting half."""
    rows = list(zip(scores, truth, strict=True))
    pairs = [(p, n) for p, positive in rows if positive for n, other in rows if not other]
    return sum(1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs) / len(pairs)


def literal_average_precision(scores: list[float], truth: list[int]) -> float:
    """Sum over thresholds of precision times the growth of recall; ties enter together."""
    total, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        taken = [y for p, y in zip(scores, truth, strict=True) if p >= threshold]
        recall = sum(taken) / sum(truth)
        total += (recall - recall_before) * sum(taken) / len(taken)
        recall_before = recall
    return total


def some_scores(n_clips: int = 40, n_classes: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Scores on a coarse grid, so that there are ties, and several labels a clip."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, 12, (n_clips, n_classes), generator=generator) / 11
    return scores, (torch.rand(n_clips, n_classes, generator=generator) < 0.3).float()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_auc_and_average_precision_equal_their_definitions(seed: int) -> None:
    scores, targets = some_scores(seed=seed)
    aucs, aps = metrics.auc(scores, targets), metrics.average_precision(scores, targets)
    for i in range(scores.shape[1]):
        given, truth = scores[:, i].tolist(), targets[:, i].int().tolist()
        if 0 < sum(truth) < len(truth):
            assert float(aucs[i]) == pytest.approx(literal_auc(given, truth), abs=1e-6)
            assert float(aps[i]) == pytest.approx(literal_average_precision(given, truth), abs=1e-6)


def test_a_class_without_a_clip_is_not_defined_and_not_averaged() -> None:
    scores, targets = some_scores()
    targets[:, 2] = 0
    assert math.isnan(float(metrics.auc(scores, targets)[2]))
    assert math.isnan(float(metrics.average_precision(scores, targets)[2]))
    found = metrics.summary(scores, targets, multi_label=True)
    others = [i for i in range(5) if i != 2]
    assert found["mAP"] == pytest.approx(float(metrics.average_precision(scores, targets)[others].mean()))
    assert found["AUC"] == pytest.approx(float(metrics.auc(scores, targets)[others].mean()))


@pytest.mark.parametrize(("auc", "wanted"), [(0.5, 0.0), (0.9213503964748574, 2.0), (0.07864960352514258, -2.0)])
def test_d_prime_of_normal_distributions(auc: float, wanted: float) -> None:
    # AUC of N(0, 1) against N(d, 1) is Phi(d / sqrt 2)
    assert metrics.d_prime(auc, 10**9) == pytest.approx(wanted, abs=1e-9)


def test_d_prime_of_a_perfect_order_is_finite_and_grows_with_the_pairs() -> None:
    few, many = metrics.d_prime(1.0, 100), metrics.d_prime(1.0, 10_000)
    assert 0 < few < many < 10
    assert metrics.d_prime(0.0, 100) == pytest.approx(-few)
    assert math.isnan(metrics.d_prime(math.nan, 100))


def test_d_prime_counts_the_pairs_of_all_classes() -> None:
    targets = torch.eye(3)[[0, 1, 1, 2]]  # 1 x 3 + 2 x 2 + 1 x 3 pairs of a positive and a negative clip
    probit_of_9_5_tenths, probit_of_2_5_thirds, probit_of_3_5_quarters = 1.6448536, 0.9674216, 1.1503494
    found = metrics.summary(targets, targets)
    assert found["AUC"] == 1.0
    assert found["d_prime"] == pytest.approx(2**0.5 * probit_of_9_5_tenths)
    each = [row["d_prime"] / 2**0.5 for row in metrics.per_class(targets, targets, ("a", "b", "c"))]
    assert each == pytest.approx([probit_of_2_5_thirds, probit_of_3_5_quarters, probit_of_2_5_thirds])


def test_confusion_counts_labels_in_rows() -> None:
    scores = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.8, 0.3, 0.1], [0.1, 0.2, 0.3]])
    targets = torch.eye(3)[[0, 1, 1, 2]]
    assert metrics.confusion(scores, targets).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert metrics.accuracy(scores, targets) == 0.75


def test_accuracy_of_several_labels_counts_answers() -> None:
    scores = torch.tensor([[0.9, 0.6], [0.4, 0.5]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert metrics.accuracy(scores, targets, multi_label=True) == 0.75


def test_per_class_figures() -> None:
    scores = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.8, 0.3, 0.1], [0.1, 0.2, 0.3]])
    targets = torch.eye(3)[[0, 1, 1, 2]]
    rows = metrics.per_class(scores, targets, ("a", "b", "c"))
    assert [row["label"] for row in rows] == ["a", "b", "c"]
    assert [row["clips"] for row in rows] == [1, 2, 1]
    assert [row["precision"] for row in rows] == [0.5, 1.0, 1.0]
    assert [row["recall"] for row in rows] == [1.0, 0.5, 1.0]
    assert rows[1]["f1"] == pytest.approx(2 / 3)


def test_they_agree_with_torchmetrics_of_many_labels() -> None:
    from torchmetrics.functional.classification import multilabel_auroc, multilabel_average_precision

    scores, targets = some_scores(100, 4)
    found = metrics.summary(scores, targets, multi_label=True)
    assert found["mAP"] == pytest.approx(float(multilabel_average_precision(scores, targets.long(), 4)), abs=1e-6)
    assert found["AUC"] == pytest.approx(float(multilabel_auroc(scores, targets.long(), 4)), abs=1e-6)
