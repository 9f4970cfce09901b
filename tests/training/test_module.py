"""One training step: the rate of its epoch, and a loss of which the guide loss is as much as the recipe says."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pretended_gpu import THERE, without_waiting
from tenuto.data.batching import Batch, ClipDataset, train_loader
from tenuto.models.build import build_classifier
from tenuto.models.classifier import Activation, Classifier
from tenuto.training.measures import OtherNormalizer
from tenuto.training.module import TrainingModule, learning_rate_at
from tenuto.training.recipe import TrainingSettings
from tenuto.training.state import TrainingState
from training.sounds import SAMPLE_RATE, small_recipe

LABELS = ("low", "high")
HEADS = {
    "classes": ("training.loss=bce",),
    "prototypes": ("model.backbone=vgg", "model.n_filters=8", "model.head=prototypes", "training.loss=ce"),
}


def half_silent() -> Batch:
    """Four clips of two classes; what is silent in them is what the guide loss is about."""
    waveforms = 0.3 * torch.randn(4, SAMPLE_RATE // 4)
    waveforms[:, 1000:] = 0
    return Batch(waveforms, torch.full((4,), waveforms.shape[1]), torch.eye(2).repeat(2, 1), torch.arange(4))


def step(weight: float, overrides: tuple[str, ...]) -> tuple[float, float]:
    """Loss, and guide loss in it before its weight, of a first step."""
    torch.manual_seed(0)  # weights, dropout
    recipe = small_recipe(*overrides, f"training.guide_weight={weight}")
    activation: Activation = "softmax" if recipe.training.loss == "ce" else "sigmoid"
    classifier = build_classifier(recipe.frontend, recipe.model, LABELS, activation=activation)
    no_clips = train_loader(ClipDataset((), LABELS, SAMPLE_RATE), 4)
    module = TrainingModule(classifier, recipe, 0, TrainingState(), no_clips)
    loss = module.training_step(half_silent(), 0)
    return loss.item(), module.means()["guide_loss"]


@pytest.mark.parametrize("head", HEADS)
def test_the_guide_loss_counts_by_its_weight(head: str) -> None:
    without, guide_loss = step(0.0, HEADS[head])
    assert guide_loss > 0.01
    for weight in (0.25, 1.0, 2.0):
        assert step(weight, HEADS[head]) == pytest.approx((without + weight * guide_loss, guide_loss), rel=1e-5)


@pytest.mark.parametrize(("epoch", "steps"), [(1, 0), (10, 0), (11, 1), (15, 1), (16, 2), (30, 4)])
def test_the_schedule_of_table_4(epoch: int, steps: int) -> None:
    settings = TrainingSettings(learning_rate=1e-4, schedule_start=11, schedule_gamma=0.5, schedule_every=5)
    assert learning_rate_at(epoch, settings) == pytest.approx(1e-4 * 0.5**steps)


@pytest.mark.parametrize("normalizer", ["mean", "reduction"])
def test_a_step_waits_for_no_gpu(normalizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for the front end, the loss, the guide loss by either normaliser, or what is kept of the epoch."""
    recipe = small_recipe(f"frontend.normalizer={normalizer}")
    classifier = build_classifier(recipe.frontend, recipe.model, LABELS).train()
    no_clips = train_loader(ClipDataset((), LABELS, SAMPLE_RATE), 4)

    def step_there(there: Classifier) -> None:
        module = TrainingModule(there, recipe, 0, TrainingState(), no_clips)
        listens = OtherNormalizer(there.frontend.resolution)
        batch = Batch(torch.randn(2, 4000), torch.tensor([4000, 3000]), torch.eye(2), torch.arange(2))
        module.training_step(batch.to(THERE, non_blocking=True), 0).backward()
        assert len(module.steps) == len(listens.steps) == 1

    without_waiting(classifier, step_there, monkeypatch)
