"""The clip table: which file carries which labels, in which fold; checked on entry, so that later code need not."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tenuto.errors import UsageError

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Clip:
    """One file, its labels, and the fold or the part that its publisher put it in."""

    path: Path
    labels: tuple[str, ...]
    fold: str | None = None
    split: str | None = None
    """train, valid or test."""


@dataclass(frozen=True)
class ClipTable:
    """The clips of a data set.

    Args:
        clips: at least one; no file twice.
        labels: the classes, in the order of a model's outputs.
        multi_label: whether a clip may carry several labels (or none).
        name: of the data set, for reports.
        root: the folder that paths are shown relative to.
        notes: what the reader of the set has to say (files passed over and the like), a line each.
        lost: clips that a check took out.

    Raises:
        UsageError: no clip, a file twice, folds or parts given for some clips only, an unknown part.
    """

    clips: tuple[Clip, ...]
    labels: tuple[str, ...]
    multi_label: bool
    name: str
    root: Path
    notes: tuple[str, ...] = ()
    lost: tuple[Clip, ...] = ()

    def __post_init__(self) -> None:
        if not self.clips:
            raise UsageError(f"{self.name}: no clip in it")
        assert len(set(self.labels)) == len(self.labels), "labels are unique"
        known = set(self.labels)
        assert all(known.issuperset(clip.labels) for clip in self.clips), "labels are those of the clips"
        assert self.multi_label or all(len(clip.labels) == 1 for clip in self.clips), "one label a clip"
        self._refuse_repeated_files()
        self._refuse_gaps("fold", [clip.fold for clip in self.clips])
        self._refuse_gaps("split", [clip.split for clip in self.clips])
        for split in {clip.split for clip in self.clips} - {None, *PARTS}:
            raise UsageError(f"{self.name}: split {split!r} is none of {', '.join(PARTS)}")

    @property
    def folds(self) -> tuple[str, ...]:
        """The folds given, sorted (numbers as numbers)."""
        return tuple(sorted({clip.fold for clip in self.clips if clip.fold is not None}, key=_natural))

    @property
    def n_per_label(self) -> dict[str, int]:
        """Clips of each label, in the order of the labels."""
        return count_labels(self.clips, self.labels)

    def shown(self, path: Path) -> str:
        """A path as reports show it: relative to the root where it lies below it."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def _refuse_repeated_files(self) -> None:
        seen: dict[str, Clip] = {}
        for clip in self.clips:
            other = seen.setdefault(os.path.normpath(clip.path), clip)
            if other is not clip:
                raise UsageError(
                    f"{self.name}: {self.shown(clip.path)} is listed twice ({_told(other)}; {_told(clip)}): "
                    "list each file once, several labels joined by ';'"
                )

    def _refuse_gaps(self, column: str, values: list[str | None]) -> None:
        n_without = values.count(None)
        if 0 < n_without < len(values):
            first = self.clips[values.index(None)]
            raise UsageError(
                f"{self.name}: {n_without} of {len(values)} clips have no {column} "
                f"(first: {self.shown(first.path)}): give one to all or to none"
            )


def make_table(
    clips: Iterable[Clip],
    name: str,
    root: Path,
    *,
    multi_label: bool | None = None,
    notes: Iterable[str] = (),
) -> ClipTable:
    """A table whose labels are those that occur, sorted; multi-label if a clip has other than one label."""
    rows = tuple(clips)
    labels = tuple(sorted({label for clip in rows for label in clip.labels}, key=_natural))
    if multi_label is None:
        multi_label = any(len(clip.labels) != 1 for clip in rows)
    return ClipTable(rows, labels, multi_label, name, root, tuple(notes))


def count_labels(clips: Iterable[Clip], labels: Iterable[str]) -> dict[str, int]:
    """Clips of each of `labels`, zeros included."""
    counts = Counter(label for clip in clips for label in clip.labels)
    return {label: counts[label] for label in labels}


def _told(clip: Clip) -> str:
    given = [("label", ";".join(clip.labels)), ("fold", clip.fold), ("split", clip.split)]
    return ", ".join(f"{name} {value}" for name, value in given if value is not None)


def _natural(text: str) -> tuple[int, int, str]:
    """Sorts numbers by value and before words."""
    return (0, int(text), text) if text.isascii() and text.isdigit() else (1, 0, text)
