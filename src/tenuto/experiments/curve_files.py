"""Curves of a grid's trainings as files: kept beside the cells, and read."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tenuto.files import write_text

Curve = dict[str, npt.NDArray[np.float64]]  # name -> (epoch,), NaN where there is none


def keep_curves(out: Path, name: str) -> None:
    """Copies a cell's curves from its run folder, which is large and may go, to `curves/NAME.csv`."""
    write_text(out / "curves" / f"{name}.csv", (out / "runs" / name / "curves.csv").read_text(encoding="utf-8"))


def read_curves(out: Path, name: str) -> Curve | None:
    """The curves of a cell, from where they are kept or its run folder; None where there are none."""
    for path in (out / "curves" / f"{name}.csv", out / "runs" / name / "curves.csv"):
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            names = rows[0] if rows else {}
            return {key: np.array([float(row[key] or "nan") for row in rows]) for key in names}
    return None
