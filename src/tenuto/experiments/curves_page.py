"""Figures 6, 7 and 8: guide loss, activeness and metric over training, as pictures and as a table of where they end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.errors import UsageError
from tenuto.experiments.curves import NORMALIZERS, Quantity, have_steps, trajectory
from tenuto.experiments.experiment import Experiment
from tenuto.experiments.grid import Column, cell_of
from tenuto.experiments.layout import NOT_RUN, Row
from tenuto.experiments.page import Page
from tenuto.experiments.protocols import protocol
from tenuto.experiments.results import Results
from tenuto.files import write_text
from tenuto.report.tables import csv_table
from tenuto.report.trajectories import Panel, Trajectory

ENDS = "where the curves end: last epoch, mean ± standard deviation over trainings"
CURVE_NOTES = [
    "Curves: means over the steps of an epoch of training (the metric: of the validation part after it); lines are "
    "means over folds and seeds, bands their standard deviation.",
    "Guide loss and activeness under both normalisers: the mean importance (kept / frames), as the authors' code and "
    "the training have it, and the reduction rate, as Eqs. 4 and 7 are printed.",
]


def quantities(experiment: Experiment) -> list[Quantity]:
    """What an experiment draws, each under both normalisers where it has one."""
    with_normalizer = [Quantity(n, by) for by in NORMALIZERS for n in experiment.curves if n != "metric"]
    metric = [Quantity("metric")] if "metric" in experiment.curves else []
    n_first = len([name for name in experiment.curves if name != "metric"])
    return [*with_normalizer[:n_first], *metric, *with_normalizer[n_first:]]


def write_curves(results: Results, records: Sequence[Mapping[str, Any]], out: Path) -> Page:
    """Writes NAME_DATA_LENGTH.png and .svg for each data set and length, and a CSV of where the curves end.

    Returns:
        title and rows of that table, files, notes
    Raises:
        UsageError: no curves of any cell are there, and curves are all that is asked for
    """
    from tenuto.report.style import save  # matplotlib
    from tenuto.report.trajectories import trajectories

    experiment = results.experiment
    rows, files = [], []
    x_name, x_label = ("steps", "training steps") if have_steps(out, records) else ("epoch", "epochs of training")
    for data, length in dict.fromkeys((data, column.length) for data, column in results.groups):
        columns = [c for d, c in results.groups if (d, c.length) == (data, length)]
        lines = {column: _lines(experiment, _own(records, data, column), out, x_name) for column in columns}
        rows += [_end_row(results, data, column, lines[column]) for column in columns]
        panels = _panels(results, lines)
        if any(panel.lines for panel in panels):
            figure = trajectories(panels, x_label, f"{protocol(data).title}, {length} length")
            stem = out / f"{experiment.name}_{data}_{length}"
            files += [str(save(figure, stem.with_suffix(suffix))) for suffix in (".png", ".svg")]
    if not files and not experiment.table:
        raise UsageError(f"{out} holds no curves of its trainings: name data with --data NAME=FOLDER to have them made")
    name = f"{experiment.name}_curves.csv"
    write_text(out / name, csv_table(rows))
    return {"title": ENDS, "rows": rows, "files": [*files, str(out / name)], "notes": CURVE_NOTES}


def _own(records: Sequence[Mapping[str, Any]], data: str, column: Column) -> list[Mapping[str, Any]]:
    """The records of one column."""
    return [record for record in records if cell_of(record).group == (data, column)]


def _lines(
    experiment: Experiment, records: Sequence[Mapping[str, Any]], out: Path, x_name: str
) -> dict[Quantity, Trajectory]:
    """The curves of a column's records, by quantity."""
    found = {quantity: trajectory(out, records, quantity, x_name) for quantity in quantities(experiment)}
    return {quantity: line for quantity, line in found.items() if line is not None}


def _panels(results: Results, lines: Mapping[Column, Mapping[Quantity, Trajectory]]) -> list[Panel]:
    panels = []
    for quantity in quantities(results.experiment):
        of_all = {_line_name(results, c): own[quantity] for c, own in lines.items() if quantity in own}
        metrics = {group.metric for group in results.groups.values() if group.scores}
        label = f"{' or '.join(sorted(metrics))} (%)" if quantity.name == "metric" else quantity.title.partition(",")[0]
        title = quantity.title.replace(", ", "\n", 1)
        panels.append(Panel(title, label, of_all, from_zero=quantity.name == "guide_loss"))
    return panels


def _line_name(results: Results, column: Column) -> str:
    """What tells the lines of a picture apart: the frame rate, or the system, and the hop where it is not usual."""
    hop = "" if column.hop_ms == Column.hop_ms else f", {column.hop_ms:g} ms"
    rates = {other.fps for _, other in results.groups}
    systems = {results.system(other) for _, other in results.groups}
    system = results.system(column).head
    if len(systems) == 1:
        return f"{column.fps:g} FPS{hop}"
    return (f"{system}, {column.fps:g} FPS" if len(rates) > 1 else system) + hop


def _end_row(results: Results, data: str, column: Column, lines: Mapping[Quantity, Trajectory]) -> Row:
    row: Row = {"data": data, "length": column.length, "method": results.system(column).name, "FPS": column.fps}
    row |= {"hop ms": column.hop_ms} if column.hop_ms != Column.hop_ms else {}
    missing = NOT_RUN if results.group(data, column) is None else "not logged"
    for quantity in quantities(results.experiment):
        head = quantity.title + (" %" if quantity.name == "metric" else "")
        line = lines.get(quantity)
        row[head] = missing if line is None else _end(line, 1 if quantity.name == "metric" else 4)
    return row


def _end(line: Trajectory, n_digits: int) -> str:
    there = np.flatnonzero(~np.isnan(line.mean))
    if not len(there):
        return "not logged"
    last = there[-1]
    return f"{line.mean[last]:.{n_digits}f} ± {line.deviation[last]:.{n_digits}f}"
