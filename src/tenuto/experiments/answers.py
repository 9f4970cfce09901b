"""What two runs answered on the same test clips, read from their predictions.csv."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import UsageError, WorkError
from tenuto.files import read_json

SCORE = "score:"  # heads of predictions.csv: score:LABEL
HOW = "tenuto train SOURCE --out {0}, or tenuto evaluate RUN SOURCE --out {0}"


@dataclass(frozen=True)
class Answers:
    """A run's answers: clips in the order of their names.

    scores (clip, class) in [0, 1], of six digits; targets (clip, class); given (clip, class): the answer, which is
    the highest score, or with several labels a clip all scores of at least one half.
    """

    name: str
    labels: tuple[str, ...]
    paths: tuple[str, ...]
    clips: tuple[str, ...]  # paths below the folder that all of them share, so that a data set may have moved
    scores: NDArray[np.float64]
    targets: NDArray[np.bool_]
    given: NDArray[np.bool_]
    multi_label: bool
    data: str | None  # identifies the data set, None where that is not known

    @property
    def n_clips(self) -> int:
        """Test clips."""
        return len(self.clips)


def read_pair(first: Path, second: Path) -> tuple[Answers, Answers]:
    """The answers of two run folders to the same clips, with their classes in the same order.

    Raises:
        UsageError: a folder without predictions, other classes, or other clips
        WorkError: a file of predictions that cannot be read as one
    """
    names = _names(first, second)
    one, other = read_answers(first, names[0]), read_answers(second, names[1])
    _check_labels(one, other)
    _check_clips(one, other)
    order = [other.labels.index(label) for label in one.labels]
    other = Answers(
        other.name, one.labels, other.paths, other.clips, other.scores[:, order], other.targets[:, order],
        other.given[:, order], other.multi_label, other.data,
    )  # fmt: skip
    if not np.array_equal(one.targets, other.targets):
        i = int(np.flatnonzero((one.targets != other.targets).any(1))[0])
        raise UsageError(f"{one.clips[i]} has other labels in {one.name} than in {other.name}: wanted the same data")
    return one, other


def read_answers(folder: Path, name: str) -> Answers:
    """The answers of one run folder, or of what `tenuto evaluate --out` wrote."""
    path = folder / "predictions.csv"
    if not path.exists():
        raise UsageError(f"{folder} holds no predictions.csv: make one with {HOW.format(folder)}")
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        heads, rows = [head for head in reader.fieldnames or () if head.startswith(SCORE)], list(reader)
    labels = tuple(head.removeprefix(SCORE) for head in heads)
    try:
        scores = np.array([[float(row[head]) for head in heads] for row in rows]).reshape(len(rows), len(heads))
        paths = tuple(row["path"] for row in rows)
        targets, given = (_flags([row[key] for row in rows], labels) for key in ("label", "predicted"))
    except (KeyError, ValueError, TypeError) as error:
        raise WorkError(f"{path} cannot be read as predictions ({error}): {HOW.format(folder)} makes it") from error
    if not rows or not labels:
        raise WorkError(f"{path} holds no answers: {HOW.format(folder)} makes it")
    clips = _below_common_folder(paths)
    if len(set(clips)) < len(clips):
        raise WorkError(f"{path} has a clip twice: wanted one answer a clip")
    order = sorted(range(len(clips)), key=clips.__getitem__)
    several = bool((targets.sum(1) != 1).any() or (given.sum(1) != 1).any())
    return Answers(
        name, labels, tuple(paths[i] for i in order), tuple(clips[i] for i in order),
        scores[order], targets[order], given[order], _fact(folder / "model.json", "multi_label", several),
        (_fact(folder / "run.json", "data_set", None) or {}).get("sha256"),
    )  # fmt: skip


def _flags(cells: Sequence[str], labels: Sequence[str]) -> NDArray[np.bool_]:
    """Cells of labels with semicolons between them -> (clip, class); labels that are no class are passed over."""
    place = {label: i for i, label in enumerate(labels)}
    flags = np.zeros((len(cells), len(labels)), dtype=bool)
    for row, cell in enumerate(cells):
        for label in (cell,) if cell in place else cell.split(";"):
            if label in place:
                flags[row, place[label]] = True
    return flags


def _fact(path: Path, key: str, default: Any) -> Any:
    """A fact of a JSON file of the run, where there is one."""
    try:
        value = read_json(path)
    except FileNotFoundError:
        return default
    except (OSError, ValueError) as error:
        raise WorkError(f"{path} cannot be read ({error})") from error
    return value.get(key, default) if isinstance(value, dict) else default


def _below_common_folder(paths: Sequence[str]) -> tuple[str, ...]:
    folder = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ""
    return tuple(os.path.relpath(path, folder or ".").replace(os.sep, "/") for path in paths)


def _names(first: Path, second: Path) -> tuple[str, str]:
    """What tells two folders apart: as much of their paths' ends as it takes, less what two cells of a grid share."""
    one, other = first.absolute().parts, second.absolute().parts
    for n in range(1, max(len(one), len(other))):
        if one[-n:] != other[-n:]:
            return _less_common_parts("/".join(one[-n:]), "/".join(other[-n:]))
    return first.name + " (A)", second.name + " (B)"


def _less_common_parts(first: str, second: str) -> tuple[str, str]:
    """ "fsdd.logmel.100fps.seed0" and "fsdd.diffres.25fps.seed0" -> "logmel.100fps" and "diffres.25fps"."""
    one, other = first.split("."), second.split(".")
    if len(one) != len(other):
        return first, second
    differing = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    kept = slice(differing[0], differing[-1] + 1)
    return ".".join(one[kept]), ".".join(other[kept])


def _check_labels(one: Answers, other: Answers) -> None:
    if set(one.labels) != set(other.labels):
        lacking = [sorted(set(a.labels) - set(b.labels)) for a, b in ((one, other), (other, one))]
        told = "; ".join(
            f"only in {answers.name}: {_some(names)}"
            for answers, names in zip((one, other), lacking, strict=True)
            if names
        )
        raise UsageError(
            f"{one.name} has {len(one.labels)} classes and {other.name} {len(other.labels)}: "
            f"wanted the same ones; {told}"
        )
    if one.multi_label != other.multi_label:
        raise UsageError(f"one of {one.name} and {other.name} gives several labels a clip, the other one: wanted alike")


def _check_clips(one: Answers, other: Answers) -> None:
    if one.clips != other.clips:
        lone = [sorted(set(a.clips) - set(b.clips)) for a, b in ((one, other), (other, one))]
        counts = f"{len(lone[0])} only in {one.name}, {len(lone[1])} only in {other.name}"
        raise UsageError(
            f"{one.name} and {other.name} were tested on other clips ({counts}, such as {(lone[0] or lone[1])[0]}): "
            f"wanted the same; tenuto evaluate RUN SOURCE --out FOLDER tests both on what you like"
        )
    moved = set(one.paths) != set(other.paths)
    if moved and None not in (one.data, other.data) and one.data != other.data:
        raise UsageError(f"{one.name} and {other.name} come from other data sets under the same names: wanted the same")


def _some(names: Sequence[str], n_shown: int = 5) -> str:
    return ", ".join(names[:n_shown]) + (f" and {len(names) - n_shown} more" if len(names) > n_shown else "")
