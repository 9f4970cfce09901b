"""Pictures of measured speed: throughput over frame rates (the paper's Figure 5), time over lengths, rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, NullFormatter

from tenuto.errors import UsageError
from tenuto.report.style import COLOURS, COLUMN_WIDTH, MARKERS, PAGE_WIDTH, new_figure, plain_axes, styled

Point = tuple[float, float, float, float]
"""x, and median, smallest and largest y."""


def throughput_over_fps(series: Mapping[str, Sequence[Point]], title: str = "") -> Figure:
    """Figure 5: front end -> points (frames a second, seconds of audio a second: median, smallest, largest).

    Raises:
        UsageError: where there is not one point.
    """
    rates = sorted({point[0] for points in series.values() for point in points})
    if not rates:
        raise UsageError("no points to draw: wanted (fps, median, smallest, largest) of at least one front end")
    with styled():
        figure = new_figure(COLUMN_WIDTH * 1.3, 2.7, layout="constrained")
        axes = plain_axes(figure.add_subplot())
        shift = 0.012 * (rates[-1] - rates[0])  # so that bars do not hide each other
        for number, (name, points) in enumerate(series.items()):
            _draw_line(axes, name, points, number, shift * (number - (len(series) - 1) / 2))
        axes.xaxis.set_major_locator(FixedLocator(rates))
        axes.xaxis.set_major_formatter(FixedFormatter([f"{rate:g}" for rate in rates]))
        axes.set_ylim(bottom=0)
        axes.set(xlabel="frames a second into the classifier", ylabel="audio throughput in one second (s)")
        axes.set_title(title, loc="left")
        axes.legend(frameon=False)
    return figure


def time_over_frames(panels: Mapping[str, Mapping[str, Sequence[Point]]], title: str = "") -> Figure:
    """Milliseconds over frames, both logarithmic: panel -> layer -> points (frames, median, smallest, largest).

    Raises:
        UsageError: where there is no panel.
    """
    if not panels:
        raise UsageError("no times to draw: wanted at least one panel")
    with styled():
        figure = new_figure(PAGE_WIDTH, 3.0, layout="constrained")
        for number, (name, series) in enumerate(panels.items(), start=1):
            axes = plain_axes(figure.add_subplot(1, len(panels), number))
            for k, (layer, points) in enumerate(series.items()):
                _draw_line(axes, layer, points, k)
            axes.set(xscale="log", yscale="log", xlabel="frames of a clip", ylabel="milliseconds")
            _plain_numbers(axes.xaxis)
            _plain_numbers(axes.yaxis)
            axes.xaxis.set_major_locator(FixedLocator(sorted({x for line in series.values() for x, *_ in line})))
            axes.set_title(name, loc="left")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False, title=title or None)
    return figure


def rates(values: Mapping[str, tuple[float, float, float]], x_label: str, title: str = "") -> Figure:
    """One line a name, from above: median, smallest and largest; logarithmic, with the median in numbers.

    Raises:
        UsageError: no value, or one that is not above 0.
    """
    if not values or any(low <= 0 for _, low, _ in values.values()):
        raise UsageError("no rates to draw: wanted at least one value, all above 0")
    names, places = list(values), np.arange(len(values))
    medians, low, high = np.array(list(values.values())).T
    with styled():
        figure = new_figure(PAGE_WIDTH * 0.8, 0.7 + 0.27 * len(values), layout="constrained")
        axes = plain_axes(figure.add_subplot())
        axes.errorbar(medians, places, xerr=[medians - low, high - medians], fmt="o", color=COLOURS[0], capsize=2,
                      markersize=5, elinewidth=1.0)  # fmt: skip
        for place, median, largest in zip(places, medians, high, strict=True):
            axes.annotate(f"{median:,.3g}" if median < 1000 else f"{median:,.0f}", (largest, place), (4, 0),
                          textcoords="offset points", va="center", fontsize=7)  # fmt: skip
        axes.set_xscale("log")
        _plain_numbers(axes.xaxis)
        axes.set_xlim(low.min() / 3, high.max() * 3)
        axes.set_yticks(places, names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(x_label)
        axes.set_title(title, loc="left")
    return figure


def _plain_numbers(axis: Axis) -> None:
    """1,000 rather than a power of ten, and nothing at the small ticks."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axis.set_minor_formatter(NullFormatter())


def _draw_line(axes: Axes, name: str, points: Sequence[Point], number: int, shift: float = 0.0) -> None:
    x, median, low, high = np.array(sorted(points), dtype=float).T
    axes.errorbar(
        x + shift, median, yerr=[median - low, high - median], label=name, color=COLOURS[number % len(COLOURS)],
        linewidth=1.2, marker=MARKERS[number % len(MARKERS)], markersize=4, capsize=2, elinewidth=0.9,
    )  # fmt: skip
