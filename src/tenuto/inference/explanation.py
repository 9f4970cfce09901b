"""What came out of explaining one clip, and how it is written: a picture, or data."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.errors import UsageError
from tenuto.files import atomic_write, write_json
from tenuto.inference.inputs import PathLike
from tenuto.inference.placement import Placement
from tenuto.report.plots import ClipPicture, explanation, save
from tenuto.report.style import PICTURE_SUFFIXES

DATA_SUFFIXES = (".json", ".csv")
KEPT_COLUMNS = ("kept", "start", "end", "centre", "first_frame", "last_frame")


@dataclass(frozen=True)
class Explanation:
    """What a model made of one clip.

    start_seconds, end_seconds: the part of the file that was heard. scores: (label, probability), the best first.
    picture: the arrays of the picture. placement: where each kept frame comes from, None where none are merged.
    activeness: Eq. 4 for this clip, 0 where nothing is learned.
    """

    file: str
    start_seconds: float
    end_seconds: float
    scores: list[tuple[str, float]]
    picture: ClipPicture
    placement: Placement | None
    activeness: float
    resolution: str

    def write(self, path: PathLike) -> list[Path]:
        """Writes a picture (.png, .svg, .pdf), all the data (.json), or tables (.csv: a row an input frame, and
        beside it NAME_kept.csv, a row a kept frame); returns what was written, as `written_to` has it.

        Raises:
            UsageError: for any other suffix.
        """
        check_suffix(path)
        target = Path(path)
        match target.suffix.lower():
            case ".json":
                write_json(target, self.as_dict())
            case ".csv":
                rows = self.frame_rows()
                _write_rows(target, rows, tuple(rows[0]))
                _write_rows(written_to(target)[1], self.kept_rows(), KEPT_COLUMNS)
            case _:
                save(explanation(self.picture), target)
        return written_to(target)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the answer, every input frame, and the interval of the input that each kept frame covers."""
        return {
            "file": self.file,
            "start": self.start_seconds,
            "end": self.end_seconds,
            "scores": [{"label": label, "score": score} for label, score in self.scores],
            "resolution": self.resolution,
            "notes": list(self.picture.notes),
            "frame_seconds": self.picture.frame_seconds,
            "n_frames": self.picture.n_frames,
            "n_kept": self.picture.n_kept,
            "activeness": self.activeness,
            "frames": self.frame_rows(),
            "kept": self.kept_rows(),
        }

    def frame_rows(self) -> list[dict[str, Any]]:
        """A row an input frame: its time, importance (None without), whether it is empty."""
        importance = self.picture.importance
        seconds = self.picture.start_seconds + np.arange(self.picture.n_frames) * self.picture.frame_seconds
        return [
            {
                "frame": i,
                "seconds": round(float(second), 6),
                "importance": None if importance is None else float(importance[i]),
                "empty": bool(self.picture.empty[i]),
            }
            for i, second in enumerate(seconds)
        ]

    def kept_rows(self) -> list[dict[str, Any]]:
        """A row a kept frame: from where to where in the file it reaches, its centre of mass, and its frames."""
        if self.placement is None:
            return []
        places = self.placement
        starts, ends = places.start_seconds, places.end_seconds
        return [
            {
                "kept": i,
                "start": _rounded(starts[i] + self.picture.start_seconds),
                "end": _rounded(ends[i] + self.picture.start_seconds),
                "centre": _rounded(places.centre_seconds[i] + self.picture.start_seconds),
                "first_frame": int(places.first_frame[i]),
                "last_frame": int(places.last_frame[i]),
            }
            for i in range(len(starts))
        ]


def check_suffix(path: PathLike) -> None:
    """UsageError unless an explanation can be written to a file of that name."""
    suffix = Path(path).suffix.lower()
    if suffix not in (*PICTURE_SUFFIXES, *DATA_SUFFIXES):
        wanted = ", ".join((*PICTURE_SUFFIXES, *DATA_SUFFIXES))
        raise UsageError(f"{path}: wanted a name that ends in one of {wanted}")


def written_to(path: PathLike) -> list[Path]:
    """What an explanation written to `path` leaves: that file, and of tables the one of kept frames beside it."""
    target = Path(path)
    beside = [target.with_name(f"{target.stem}_kept.csv")] if target.suffix.lower() == ".csv" else []
    return [target, *beside]


def _rounded(seconds: float) -> float | None:
    return None if np.isnan(seconds) else round(float(seconds), 6)


def _write_rows(path: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    with atomic_write(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
