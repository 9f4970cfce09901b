"""A table's page: the paper's layout, every detail, paired differences and folds, in the shapes people paste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tenuto.experiments.grid import Column
from tenuto.experiments.layout import NOT_RUN, Row, mark, paper_rows, printed_of
from tenuto.experiments.page_notes import notes
from tenuto.experiments.results import Results
from tenuto.experiments.statistics import Difference
from tenuto.files import write_text
from tenuto.report.tables import csv_table, latex_table, markdown_table, text_table

Page = dict[str, Any]  # rows, notes, files, and what else there is to say
IN_FULL = "In full"
DIFFERENCES = "Paired differences, in points"


def detail_rows(results: Results) -> list[Row]:
    """A row a column: means, both deviations, frames kept and time, as plain numbers."""
    rows: list[Row] = []
    hops = _has_hops(results)
    variants = any(column.variant for _, column in results.groups)
    for (data, column), group in results.groups.items():
        found, printed = results.spread(data, column), printed_of(results, data, column)
        row: Row = {"data": data, "length": column.length, "method": column.method, "FPS": column.fps}
        row |= {"hop ms": column.hop_ms} if hops else {}
        row |= {"variant": column.variant} if variants else {}
        row |= {
            "metric": group.metric,
            "mean %": NOT_RUN if found is None else _percent(found.mean),
            "sd over seeds": None if found is None else _percent(found.over_seeds),
            "sd over folds": None if found is None else _percent(found.over_folds),
            _mark_head(results): mark(results, data, column),
            "cells": f"{len(group.scores)} of {results.n_cells(data)}",
            "frames kept / sound": _share(group.kept_frames, group.sound_frames),
            "paper %": None if printed is None else printed.mean,
            "minutes": round(group.seconds / 60, 1),
        }
        rows.append(row | _time_details(results, data, column))
    return rows


def difference_rows(results: Results) -> list[Row]:
    """Paired differences in points: each column to the baseline, and to others it should be compared with."""
    rows: list[Row] = []
    for data, column in results.groups:
        for other in _against(results, data, column):
            found = results.difference(data, column, other)
            if found is not None:
                rows.append(_difference_row(results, data, column, other, found))
    return rows


def _against(results: Results, data: str, column: Column) -> list[Column]:
    """The baseline; the reference system, and the next larger hop, at the same frame rate and length."""
    base = results.baseline(column)
    against = [base] if column != base else []
    there = [other for name, other in results.groups if name == data and other != column]
    system, reference = results.system(column), results.experiment.reference
    alike = [o for o in there if (o.fps, o.length, o.hop_ms) == (column.fps, column.length, column.hop_ms)]
    if reference is not None and system.method == "diffres":
        against += [other for other in alike if results.system(other).name == reference]
    larger = [o for o in there if results.system(o) == system and (o.fps, o.length) == (column.fps, column.length)]
    larger = sorted((o for o in larger if o.hop_ms > column.hop_ms), key=lambda other: other.hop_ms)
    return list(dict.fromkeys(against + larger[:1]))


def fold_rows(results: Results) -> list[Row]:
    """The mean over seeds in percent for every fold."""
    rows: list[Row] = []
    hops = _has_hops(results)
    for (data, column), group in results.groups.items():
        row: Row = {"data": data, "length": column.length, "method": results.system(column).name, "FPS": column.fps}
        row |= {"hop ms": column.hop_ms} if hops else {}
        for fold in results.folds[data]:
            scores = [score for (other, _), score in group.scores.items() if other == fold]
            row[fold] = _percent(sum(scores) / len(scores)) if scores else NOT_RUN
        rows.append(row)
    return rows


def _difference_row(results: Results, data: str, first: Column, second: Column, found: Difference) -> Row:
    return {
        "data": data,
        "length": first.length,
        "first": _name(results, first),
        "second": _name(results, second),
        "difference": f"{100 * found.mean:+.1f}",
        "95 % interval": "one pair" if found.low is None else f"{_signed(found.low)} to {_signed(found.high)}",
        "first better in": f"{found.n_above} of {found.n_pairs}",
        "interval without 0": "yes" if found.certain else "no",
    }


def _time_details(results: Results, data: str, column: Column) -> Row:
    group = results.group(data, column)
    if not results.experiment.timed or group is None or not group.training_seconds:
        return {}
    seconds, share = list(group.training_seconds.values()), results.time_share(data, column)
    return {
        "training seconds a cell": round(sum(seconds) / len(seconds), 1),
        "training time / baseline": None if share is None else round(share, 3),
    }


def _has_hops(results: Results) -> bool:
    """Whether any hop is not the usual one."""
    return any(column.hop_ms != Column.hop_ms for _, column in results.groups)


def _mark_head(results: Results) -> str:
    is_usual = results.experiment.baseline.method == "logmel"
    return "as good as 100 FPS" if is_usual else f"as good as {results.experiment.baseline.name}"


def _name(results: Results, column: Column) -> str:
    """ "diffres 25", with its hop where that is not the usual one."""
    hop = "" if column.hop_ms == Column.hop_ms else f" at {column.hop_ms:g} ms"
    return f"{results.system(column).name} {column.fps:g}{hop}"


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 2)


def _signed(value: float | None) -> str:
    return "" if value is None else f"{100 * value:+.1f}"


def _share(kept: float, sound: float) -> float | None:
    return round(kept / sound, 3) if sound else None


def write_page(
    results: Results,
    records: Sequence[Mapping[str, Any]],
    failed: Mapping[str, str],
    out: Path,
    drawn: Page | None = None,
    left_out: Sequence[str] = (),
) -> Page:
    """Writes NAME.txt, .md, .tex and .csv (every number), and returns them as values.

    Args:
        drawn: of `write_curves` or `write_trade_off`: title and rows of a table, notes, files
        left_out: a line for each clip that took no part
    """
    experiment = results.experiment
    tables = {title: rows for title, rows in _tables(results, drawn).items() if rows}
    details, differences = tables.get(IN_FULL, []), tables.get(DIFFERENCES, [])
    lines = notes(results, records) + ([] if drawn is None else drawn["notes"])
    lines += [f"Left out: {line}" for line in left_out]
    lines += [f"FAILED: {name}: {reason}" for name, reason in failed.items()]
    text = "\n\n".join([f"{title}\n\n{text_table(rows)}" for title, rows in tables.items()] + ["\n".join(lines)])
    markdown = [f"## {title}\n\n{markdown_table(rows)}" for title, rows in tables.items()]
    markdown[0] = markdown[0].removeprefix("#")
    markdown.append("\n".join(f"- {line}" for line in lines))
    name, (first, *_) = experiment.name, tables.values()
    files = {
        f"{name}.txt": text + "\n",
        f"{name}.md": "\n\n".join(markdown) + "\n",
    }
    if experiment.table:
        files |= {f"{name}.csv": csv_table(details), f"{name}_differences.csv": csv_table(differences)}
    files[f"{name}.tex"] = latex_table(first, caption=experiment.caption) + "\n"
    for file, content in files.items():
        write_text(out / file, content)
    return {
        "text": text,
        "rows": details if experiment.table else first,
        "differences": differences,
        "notes": lines,
        "failed": dict(failed),
        "left_out": list(left_out),
        "files": [str(out / file) for file in files] + ([] if drawn is None else drawn["files"]),
    }


def _tables(results: Results, drawn: Page | None) -> dict[str, list[Row]]:
    """Title -> rows of every table of the page, in order."""
    title, tables = results.experiment.title, {}
    if results.experiment.table:
        tables = {
            title: paper_rows(results),
            IN_FULL: detail_rows(results),
            DIFFERENCES: difference_rows(results),
            "By fold, mean over seeds in percent": fold_rows(results),
        }
    if drawn is not None:
        tables[f"{title}, {drawn['title']}"] = drawn["rows"]
    return tables
