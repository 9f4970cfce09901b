"""Stored results of a grid, gathered by group, as the rows that tables are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenuto.experiments.experiment import Experiment, System
from tenuto.experiments.grid import Cell, Column, cell_of
from tenuto.experiments.statistics import Difference, Spread, bootstrap, paired, spread


@dataclass
class Group:
    """All results that differ in fold and seed alone."""

    scores: dict[tuple[str, int], float] = field(default_factory=dict)  # (fold, seed) -> 0 to 1
    training_seconds: dict[tuple[str, int], float] = field(default_factory=dict)
    kept_frames: float = 0.0  # summed over results: frames that reached the classifier
    sound_frames: float = 0.0  # frames that the clips fill at 100 FPS, padding not counted
    seconds: float = 0.0
    metric: str = "accuracy"
    parameters: int | None = None  # of the front end

    def add(self, cell: Cell, result: Mapping[str, Any]) -> None:
        """Takes in one result."""
        key = (cell.fold, cell.seed)
        self.scores[key] = result["score"]
        if "training_seconds" in result.get("found", {}):
            self.training_seconds[key] = result["found"]["training_seconds"]
        self.kept_frames += result["kept_frames"]
        self.sound_frames += result["sound_frames"]
        self.seconds += result["cell_seconds"]
        self.metric = result["metric"]
        self.parameters = result.get("frontend_parameters", self.parameters)


@dataclass
class Results:
    """Groups of results, and which folds and seeds their grid has."""

    experiment: Experiment
    groups: dict[tuple[str, Column], Group]
    folds: dict[str, tuple[str, ...]]  # data -> folds
    seeds: tuple[int, ...]

    def system(self, column: Column) -> System:
        """The system that a column of these results is of."""
        system = self.experiment.system_of(column)
        assert system is not None, f"{column} is no column of {self.experiment.name}"
        return system

    def group(self, data: str, column: Column) -> Group | None:
        """The group, or None where nothing of it was run."""
        group = self.groups.get((data, column))
        return group if group is not None and group.scores else None

    def baseline(self, column: Column) -> Column:
        """The column that this one is marked against, of the same length, rate and hop where that leaves them open."""
        return self.experiment.baseline.like(column)

    def n_cells(self, data: str) -> int:
        """Cells that a whole group of this data has."""
        return len(self.folds[data]) * len(self.seeds)

    def spread(self, data: str, column: Column) -> Spread | None:
        """Mean and spread of a group, None where nothing of it was run."""
        group = self.group(data, column)
        return None if group is None else spread(group.scores)

    def difference(self, data: str, first: Column, second: Column) -> Difference | None:
        """First minus second, paired by fold and seed; None without a pair."""
        one, other = self.group(data, first), self.group(data, second)
        return None if one is None or other is None else bootstrap(paired(one.scores, other.scores))

    def time_share(self, data: str, column: Column) -> float | None:
        """Training seconds over the baseline's, on the folds and seeds of both; None where there are none."""
        one, base = self.group(data, column), self.group(data, self.baseline(column))
        if one is None or base is None:
            return None
        both = one.training_seconds.keys() & base.training_seconds.keys()
        whole = sum(base.training_seconds[key] for key in both)
        return sum(one.training_seconds[key] for key in both) / whole if whole else None


def gather(experiment: Experiment, results: Iterable[Mapping[str, Any]], planned: Iterable[Cell] = ()) -> Results:
    """Results by group, sorted as a reader expects; groups of planned cells are there even if none was run."""
    groups: dict[tuple[str, Column], Group] = {}
    folds: dict[str, set[str]] = {}
    seeds: set[int] = set()
    found = [(cell_of(result), result) for result in results]
    for cell in [*planned, *(cell for cell, _ in found)]:
        groups.setdefault(cell.group, Group())
        folds.setdefault(cell.data, set()).add(cell.fold)
        seeds.add(cell.seed)
    for cell, result in found:
        groups[cell.group].add(cell, result)
    groups = dict(sorted(groups.items(), key=lambda item: (item[0][0], *experiment.position(item[0][1]))))
    return Results(
        experiment, groups, {data: tuple(sorted(each)) for data, each in folds.items()}, tuple(sorted(seeds))
    )


def same_or_better(results: Results, data: str, column: Column) -> bool:
    """The paper's mark: not below the baseline, as printed, on the folds and seeds of both."""
    one, base = results.group(data, column), results.group(data, results.baseline(column))
    if one is None or base is None:
        return False
    both = one.scores.keys() & base.scores.keys()
    if not both:
        return False
    means = [spread({key: group.scores[key] for key in both}).mean for group in (one, base)]
    return round(100 * means[0], 1) >= round(100 * means[1], 1)
