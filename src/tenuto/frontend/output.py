"""What a resolution has to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

Measure = Callable[[], tuple[Tensor, Tensor]]  # -> guide loss (), activeness ()
_MEASURED = ("guide_loss", "activeness")


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

    @classmethod
    def measured_later(
        cls, features: Tensor, lengths: Tensor, importance: Tensor, measure: Measure
    ) -> ResolutionOutput:
        """Guide loss and activeness are worked out when one is first asked for, which who predicts never does.

        `measure` tells both, of tensors that are its own: it keeps no spectrogram alive. Copies have numbers.
        """
        output = cls.__new__(cls)
        vars(output).update(features=features, lengths=lengths, importance=importance, _measure=measure)
        return output

    def __getattr__(self, name: str) -> Tensor:
        measure: Measure | None = vars(self).get("_measure")
        if name not in _MEASURED or measure is None:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        with torch.no_grad(), torch.autocast(self.features.device.type, enabled=False):
            measured = measure()
        vars(self).update(zip(_MEASURED, measured, strict=True))
        return measured[_MEASURED.index(name)]

    def __reduce__(self) -> tuple[type[ResolutionOutput], tuple[Any, ...]]:
        return type(self), tuple(getattr(self, field.name) for field in fields(self))
