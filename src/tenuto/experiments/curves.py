"""Curves of a grid's trainings, averaged over folds and seeds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tenuto.experiments.curve_files import Curve, read_curves
from tenuto.experiments.grid import cell_of
from tenuto.report.trajectories import Trajectory

NORMALIZERS = {"mean": "over the mean importance", "reduction": "over the reduction, as printed"}


@dataclass(frozen=True)
class Quantity:
    """What is drawn over a training: a column of curves.csv, under one normaliser where it has one."""

    name: str  # "guide_loss", "activeness" or "metric"
    normalizer: str | None = None

    @property
    def title(self) -> str:
        """What a panel or a column of a table calls it."""
        known = {"guide_loss": "guide loss", "activeness": "activeness", "metric": "validation"}
        return known[self.name] + ("" if self.normalizer is None else f", {NORMALIZERS[self.normalizer]}")

    def of(self, curve: Curve, record: Mapping[str, Any]) -> npt.NDArray[np.float64] | None:
        """Its values over one training (epoch,); None where they were not logged."""
        if self.name == "metric":
            metric = "mAP" if record["metric"] in ("mAP", "AUC") else "accuracy"
            return 100 * curve[f"valid_{metric}"] if f"valid_{metric}" in curve else None
        used = record["recipe"].get("frontend.normalizer", "mean")
        if self.normalizer == used:
            return curve.get(self.name)
        logged = curve.get(f"{self.name}_by_{self.normalizer}")
        if logged is None and self.name == "activeness" and self.name in curve:  # a training that logged one alone
            return curve[self.name] * _mean_over_reduction(record["recipe"]) ** (1 if used == "mean" else -1)
        return logged


def _mean_over_reduction(recipe: Mapping[str, Any]) -> float:
    """Mean importance over reduction, the ratio of the normalisers (but for rounding to whole frames)."""
    share = float(recipe["frontend.fps"] * recipe["frontend.hop_length"] / recipe["frontend.sample_rate"])
    return share / (1 - share)


def have_steps(out: Path, records: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all curves that are there count training steps (older ones count epochs alone)."""
    curves = [read_curves(out, cell_of(record).name) for record in records]
    return all("steps" in curve for curve in curves if curve is not None)


def trajectory(out: Path, records: Sequence[Mapping[str, Any]], quantity: Quantity, x_name: str) -> Trajectory | None:
    """A quantity over "steps" or "epoch", averaged over trainings epoch by epoch; None where nothing was logged."""
    found = []
    for record in records:
        curve = read_curves(out, cell_of(record).name)
        values = None if curve is None else quantity.of(curve, record)
        if curve is not None and values is not None:
            found.append((curve[x_name], values))
    if not found:
        return None
    x, values = (_stacked([pair[i] for pair in found]) for i in (0, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an epoch that no training has a value of stays NaN
        deviation = np.nanstd(values, axis=0, ddof=1) if len(found) > 1 else np.zeros(values.shape[1])
        return Trajectory(np.nanmean(x, axis=0), np.nanmean(values, axis=0), np.nan_to_num(deviation))


def _stacked(lines: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Lines of any length -> (line, epoch), NaN beyond the end of each."""
    stacked = np.full((len(lines), max(map(len, lines))), np.nan)
    for row, line in zip(stacked, lines, strict=True):
        row[: len(line)] = line
    return stacked
