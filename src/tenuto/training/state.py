"""The state of a training after its last finished epoch: plain tensors and numbers, written atomically."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tenuto.data.batching import tells_of_killed_worker
from tenuto.errors import WorkError
from tenuto.files import atomic_write


@dataclass
class TrainingState:
    """What it takes to go on as if nothing had happened. Everything random is drawn anew from (seed, epoch)."""

    epoch: int = 0  # finished epochs
    model: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    precision: dict[str, Any] = field(default_factory=dict)  # the loss scale of 16-bit training
    curves: list[dict[str, float]] = field(default_factory=list)  # a row an epoch
    best_epoch: int = 0
    best_score: list[float] = field(default_factory=list)  # of the validation part, compared from left to right
    finished: bool = False

    @property
    def seconds(self) -> float:
        """Time spent on all epochs."""
        return sum(row["seconds"] for row in self.curves)


def save_state(state: TrainingState, path: Path) -> None:
    """Writes the state; who reads `path` at any moment finds a whole one."""
    _save({each.name: getattr(state, each.name) for each in fields(state)}, path)


def load_state(path: Path) -> TrainingState:
    """Reads a state, executing nothing from the file.

    Raises:
        WorkError: where the file does not hold one.
    """
    try:
        return TrainingState(**_load(path))
    except TypeError as error:
        raise WorkError(f"{path} is no training state ({error}): delete it to begin anew") from error


def save_weights(weights: dict[str, Tensor], path: Path) -> None:
    """Writes the weights of a model, atomically."""
    _save({"model": weights}, path)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Reads what `save_weights` wrote."""
    weights: dict[str, Tensor] = _load(path)["model"]
    return weights


def _save(value: dict[str, Any], path: Path) -> None:
    try:
        with atomic_write(path) as beside:
            torch.save(value, beside)
    except RuntimeError as error:  # which PyTorch raises of a full disk
        if tells_of_killed_worker(error):
            raise
        raise WorkError(
            f"{path} cannot be written ({str(error).splitlines()[0]}): make room; the same command goes on"
        ) from error


def _load(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WorkError(f"{path} cannot be read ({reason}): delete it to begin anew") from error
    return values
