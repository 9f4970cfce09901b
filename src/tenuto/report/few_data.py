"""Accuracy over the number of training clips a class: a panel a model, a line and its spread a compression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator

from tenuto.errors import UsageError
from tenuto.report.style import COLOURS, MARKERS, PAGE_WIDTH, new_figure, plain_axes, styled

Points = Sequence[tuple[int, float, float]]


def accuracy_over_n(
    panels: Mapping[str, Mapping[str, Points]], y_label: str = "accuracy (%)", title: str = ""
) -> Figure:
    """Panel -> line -> points (n, mean, standard deviation); the deviation is a band round its line.

    Raises:
        UsageError: where there is not one point.
    """
    sizes = sorted({n for lines in panels.values() for points in lines.values() for n, _, _ in points})
    if not sizes:
        raise UsageError("no points to draw: wanted (n, mean, standard deviation) of at least one model")
    n_columns = min(4, len(panels))
    n_rows = -(-len(panels) // n_columns)
    with styled():
        figure = new_figure(PAGE_WIDTH, 2.3 * n_rows + 0.3, layout="constrained")
        shared: Axes | None = None
        for number, (name, lines) in enumerate(panels.items(), start=1):
            axes = plain_axes(figure.add_subplot(n_rows, n_columns, number, sharey=shared))
            shared = axes if shared is None else shared
            _draw(axes, name, lines, sizes)
            if (number - 1) % n_columns == 0:
                axes.set_ylabel(y_label)
        figure.suptitle(title)
    return figure


def _draw(axes: Axes, name: str, lines: Mapping[str, Points], sizes: Sequence[int]) -> None:
    for number, (line, points) in enumerate(lines.items()):
        n, means, deviations = np.array(sorted(points), dtype=float).reshape(-1, 3).T
        colour = COLOURS[number % len(COLOURS)]
        axes.fill_between(n, means - deviations, means + deviations, color=colour, alpha=0.15, linewidth=0)
        drawn = axes.plot(n, means, color=colour, linewidth=1.2, label=line)[0]
        drawn.set(marker=MARKERS[number % len(MARKERS)], markersize=3.5)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_major_formatter(FixedFormatter([str(n) for n in sizes]))
    axes.xaxis.set_minor_locator(FixedLocator([]))
    axes.set_xlabel("training clips a class")
    axes.set_title(name, loc="left")
    if len(lines) > 1:
        axes.legend(frameon=False)
