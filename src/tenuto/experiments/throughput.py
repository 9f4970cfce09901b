"""The paper's Figure 5, and how many clips a second each of several models takes, measured turn by turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenuto.inference.benchmark import Row, Size, throughput
from tenuto.inference.benchmark_page import Section, as_text, as_value, save_all
from tenuto.inference.machine import machine
from tenuto.inference.timing import Say, time_in_turns


def figure5(size: Size | None = None, say: Say | None = None) -> list[Row]:
    """Seconds of audio a second, from waveform to label, of Mel, LEAF and Mel + DiffRes at every frame rate.

    Args:
        size: None: the paper's backbone, bands and frame rates.

    Returns:
        rows of "front end", "frames a second" and, as `timing.Spread`, "audio s a second" and "clips a second"
    """
    return throughput(size or Size(), say)


def figure5_page(rows: list[Row], size: Size, folder: Path) -> dict[str, Any]:
    """Writes benchmark.json, benchmark.md and throughput.png; -> their content: text, machine, throughput, files."""
    title = f"Figure 5: {size.backbone}, batch {size.batch_size}, clips of {size.seconds:g} s"
    sections, found = [Section("throughput", title, rows)], machine()
    files = [str(path) for path in save_all(sections, found, folder)]
    return {**as_value(sections, found), "text": as_text(sections, found), "files": files}


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
