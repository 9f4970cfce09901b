"""One data set of a grid: its clips, checked once for all trainings of a process, and what they measure."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from tenuto.data.check import Report, check_clips
from tenuto.data.clips import ClipTable
from tenuto.data.identity import fingerprint
from tenuto.data.splits import split
from tenuto.errors import WorkError
from tenuto.experiments.experiment import FULL_FPS
from tenuto.experiments.grid import Cell, Say
from tenuto.experiments.left_out import told
from tenuto.experiments.protocols import (
    MAX_FIXED_SECONDS,
    NO_FOLD,
    choose_folds,
    load_table,
    protocol,
)
from tenuto.report.words import counted
from tenuto.training.recipe import Recipe


class GridData:
    """The clips of one data set, read when they are first needed."""

    def __init__(self, name: str, root: Path, limit: int | None, folds: tuple[str, ...] | None, say: Say) -> None:
        self.name, self.say = name, say
        self.table: ClipTable = load_table(name, root, limit)
        self.folds = choose_folds(self.table, folds)
        self.left_out: list[str] = []  # a line a clip, once they are checked

    @cached_property
    def fingerprint(self) -> str:
        """Identifies the clips, whatever their name."""
        return fingerprint(self.table)

    @cached_property
    def report(self) -> Report:
        """Which clips are good and how long they are."""
        report = check_clips(self.table.clips)
        found = [{"path": self.table.shown(each.path), "reason": each.reason} for each in report.left_out]
        self.left_out = told(self.name, found)
        if not report.good:
            first = f"{found[0]['path']}: {found[0]['reason']}"
            raise WorkError(f"{self.name}: not one clip of {self.table.root} can be used (first: {first})")
        if found:
            self.say(f"{self.name}: {counted(len(found), 'clip')} left out (the page names them)")
        return report

    @cached_property
    def fixed_seconds(self) -> float:
        """The length that all clips are brought to: the protocol's, else the longest clip's, at most 10 s."""
        known = protocol(self.name).fixed_seconds
        if known is not None:
            return known
        return round(min(MAX_FIXED_SECONDS, max(self.report.seconds.values())), 2)

    def seconds(self, cell: Cell) -> float | None:
        """What the cell's clips are brought to; None: each keeps its own length."""
        return self.fixed_seconds if cell.length == "fixed" else None

    def fold(self, cell: Cell) -> str | None:
        """The fold as `fit` wants it."""
        return None if cell.fold == NO_FOLD else cell.fold

    def sound_frames(self, recipe: Recipe, fold: str | None, seed: int) -> int:
        """Frames at 100 FPS that the test clips fill themselves, padding not counted."""
        from tenuto.frontend.lengths import n_frames

        test = split(self.report.usable(self.table), fold, recipe.data.valid_share, seed).test
        sample_rate = recipe.frontend.sample_rate
        hop_length = round(sample_rate / FULL_FPS)
        return sum(n_frames(round(self.report.seconds[clip.path] * sample_rate), hop_length) for clip in test)
