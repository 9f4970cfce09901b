"""What a model computes for a second of audio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from tenuto.models.build import build_classifier
from tenuto.models.settings import FrontendSettings, ModelSettings, settings_from_dict

N_CLASSES = 10  # the last layer's share is small


class Flops(NamedTuple):
    """Floating-point operations of convolutions and matrix products, per second of audio."""

    frontend: float  # waveform to features
    classifier: float  # features to label

    @property
    def total(self) -> float:
        """Waveform to label."""
        return self.frontend + self.classifier


def flops_a_second(recipe: Mapping[str, Any]) -> Flops:
    """What the model of a recipe computes.

    Args:
        recipe: "section.key" -> value, as a stored result has it
    """
    frontend = settings_from_dict(FrontendSettings, _section(recipe, "frontend", FrontendSettings))
    model = settings_from_dict(ModelSettings, {**_section(recipe, "model", ModelSettings), "pretrained": False})
    classifier = build_classifier(frontend, model, [f"class {i}" for i in range(N_CLASSES)]).eval()
    seconds = float(recipe.get("data.clip_seconds") or 1.0)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        classifier(torch.zeros(1, round(seconds * frontend.sample_rate)))
    counts = counter.get_flop_counts()
    in_frontend = sum(counts.get(f"{type(classifier).__name__}.frontend", {}).values())
    return Flops(in_frontend / seconds, (counter.get_total_flops() - in_frontend) / seconds)


def _section(recipe: Mapping[str, Any], section: str, kind: type[Any]) -> dict[str, Any]:
    """The settings of one section that this version knows."""
    known = {each.name for each in fields(kind)}
    pairs = ((key.removeprefix(f"{section}."), value) for key, value in recipe.items() if key.startswith(f"{section}."))
    return {key: value for key, value in pairs if key in known}
