"""A comparison of two runs as a text, as rows, and as the paper's Figure 10a."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto.errors import UsageError
from tenuto.experiments.compare import Change, Comparison
from tenuto.files import write_text
from tenuto.report.tables import Row, csv_table, text_table
from tenuto.report.words import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf", ".csv")
OF_CLASS = {"accuracy": "accuracy", "mAP": "average precision", "AUC": "AUC"}
_N_ENDS = 20  # classes shown at either end of a long table
_N_SHOWN = 60
_N_CHARACTERS = 16  # of a run's name that heads a column; longer ones are A and B


def as_text(found: Comparison) -> str:
    """What changed overall, McNemar's counts, and a table of the classes."""
    overall = found.overall
    lines = [
        f"{found.first} → {found.second}, {counted(found.n_clips, 'test clip')}, "
        f"{counted(len(found.classes), 'class', 'classes')}",
        f"{overall.name}: {_percent(overall.first)} % → {_percent(overall.second)} %, {told_change(overall)}",
    ]
    if found.agreement is not None:
        counts = found.agreement
        lines.append(
            f"right in both {counts.n_both}, in {found.first} alone {counts.n_only_first}, in {found.second} alone "
            f"{counts.n_only_second}, in neither {counts.n_neither}; McNemar's exact test: p = {counts.p:.2g}"
        )
    lines += ["", text_table(_shown(class_rows(found)))]
    if found.undefined:
        lines += ["", f"without a test clip: {', '.join(found.undefined)}"]
    return "\n".join([*lines, "", "Intervals: bootstrap over test clips. Another seed of a training may move more."])


def class_rows(found: Comparison) -> list[Row]:
    """A row a class, from the largest gain to the largest loss, in percent and points."""
    short = max(len(found.first), len(found.second)) <= _N_CHARACTERS
    first, second = (found.first, found.second) if short else ("A", "B")
    return [
        {
            "class": each.name,
            "clips": each.n_clips,
            f"{first} %": _percent(each.first),
            f"{second} %": _percent(each.second),
            "change": signed(each.change),
            "95 % interval": _interval(each),
        }
        for each in found.classes
    ]


def draw(found: Comparison) -> Figure:
    """Figure 10a."""
    import numpy as np

    from tenuto.report.changes import MINUS, class_changes
    from tenuto.report.style import shorten

    first, second = (shorten(name, 26) for name in (found.first, found.second))
    bounds = [[np.nan if bound is None else 100 * bound for bound in (c.low, c.high)] for c in found.classes]
    return class_changes(
        [each.name for each in found.classes],
        np.array([100 * each.change for each in found.classes]),
        np.array(bounds),
        y_label=f"change of {OF_CLASS[found.metric]} (points)",
        title=f"{first} → {second}: {found.metric} {told_change(found.overall).replace('-', MINUS)}",
    )


def check_suffixes(paths: Sequence[Path]) -> None:
    """UsageError unless a comparison can be written to files of these names."""
    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            raise UsageError(f"{path}: wanted a name that ends in one of {', '.join(SUFFIXES)}")


def write(found: Comparison, path: Path) -> Path:
    """A picture, or the table of the classes as .csv."""
    check_suffixes([path])
    if path.suffix.lower() == ".csv":
        write_text(path, csv_table(class_rows(found)))
        return path
    from tenuto.report.style import save  # matplotlib

    return save(draw(found), path)


def told_change(each: Change) -> str:
    """ "+0.8 points (95 % -1.5 to +3.0)"."""
    interval = _interval(each)
    return f"{signed(each.change)} points" + (f" (95 % {interval})" if interval else "")


def signed(share: float) -> str:
    """A share as points with a sign; a change that rounds to nothing has none."""
    text = f"{100 * share:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _interval(each: Change) -> str:
    return "" if each.low is None or each.high is None else f"{signed(each.low)} to {signed(each.high)}"


def _shown(rows: Sequence[Row]) -> list[Row]:
    """All of a short table; of a long one its ends, and how many are between."""
    if len(rows) <= _N_SHOWN:
        return list(rows)
    gap: Row = {**dict.fromkeys(rows[0], ""), "class": f"... {len(rows) - 2 * _N_ENDS} more"}
    return [*rows[:_N_ENDS], gap, *rows[-_N_ENDS:]]
