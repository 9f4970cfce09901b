"""How many clips a second each of several models takes, measured turn by turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from tenuto.inference.timing import time_in_turns


def clips_per_second(
    models: Mapping[str, nn.Module], waveforms: Tensor, lengths: Tensor, n_rounds: int = 10
) -> dict[str, float]:
    """(clip, samples), (clip,) -> clips a second by model: the median of rounds in which each model has one turn.

    Turns alternate so that whatever else the machine does falls on all models alike. A turn is not counted.
    """
    calls: dict[str, Callable[[], object]] = {
        name: partial(_call, model, waveforms, lengths) for name, model in models.items()
    }
    timings = time_in_turns(calls, n_rounds, short_seconds=0)
    return {name: timing.rate(len(waveforms)).median for name, timing in timings.items()}


@torch.inference_mode()
def _call(model: nn.Module, waveforms: Tensor, lengths: Tensor) -> object:
    return model(waveforms, lengths)
