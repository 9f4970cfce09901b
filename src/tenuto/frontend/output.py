"""What a resolution has to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Measure = Callable[[], tuple[Tensor, Tensor]]  # -> guide loss (), activeness ()


@dataclass(frozen=True)
class ResolutionOutput:
    """features (batch, channel, band, kept), zero beyond lengths; lengths int64 (batch,), kept frames of each clip;
    importance (batch, frame), a row sums to its length, 0 beyond the clip, or None where frames are not merged;
    guide_loss () and activeness (): 0 where nothing is learned.
    """

    features: Tensor
    lengths: Tensor
    importance: Tensor | None
    guide_loss: Tensor
    activeness: Tensor


class MeasuredLater(ResolutionOutput):
    """Guide loss and activeness are worked out when one of them is first asked for, which who predicts never does.

    `measure` tells both, of tensors that are its own: it keeps no spectrogram alive. Copies and pickles have numbers.
    """

    def __init__(self, features: Tensor, lengths: Tensor, importance: Tensor, measure: Measure) -> None:
        vars(self).update(features=features, lengths=lengths, importance=importance, _measure=measure)

    def __getattr__(self, name: str) -> Tensor:
        if name not in ("guide_loss", "activeness"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        with torch.no_grad(), torch.autocast(self.features.device.type, enabled=False):
            measured: tuple[Tensor, Tensor] = vars(self)["_measure"]()
        vars(self).update(zip(("guide_loss", "activeness"), measured, strict=True))
        return measured[name == "activeness"]

    def __reduce__(self) -> tuple[type[ResolutionOutput], tuple[Any, ...]]:
        return ResolutionOutput, (self.features, self.lengths, self.importance, self.guide_loss, self.activeness)
