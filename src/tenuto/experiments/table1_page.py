"""Table 1 as rows: the paper's layout with its numbers beside ours, every detail, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tenuto.experiments.paper import TABLE1, Printed
from tenuto.experiments.protocols import METHODS, protocol
from tenuto.experiments.results import BASELINE, Results, same_or_better
from tenuto.experiments.statistics import Difference
from tenuto.files import write_text
from tenuto.report.tables import csv_table, latex_table, markdown_table, text_table

CAPTION = (
    "Temporal reduction methods, percent; in brackets the paper's numbers. "
    "†: not below the log-mel at 100 frames a second."
)
Row = dict[str, str | int | float | None]
NOT_RUN = "not run"
HEADS = {
    "logmel": "Log-mel",
    "changehop": "Change hop size",
    "avgpool": "AvgPool",
    "convavgpool": "ConvAvgPool",
    "diffres": "DiffRes (proposed)",
}
REDUCTIONS = tuple(method for method in METHODS if method != "logmel")


def paper_rows(results: Results) -> list[Row]:
    """The paper's Table 1: a row a task and frame rate, "ours ± over seeds (the paper's)" in percent."""
    rows: list[Row] = []
    for data, length in results.settings:
        rates = sorted({fps for d, n, method, fps in results.groups if (d, n) == (data, length) and method != "logmel"})
        for fps in rates or [BASELINE[1]]:
            rows.append(
                {
                    "Task": f"{protocol(data).title}, {length} length",
                    "100 FPS baseline": _entry(results, data, length, *BASELINE),
                    "Metric": _metric(results, data, length),
                    "FPS": f"{fps:g}",
                    **{HEADS[method]: _entry(results, data, length, method, fps) for method in REDUCTIONS},
                }
            )
    return rows


def detail_rows(results: Results) -> list[Row]:
    """A row a method and frame rate: means, both deviations, frames kept and time, as plain numbers."""
    rows: list[Row] = []
    for (data, length, method, fps), group in results.groups.items():
        found = results.spread(data, length, method, fps)
        printed = _printed(data, method, fps)
        rows.append(
            {
                "data": data,
                "length": length,
                "method": method,
                "FPS": fps,
                "metric": group.metric,
                "mean %": NOT_RUN if found is None else _percent(found.mean),
                "sd over seeds": None if found is None else _percent(found.over_seeds),
                "sd over folds": None if found is None else _percent(found.over_folds),
                "as good as 100 FPS": _mark(results, data, length, method, fps),
                "cells": f"{len(group.scores)} of {results.n_cells(data)}",
                "frames kept / sound": _share(group.kept_frames, group.sound_frames),
                "paper %": None if printed is None else printed.mean,
                "minutes": round(group.seconds / 60, 1),
            }
        )
    return rows


def difference_rows(results: Results) -> list[Row]:
    """Paired differences in points: each method to the log-mel, and DiffRes to AvgPool at the same FPS."""
    rows: list[Row] = []
    for data, length, method, fps in results.groups:
        against = [BASELINE] if (method, fps) != BASELINE else []
        against += [("avgpool", fps)] if method == "diffres" else []
        for other in against:
            found = results.difference(data, length, (method, fps), other)
            if found is not None:
                rows.append(_difference_row(data, length, (method, fps), other, found))
    return rows


def fold_rows(results: Results) -> list[Row]:
    """The mean over seeds in percent for every fold."""
    rows: list[Row] = []
    for (data, length, method, fps), group in results.groups.items():
        row: Row = {"data": data, "length": length, "method": method, "FPS": fps}
        for fold in results.folds[data]:
            scores = [score for (other, _), score in group.scores.items() if other == fold]
            row[fold] = _percent(sum(scores) / len(scores)) if scores else NOT_RUN
        rows.append(row)
    return rows


def _difference_row(
    data: str, length: str, first: tuple[str, float], second: tuple[str, float], found: Difference
) -> Row:
    return {
        "data": data,
        "length": length,
        "first": _name(first),
        "second": _name(second),
        "difference": f"{100 * found.mean:+.1f}",
        "95 % interval": "one pair" if found.low is None else f"{_signed(found.low)} to {_signed(found.high)}",
        "first better in": f"{found.n_above} of {found.n_pairs}",
        "interval without 0": "yes" if found.certain else "no",
    }


def _entry(results: Results, data: str, length: str, method: str, fps: float) -> str:
    """One cell in the paper's layout."""
    found, printed = results.spread(data, length, method, fps), _printed(data, method, fps)
    theirs = "" if printed is None else f" ({printed})"
    if found is None:
        return NOT_RUN + theirs
    mark = _mark(results, data, length, method, fps)
    deviation = "" if found.over_seeds is None else f" ± {100 * found.over_seeds:.1f}"
    part = "" if found.n_scores == results.n_cells(data) else f" [{found.n_scores} of {results.n_cells(data)} cells]"
    return f"{100 * found.mean:.1f}{deviation}{mark}{part}{theirs}"


def _mark(results: Results, data: str, length: str, method: str, fps: float) -> str:
    """The paper's dagger, which the baseline itself does not get."""
    return "†" if (method, fps) != BASELINE and same_or_better(results, data, length, method, fps) else ""


def _printed(data: str, method: str, fps: float) -> Printed | None:
    paper_set = protocol(data).paper_set
    return None if paper_set is None else TABLE1[paper_set].get((method, fps))


def _metric(results: Results, data: str, length: str) -> str:
    metrics = {g.metric for (d, n, _, _), g in results.groups.items() if (d, n) == (data, length) and g.scores}
    return ", ".join(sorted(metrics)) or NOT_RUN


def _name(key: tuple[str, float]) -> str:
    return f"{key[0]} {key[1]:g}"


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 2)


def _signed(value: float | None) -> str:
    return "" if value is None else f"{100 * value:+.1f}"


def _share(kept: float, sound: float) -> float | None:
    return round(kept / sound, 3) if sound else None


def notes(results: Results, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader must know: marks, whose the numbers in brackets are, and what was scaled down."""
    lines = [
        "Percent, mean over folds and seeds ± standard deviation over seeds (none for one seed); "
        "in brackets the paper's number.",
        "†: not below the 100 FPS log-mel, to a tenth of a percent, on the same folds and seeds.",
        "Fixed length: all clips zero-padded or cropped to one length, and the padding counts as sound; "
        "own length: each clip keeps its own share of frames.",
        "Frames kept / sound: frames into the classifier over frames that the clips fill at 100 FPS, "
        "padding not counted.",
        "Differences are paired by fold and seed; interval: 95 %, bootstrap over folds and seeds "
        "(too narrow rather than too wide with so few folds).",
    ]
    for data in dict.fromkeys(data for data, _ in results.settings):
        if protocol(data).paper_set is not None and not protocol(data).same:
            lines.append(
                f"{protocol(data).title} is not in the paper: the numbers in brackets are those of its "
                f"{protocol(data).paper_set}, the same kind of task on other data."
            )
    return lines + scale_lines(records) + circumstance_lines(records)


def scale_lines(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """How the trainings differ from the paper's, one line a data set, length and variety."""
    return list(dict.fromkeys(_scale_line(record) for record in records))


def _scale_line(record: Mapping[str, Any]) -> str:
    settings, cell = record["recipe"], record["cell"]
    seconds, limit = settings["data.clip_seconds"], settings["limit"]
    weights = "ImageNet weights" if settings["model.pretrained"] else "from scratch"
    chosen = f"on {100 * settings['data.valid_share']:g} % of the training part, set aside"
    if settings["training.choose"] == "last":
        chosen = "nowhere: the last epoch's"
    length = f"{cell['length']} length" + ("" if seconds is None else f" of {seconds:g} s")
    return (
        f"{protocol(cell['data']).title}, {length}: "
        f"backbone {settings['model.backbone']} {weights} (the paper: EfficientNet-B2, ImageNet weights), "
        f"{settings['training.epochs']} epochs, batch {settings['data.batch_size']}, "
        f"{settings['frontend.n_mels']} bands, "
        f"{'all clips' if limit is None else f'at most {limit} clips of each class and fold'}; "
        f"the model was chosen {chosen}."
    )


def circumstance_lines(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Machines, versions and commands behind the records, each once."""
    lines = []
    for record in records:
        machine, packages = record["machine"], record["versions"]
        lines.append("Machine: " + ", ".join(f"{key} {value}" for key, value in machine.items() if value) + ".")
        lines.append("Versions: " + ", ".join(f"{key} {value}" for key, value in packages.items()) + ".")
        lines.append(f"Command: {record['command']}")
    return list(dict.fromkeys(lines))


def write_page(
    results: Results, records: Sequence[Mapping[str, Any]], failed: Mapping[str, str], out: Path
) -> dict[str, Any]:
    """Writes table1.txt, .md, .tex and .csv (every number), and returns them as values."""
    tables = {
        "Table 1": paper_rows(results),
        "In full": detail_rows(results),
        "Paired differences, in points": difference_rows(results),
        "By fold, mean over seeds in percent": fold_rows(results),
    }
    tables = {title: rows for title, rows in tables.items() if rows}
    lines = notes(results, records) + [f"FAILED: {name}: {reason}" for name, reason in failed.items()]
    text = "\n\n".join([f"{title}\n\n{text_table(rows)}" for title, rows in tables.items()] + ["\n".join(lines)])
    markdown = [f"## {title}\n\n{markdown_table(rows)}" for title, rows in tables.items()]
    markdown.append("\n".join(f"- {line}" for line in lines))
    files = {
        "table1.txt": text + "\n",
        "table1.md": "# Table 1\n\n" + "\n\n".join(markdown).removeprefix("## Table 1\n\n") + "\n",
        "table1.csv": csv_table(tables["In full"]),
        "table1_differences.csv": csv_table(difference_rows(results)),
        "table1.tex": latex_table(tables["Table 1"], caption=CAPTION) + "\n",
    }
    for name, content in files.items():
        write_text(out / name, content)
    return {
        "text": text,
        "rows": tables["In full"],
        "differences": difference_rows(results),
        "notes": lines,
        "failed": dict(failed),
        "files": [str(out / name) for name in files],
    }
