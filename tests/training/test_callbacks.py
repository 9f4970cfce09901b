"""Which epoch is the best, and when to stop waiting for a better one."""

from __future__ import annotations

import math

import pytest

from tenuto.training.callbacks import better, out_of_patience, rank
from tenuto.training.recipe import TrainingSettings
from tenuto.training.state import TrainingState


def row(accuracy: float, loss: float, m_ap: float = 0.5) -> dict[str, float]:
    return {"valid_accuracy": accuracy, "valid_mAP": m_ap, "valid_loss": loss}


@pytest.mark.parametrize(
    ("new", "best", "wanted"),
    [
        (row(0.8, loss=0.9), row(0.7, loss=0.1), True),  # the metric counts first, whatever the loss
        (row(0.7, loss=0.1), row(0.8, loss=0.9), False),
        (row(0.7, loss=0.2), row(0.7, loss=0.3), True),  # where it ties, the smaller loss
        (row(0.7, loss=0.3), row(0.7, loss=0.2), False),
        (row(0.7, loss=0.2), row(0.7, loss=0.2), False),  # where both tie, the earlier epoch
        (row(0.0, loss=0.2), row(math.nan, loss=0.1), True),  # a metric that is not defined is the worst
        (row(math.nan, loss=0.1), row(0.0, loss=0.2), False),
    ],
)
def test_the_better_epoch(new: dict[str, float], best: dict[str, float], wanted: bool) -> None:
    state = TrainingState(best_epoch=1, best_score=rank(best, "accuracy"))
    assert better(new, state, "accuracy") == wanted


def test_the_first_epoch_is_the_best_so_far() -> None:
    assert better(row(math.nan, loss=9.0), TrainingState(), "accuracy")


def test_epochs_are_compared_by_the_metric_that_is_named() -> None:
    state = TrainingState(best_epoch=1, best_score=rank(row(0.9, loss=0.5, m_ap=0.3), "mAP"))
    assert better(row(0.1, loss=0.5, m_ap=0.4), state, "mAP")


@pytest.mark.parametrize(
    ("patience", "epoch", "wanted"), [(2, 4, False), (2, 5, True), (2, 6, True), (None, 99, False)]
)
def test_patience_counts_epochs_since_the_best(patience: int | None, epoch: int, wanted: bool) -> None:
    state = TrainingState(epoch=epoch, best_epoch=3)
    assert out_of_patience(state, TrainingSettings(patience=patience)) == wanted
