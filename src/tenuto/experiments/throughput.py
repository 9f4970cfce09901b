"""How many clips a second each of several models takes, measured turn by turn in one process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median

import torch
from torch import Tensor, nn


@torch.inference_mode()
def clips_per_second(
    models: Mapping[str, nn.Module], waveforms: Tensor, lengths: Tensor, n_rounds: int = 10
) -> dict[str, float]:
    """(clip, samples), (clip,) -> clips a second by model: the median of rounds in which each model has one turn.

    Turns alternate so that whatever else the machine does falls on all models alike. A turn is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(n_rounds + 1):
        for name, model in models.items():
            began = time.perf_counter()
            model(waveforms, lengths)
            if turn > 0:  # the first warms caches up
                seconds[name].append(time.perf_counter() - began)
    return {name: len(waveforms) / median(each) for name, each in seconds.items()}
