"""The score of several models over what they compute (Figure 10b)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tenuto.errors import UsageError
from tenuto.report.style import COLOURS, COLUMN_WIDTH, INK, MARKERS, new_figure, plain_axes, styled

_NEAR = 1.5  # times the compute of another point: their names would hide each other


@dataclass(frozen=True)
class Point:
    """A model: compute relative to the baseline's, of it the classifier's, score and deviation in percent, a name."""

    compute: float
    classifier: float
    score: float
    deviation: float
    name: str
    base: bool = False


def trade_off(series: Mapping[str, Sequence[Point]], y_label: str, title: str = "") -> Figure:
    """A line a method, its points named; dotted lines cross at the baseline, thin ones lead to the classifier's share.

    Raises:
        UsageError: where there is not one point.
    """
    if not any(series.values()):
        raise UsageError("no points to draw: wanted a score and its compute of at least one model")
    with styled():
        figure = new_figure(COLUMN_WIDTH * 1.35, 2.9, layout="constrained")
        axes = plain_axes(figure.add_subplot())
        for number, (method, points) in enumerate(series.items()):
            ordered = sorted(points, key=lambda point: point.compute)
            x, y, deviation = np.array([(p.compute, p.score, p.deviation) for p in ordered]).T
            colour = COLOURS[number % len(COLOURS)]
            axes.errorbar(
                x, y, yerr=deviation, label=method, color=colour, linewidth=1.2, capsize=2, elinewidth=0.9,
                marker=MARKERS[number % len(MARKERS)], markersize=4.5,
            )  # fmt: skip
            axes.hlines(y, [point.classifier for point in ordered], x, color=colour, linewidth=0.7)
            for point, turned in zip(ordered, _turned(ordered), strict=True):
                _name(axes, point, colour, above=(number % 2 == 1) != turned)
        for point in (point for points in series.values() for point in points if point.base):
            for line in (axes.axhline(point.score), axes.axvline(point.compute)):
                line.set(color=INK, linewidth=0.8, linestyle=":", zorder=1)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(LogLocator(2))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.12, y=0.18)
        axes.set(xlabel="compute, relative to the log-mel of a 10 ms hop", ylabel=y_label)
        axes.set_title(title, loc="left")
        axes.legend(frameon=False, loc="lower right")
    return figure


def _turned(ordered: Sequence[Point]) -> list[bool]:
    """Whether a point's name goes to the other side: where the one before it on its line is near, and did not."""
    turned = [False] * len(ordered)
    for i in range(1, len(ordered)):
        turned[i] = ordered[i].compute < _NEAR * ordered[i - 1].compute and not turned[i - 1]
    return turned


def _name(axes: Axes, point: Point, colour: str, above: bool) -> None:
    """Above and to the left, or below and to the right: two lines of points seldom hide each other's names then."""
    side = -1 if above else 1
    axes.annotate(
        point.name, (point.compute, point.score), (4 * side, -4 * side), textcoords="offset points", fontsize=7,
        color=colour, ha="right" if above else "left", va="bottom" if above else "top",
        zorder=1.9, bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.4},  # below the points
    )  # fmt: skip
