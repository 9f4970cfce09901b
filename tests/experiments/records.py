"""Stored results as a grid leaves them, with scores of one's choice and no training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tenuto.experiments.grid import Cell
from tenuto.experiments.protocols import Scale, recipe_of
from tenuto.training.recipe import flatten


def record(cell: Cell, score: float, **changes: Any) -> dict[str, Any]:
    """The result of `cell`, 40 of 100 sound frames kept."""
    seconds = 1.28 if cell.length == "fixed" else None
    return {
        "cell": asdict(cell),
        "metric": "accuracy",
        "score": score,
        "kept_frames": 40,
        "sound_frames": 100,
        "cell_seconds": 30.0,
        "recipe": {**flatten(recipe_of(cell, Scale(epochs=5), seconds)), "limit": None},
        "command": "tenuto reproduce table1 --data fsdd=.../fsdd",
        "machine": {"processor": "abacus", "cores": 2, "gpu": None},
        "versions": {"tenuto": "0"},
        **changes,
    }


def records(scores: Mapping[tuple[str, float], Mapping[tuple[str, int], float]]) -> list[dict[str, Any]]:
    """(method, FPS) -> (fold, seed) -> score, on FSDD at fixed length."""
    return [
        record(Cell("fsdd", method, fps, "fixed", fold, seed), score)
        for (method, fps), by_cell in scores.items()
        for (fold, seed), score in by_cell.items()
    ]
