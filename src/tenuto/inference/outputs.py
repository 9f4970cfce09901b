"""Answers in the shapes people use them in: table, CSV, JSON, and label files for Audacity and Raven."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from tenuto.files import atomic_write
from tenuto.inference.predictions import FilePredictions, Predictions
from tenuto.report.style import shorten
from tenuto.report.tables import Row, text_table

CSV_COLUMNS = ("file", "start", "end", "label", "score")
RAVEN_COLUMNS = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)", "Label",
    "Confidence", "Begin Path", "File Offset (s)",
)  # fmt: skip


def as_table(predictions: Predictions, top_k: int | None = 3, threshold: float | None = None) -> str:
    """For a terminal: a row a label, long paths in the middle shortened."""
    rows: list[Row] = [
        {
            "file": shorten(file, 60),
            "start": f"{start:.2f}",
            "end": f"{end:.2f}",
            "label": label,
            "score": f"{score:.3f}",
        }
        for file, start, end, label, score in predictions.rows(top_k, threshold)
    ]
    return text_table(rows, CSV_COLUMNS)


def as_dict(predictions: Predictions, top_k: int | None = None, threshold: float | None = None) -> dict[str, Any]:
    """For JSON: what was asked, every window with its scores, the best first, and what was left out."""
    windows: dict[tuple[str, float], dict[str, Any]] = {
        (file.file, float(start)): {"file": file.file, "start": float(start), "end": float(end), "scores": []}
        for file in predictions.files
        for start, end in zip(file.starts, file.ends, strict=True)
    }
    for row in predictions.rows(top_k, threshold):
        windows[row.file, row.start]["scores"].append({"label": row.label, "score": row.score})
    return {
        "labels": list(predictions.labels),
        "multi_label": predictions.multi_label,
        "window_seconds": predictions.window_seconds,
        "hop_seconds": predictions.hop_seconds,
        "n_files": len(predictions.files),
        "n_windows": predictions.n_windows,
        "predictions": list(windows.values()),
        "left_out": [item._asdict() for item in predictions.left_out],
    }


def write_csv(
    predictions: Predictions,
    stream: TextIO,
    top_k: int | None = None,
    threshold: float | None = None,
    wide: bool = False,
) -> None:
    """CSV with heads file,start,end,label,score, a row a label; wide: a row a window, a column a class, all scores."""
    writer = csv.writer(stream, lineterminator="\n")
    if wide:
        writer.writerow((*CSV_COLUMNS[:3], *predictions.labels))
        writer.writerows(line for file in predictions.files for line in _wide_lines(file))
        return
    writer.writerow(CSV_COLUMNS)
    for row in predictions.rows(top_k, threshold):
        writer.writerow((row.file, *map(_seconds, (row.start, row.end)), row.label, f"{row.score:.6f}"))


def save_csv(
    predictions: Predictions,
    path: str | os.PathLike[str],
    top_k: int | None = None,
    threshold: float | None = None,
    wide: bool = False,
) -> Path:
    """`write_csv` into a file, atomically."""
    with atomic_write(path) as beside, beside.open("w", newline="", encoding="utf-8") as stream:
        write_csv(predictions, stream, top_k, threshold, wide)
    return Path(path)


def save_audacity(
    predictions: Predictions, folder: str | os.PathLike[str], top_k: int | None = 1, threshold: float | None = None
) -> list[Path]:
    """One label file an audio file, FILE.txt, in the folders below their common one.

    Tab-separated start, end and label without heads, the three columns Audacity knows; the score stands in the label.
    """
    lines: dict[str, list[str]] = {file.file: [] for file in predictions.files}
    for row in predictions.rows(top_k, threshold):
        label = " ".join(row.label.split())
        lines[row.file].append(f"{row.start:.6f}\t{row.end:.6f}\t{label} {row.score:.2f}\n")
    targets = _beside_each_other(list(lines), Path(folder))
    for target, text in zip(targets, lines.values(), strict=True):
        with atomic_write(target) as beside:
            beside.write_text("".join(text), encoding="utf-8")
    return targets


def save_raven(
    predictions: Predictions, path: str | os.PathLike[str], top_k: int | None = 1, threshold: float | None = None
) -> Path:
    """One Raven selection table: begin and end count through the files in their order, the offset within each.

    Raven knows no quotes: a tab or the end of a line in a label or a path stands there as a space.
    """
    lengths = (file.seconds for file in predictions.files)
    begins = dict(zip((file.file for file in predictions.files), _running_total(lengths), strict=False))
    band = (f"{predictions.f_min_hz:g}", f"{predictions.f_max_hz:g}")
    with atomic_write(path) as beside, beside.open("w", newline="", encoding="utf-8") as stream:
        stream.write("\t".join(RAVEN_COLUMNS) + "\n")
        for number, row in enumerate(predictions.rows(top_k, threshold), start=1):
            times = (begins[row.file] + row.start, begins[row.file] + row.end)
            label, place = " ".join(row.label.split()), re.sub(r"[\t\r\n]", " ", os.path.abspath(row.file))
            told = (label, f"{row.score:.4f}", place, _seconds(row.start))
            stream.write("\t".join((str(number), "Spectrogram 1", "1", *map(_seconds, times), *band, *told)) + "\n")
    return Path(path)


def _wide_lines(file: FilePredictions) -> Iterable[list[str]]:
    for start, end, scores in zip(file.starts, file.ends, file.scores, strict=True):
        yield [file.file, _seconds(start), _seconds(end), *(f"{score:.6f}" for score in scores)]


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _running_total(values: Iterable[float]) -> Iterable[float]:
    """0, then the sum so far."""
    total = 0.0
    for value in values:
        yield total
        total += value


def _beside_each_other(files: Sequence[str], folder: Path) -> list[Path]:
    """Where each file's labels go: its path below the folder that all have in common, with .txt behind it."""
    if not files:
        return []
    whole = [os.path.abspath(file) for file in files]
    common = os.path.dirname(whole[0]) if len(whole) == 1 else os.path.commonpath([os.path.dirname(f) for f in whole])
    return [folder / (os.path.relpath(file, common) + ".txt") for file in whole]
