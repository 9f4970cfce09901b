"""Stored results of a grid, gathered by group, as the rows that tables are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenuto.experiments.grid import Cell, cell_of
from tenuto.experiments.protocols import METHODS
from tenuto.experiments.statistics import Difference, Spread, bootstrap, paired, spread

GroupKey = tuple[str, str, str, float]  # data, length, method, FPS
BASELINE = ("logmel", 100.0)


@dataclass
class Group:
    """All results that differ in fold and seed alone."""

    scores: dict[tuple[str, int], float] = field(default_factory=dict)  # (fold, seed) -> 0 to 1
    kept_frames: float = 0.0  # summed over results: frames that reached the classifier
    sound_frames: float = 0.0  # frames that the clips fill at 100 FPS, padding not counted
    seconds: float = 0.0
    metric: str = "accuracy"

    def add(self, cell: Cell, result: Mapping[str, Any]) -> None:
        """Takes in one result."""
        self.scores[cell.fold, cell.seed] = result["score"]
        self.kept_frames += result["kept_frames"]
        self.sound_frames += result["sound_frames"]
        self.seconds += result["cell_seconds"]
        self.metric = result["metric"]


@dataclass
class Results:
    """Groups of results, and which folds and seeds their grid has."""

    groups: dict[GroupKey, Group]
    folds: dict[str, tuple[str, ...]]  # data -> folds
    seeds: tuple[int, ...]

    @property
    def settings(self) -> list[tuple[str, str]]:
        """(data, length) in order."""
        return list(dict.fromkeys((data, length) for data, length, _, _ in self.groups))

    def group(self, data: str, length: str, method: str, fps: float) -> Group | None:
        """The group, or None where nothing of it was run."""
        group = self.groups.get((data, length, method, fps))
        return group if group is not None and group.scores else None

    def n_cells(self, data: str) -> int:
        """Cells that a whole group of this data has."""
        return len(self.folds[data]) * len(self.seeds)

    def spread(self, data: str, length: str, method: str, fps: float) -> Spread | None:
        """Mean and spread of a group, None where nothing of it was run."""
        group = self.group(data, length, method, fps)
        return None if group is None else spread(group.scores)

    def difference(
        self, data: str, length: str, first: tuple[str, float], second: tuple[str, float]
    ) -> Difference | None:
        """First minus second (method, FPS), paired by fold and seed; None without a pair."""
        one, other = self.group(data, length, *first), self.group(data, length, *second)
        return None if one is None or other is None else bootstrap(paired(one.scores, other.scores))


def gather(results: Iterable[Mapping[str, Any]], planned: Iterable[Cell] = ()) -> Results:
    """Results by group, sorted as a reader expects; groups of planned cells are there even if none was run."""
    groups: dict[GroupKey, Group] = {}
    folds: dict[str, set[str]] = {}
    seeds: set[int] = set()
    found = [(cell_of(result), result) for result in results]
    for cell in [*planned, *(cell for cell, _ in found)]:
        groups.setdefault(cell.group, Group())
        folds.setdefault(cell.data, set()).add(cell.fold)
        seeds.add(cell.seed)
    for cell, result in found:
        groups[cell.group].add(cell, result)
    groups = dict(sorted(groups.items(), key=lambda item: _position(item[0])))
    return Results(groups, {data: tuple(sorted(each)) for data, each in folds.items()}, tuple(sorted(seeds)))


def _position(key: GroupKey) -> tuple[str, str, bool, float, int]:
    """Data, length, the baseline first, then by frame rate and in the order of the paper's columns."""
    data, length, method, fps = key
    return data, length, (method, fps) != BASELINE, fps, METHODS.index(method)


def same_or_better(results: Results, data: str, length: str, method: str, fps: float) -> bool:
    """The paper's mark: not below the 100 FPS baseline, as printed, on the folds and seeds of both."""
    one, base = results.group(data, length, method, fps), results.group(data, length, *BASELINE)
    if one is None or base is None:
        return False
    both = one.scores.keys() & base.scores.keys()
    if not both:
        return False
    means = [spread({key: group.scores[key] for key in both}).mean for group in (one, base)]
    return round(100 * means[0], 1) >= round(100 * means[1], 1)
