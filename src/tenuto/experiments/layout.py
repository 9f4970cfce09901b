"""The paper's own layout of a table, with its numbers beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from tenuto.experiments.grid import Column
from tenuto.experiments.paper import Printed
from tenuto.experiments.protocols import protocol
from tenuto.experiments.results import Results, same_or_better

Row = dict[str, str | int | float | None]
NOT_RUN = "not run"


@dataclass
class _Line:
    """One row: a data set, its baseline, what tells it from the set's other rows, and its columns by head."""

    data: str
    base: Column
    labels: Mapping[str, str]
    columns: dict[str, Column] = field(default_factory=dict)


def paper_rows(results: Results) -> list[Row]:
    """The paper's layout: a row a task (and frame rate), "ours ± over seeds (the paper's)" in percent."""
    lines = _lines(results)
    heads = _heads(results, lines)
    rows = [_row(results, line, heads) for line in lines]
    if results.experiment.averaged:
        alike = dict.fromkeys((line.base, *line.labels.items()) for line in lines)
        for key in alike:
            together = [line for line in lines if (line.base, *line.labels.items()) == key]
            rows += [_average_row(results, together, heads)] if len(together) > 1 else []
    if results.experiment.parameters:
        rows.insert(0, _parameters_row(results, lines, heads))
    return rows


def _lines(results: Results) -> list[_Line]:
    """The rows, with the columns that the table always has, run or not, and those that there are."""
    experiment = results.experiment
    lines: dict[tuple[str, ...], _Line] = {}
    for data, column in results.groups:
        base = results.baseline(column)
        if column == base and any(_in_row(results, data, base, other) for other in results.groups):
            continue  # it stands in the rows of the others
        shown = experiment.usual_columns(column)[0] if column == base else column
        labels = experiment.row(results.system(shown), shown)
        line = lines.setdefault((data, base.length, *labels.values()), _Line(data, base, labels))
        for each in [*experiment.usual_columns(shown), shown] if not line.columns else [shown]:
            line.columns[experiment.head(results.system(each), each)] = each
    return list(lines.values())


def _in_row(results: Results, data: str, base: Column, other: tuple[str, Column]) -> bool:
    """Whether another column stands in a row with this baseline."""
    return other[0] == data and other[1] != base and results.baseline(other[1]) == base


def _heads(results: Results, lines: Sequence[_Line]) -> list[str]:
    """The heads of all rows: by hop from long to short, or by system as the experiment lists them."""
    columns = {head: column for line in lines for head, column in line.columns.items()}
    if results.experiment.across_hops:
        return sorted(columns, key=lambda head: -columns[head].hop_ms)
    return sorted(columns, key=lambda head: results.experiment.position(columns[head])[-1])


def _row(results: Results, line: _Line, heads: Sequence[str]) -> Row:
    """A task's row."""
    title = protocol(line.data).title
    length = "" if results.experiment.baseline.length else f", {line.base.length} length"
    row: Row = {
        "Task": title + length,
        results.experiment.baseline_head: _entry(results, line.data, line.base),
        "Metric": _metric(results, line.data, line.base),
        **line.labels,
    }
    for head in heads:
        column = line.columns.get(head)
        row[head] = NOT_RUN if column is None else _entry(results, line.data, column)
        if results.experiment.timed:
            row[f"{head}: training time"] = NOT_RUN if column is None else _time_entry(results, line.data, column)
    return row


def _average_row(results: Results, lines: Sequence[_Line], heads: Sequence[str]) -> Row:
    """The mean over tasks, as the paper's Tables 2 and 3 end with; not run where one of them is not."""
    bases = [(line.data, line.base) for line in lines]
    base = _mean_percent(results, bases)
    row: Row = {"Task": "Average", results.experiment.baseline_head: _average(results, bases, None), "Metric": ""}
    row |= lines[0].labels
    for head in heads:
        columns = [(line.data, line.columns[head]) for line in lines if head in line.columns]
        row[head] = _average(results, columns, base) if len(columns) == len(lines) else NOT_RUN
    return row


def _average(results: Results, columns: Sequence[tuple[str, Column]], base: float | None) -> str:
    """The entry of a row of averages, marked where it is not below `base`."""
    mean = _mean_percent(results, columns)
    printed = [number.mean for column in columns if (number := printed_of(results, *column)) is not None]
    theirs = f" ({fmean(printed):.1f})" if len(printed) == len(columns) else ""
    dagger = "†" if mean is not None and base is not None and mean >= base else ""
    return (NOT_RUN if mean is None else f"{mean:.1f}{dagger}") + theirs


def _mean_percent(results: Results, columns: Sequence[tuple[str, Column]]) -> float | None:
    """The mean over tasks, to a tenth of a percent; None where one was not run."""
    means = [found.mean for column in columns if (found := results.spread(*column)) is not None]
    return round(100 * fmean(means), 1) if len(means) == len(columns) else None


def _parameters_row(results: Results, lines: Sequence[_Line], heads: Sequence[str]) -> Row:
    """Parameters of the front ends, as the paper's Table 3 begins with."""
    labels = {name: "" for line in lines for name in line.labels}
    base_head = results.experiment.baseline_head
    columns = {head: [(line.data, line.columns[head]) for line in lines if head in line.columns] for head in heads}
    columns[base_head] = [(line.data, line.base) for line in lines]
    row: Row = {"Task": "Front-end parameters", base_head: "", "Metric": "", **labels}
    for head, places in columns.items():
        groups = [group for place in places if (group := results.group(*place)) is not None]
        counts = sorted({group.parameters for group in groups if group.parameters is not None})
        ours = " to ".join(f"{count:,}" for count in dict.fromkeys([*counts[:1], *counts[-1:]])) or NOT_RUN
        theirs = results.experiment.parameters.get(results.system(places[0][1]).name)
        row[head] = ours + ("" if theirs is None else f" ({theirs})")
    return row


def _entry(results: Results, data: str, column: Column) -> str:
    """One cell in the paper's layout."""
    found, printed = results.spread(data, column), printed_of(results, data, column)
    theirs = "" if printed is None else f" ({printed})"
    if found is None:
        return NOT_RUN + theirs
    deviation = "" if found.over_seeds is None else f" ± {100 * found.over_seeds:.1f}"
    part = "" if found.n_scores == results.n_cells(data) else f" [{found.n_scores} of {results.n_cells(data)} cells]"
    return f"{100 * found.mean:.1f}{deviation}{mark(results, data, column)}{part}{theirs}"


def _time_entry(results: Results, data: str, column: Column) -> str:
    """Training time over the baseline's."""
    share, printed = results.time_share(data, column), printed_of(results, data, column)
    theirs = "" if printed is None or printed.time_share is None else f" ({100 * printed.time_share:.0f} %)"
    return (NOT_RUN if share is None else f"{100 * share:.0f} %") + theirs


def mark(results: Results, data: str, column: Column) -> str:
    """The paper's dagger, which the baseline itself does not get."""
    return "†" if column != results.baseline(column) and same_or_better(results, data, column) else ""


def printed_of(results: Results, data: str, column: Column) -> Printed | None:
    """The paper's number for a column on a data set, or on the one that stands for it."""
    paper_set = protocol(data).paper_set
    return None if paper_set is None else results.experiment.printed(paper_set, results.system(column), column)


def _metric(results: Results, data: str, base: Column) -> str:
    """The metric of all that is marked against a baseline."""
    groups = results.groups.items()
    metrics = {g.metric for (d, c), g in groups if d == data and results.baseline(c) == base and g.scores}
    return ", ".join(sorted(metrics)) or NOT_RUN
