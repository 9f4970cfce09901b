"""The objective against Eq. 8 written out, and its sign."""

from __future__ import annotations

import math

import pytest
import torch

from tenuto.training.losses import classification_loss, objective


def test_binary_cross_entropy_is_eq_8_with_its_minus() -> None:
    logits = torch.tensor([[0.3, -1.2, 2.0], [0.0, 0.7, -0.4]], dtype=torch.float64)
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.3, 0.7, 0.0]], dtype=torch.float64)
    total = 0.0
    for logit, y in zip(logits.flatten().tolist(), targets.flatten().tolist(), strict=True):
        given = 1 / (1 + math.exp(-logit))
        total += y * math.log(given) + (1 - y) * math.log(1 - given)
    assert float(classification_loss(logits, targets)) == pytest.approx(-total / 6)


def test_cross_entropy_of_mixed_labels() -> None:
    logits, targets = torch.tensor([[1.0, 2.0, 0.5]]), torch.tensor([[0.25, 0.75, 0.0]])
    log_p = logits.log_softmax(-1)[0].tolist()
    assert float(classification_loss(logits, targets, "ce")) == pytest.approx(-(0.25 * log_p[0] + 0.75 * log_p[1]))


@pytest.mark.parametrize("loss", ["bce", "ce"])
def test_a_better_answer_and_a_quieter_silence_cost_less(loss: str) -> None:
    targets, zero = torch.tensor([[1.0, 0.0]]), torch.tensor(0.0)
    good, bad = torch.tensor([[2.0, -2.0]]), torch.tensor([[-2.0, 2.0]])
    assert 0 < objective(good, targets, zero, loss) < objective(bad, targets, zero, loss)
    assert objective(good, targets, torch.tensor(0.5), loss) > objective(good, targets, zero, loss)


def test_the_guide_loss_is_weighted() -> None:
    logits, targets, guide = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), torch.tensor(0.5)
    plain = objective(logits, targets, torch.tensor(0.0))
    assert float(objective(logits, targets, guide) - plain) == pytest.approx(0.5)
    assert float(objective(logits, targets, guide, guide_weight=0.2) - plain) == pytest.approx(0.1)
