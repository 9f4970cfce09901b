"""What changed for each class from one model to another, sorted, and how the changes are spread (Figure 10a)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from tenuto.errors import UsageError
from tenuto.report.style import COLOURS, FAINT, INK, PAGE_WIDTH, new_figure, plain_axes, shorten, styled

FloatArray = NDArray[np.floating[Any]]

MINUS = "\N{MINUS SIGN}"
MEDIAN = "#C00000"  # the paper's red; its dashes tell it apart where colours do not
_GAIN, _LOSS = COLOURS[0], COLOURS[5]
_N_NAMED = 60  # beyond it names are too small to read: the ends are named in the picture
_N_ENDS = 5  # at either end
_HEIGHT = 2.5  # inches, without names


def class_changes(
    names: Sequence[str],
    changes: FloatArray,
    intervals: FloatArray | None = None,
    y_label: str = "change (points)",
    title: str = "",
) -> Figure:
    """Figure 10a: bars from the largest gain to the largest loss, and beside them their violin with its median.

    names, changes (class,) in points, in this order; intervals (class, 2) their lower and upper bounds, drawn
    where there are no more than 60 classes, NaN where there is none.

    Raises:
        UsageError: where there is no class, or a number of names that does not fit.
    """
    if not names or len(names) != len(changes):
        raise UsageError(f"{len(names)} names and {len(changes)} changes to draw: wanted as many, and at least one")
    n_named = len(names) <= _N_NAMED
    room = 0.055 * max(len(shorten(name, 24)) for name in names) if n_named else 0.0
    with styled():
        figure = new_figure(PAGE_WIDTH, _HEIGHT + room, layout="constrained")
        grid = figure.add_gridspec(1, 2, width_ratios=[6, 1], wspace=0.02)
        bars = plain_axes(figure.add_subplot(grid[0, 0]))
        _draw_bars(bars, changes, intervals if n_named else None)
        _name_all(bars, names) if n_named else _name_ends(bars, names, changes)
        bars.set_ylabel(y_label)
        bars.set_title(title, loc="left")
        _draw_violin(plain_axes(figure.add_subplot(grid[0, 1], sharey=bars)), changes)
    return figure


def _draw_bars(axes: Axes, changes: FloatArray, intervals: FloatArray | None) -> None:
    places = np.arange(len(changes))
    colours = [_GAIN if change >= 0 else _LOSS for change in changes]
    axes.bar(places, changes, width=0.72 if len(changes) <= _N_NAMED else 1.0, color=colours, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.7)
    if intervals is not None:
        axes.vlines(places, intervals[:, 0], intervals[:, 1], color=FAINT, linewidth=0.9)
    axes.set_xlim(-0.8, len(changes) - 0.2)
    axes.grid(False, axis="x")
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(_signed))


def _name_all(axes: Axes, names: Sequence[str]) -> None:
    size = 7.5 if len(names) <= 40 else 6
    axes.set_xticks(range(len(names)), [shorten(name, 24) for name in names], rotation=90, fontsize=size)
    axes.tick_params(axis="x", length=0)


def _name_ends(axes: Axes, names: Sequence[str], changes: FloatArray) -> None:
    """The first and last classes, written where no bar is: gains below the line, losses above it."""
    axes.xaxis.set_major_locator(FixedLocator([]))
    axes.set_xlabel(f"{len(names)} classes, sorted")
    best = [f"{shorten(names[i], 26)} {_signed(changes[i])}" for i in range(_N_ENDS)]
    worst = [f"{shorten(names[i], 26)} {_signed(changes[i])}" for i in range(len(names) - _N_ENDS, len(names))]
    style: Any = {"transform": axes.transAxes, "fontsize": 7, "linespacing": 1.25}
    axes.text(0.012, 0.03, "\n".join(best), color=_GAIN, ha="left", va="bottom", **style)
    axes.text(0.988, 0.97, "\n".join(worst), color=COLOURS[1], ha="right", va="top", **style)


def _draw_violin(axes: Axes, changes: FloatArray) -> None:
    """The density of the changes over the same axis, each class as a dot, the median dashed."""
    if np.ptp(changes) > 0:
        body: Any = axes.violinplot(changes, positions=[0], widths=1.6, showextrema=False)["bodies"]
        body[0].set(facecolor=COLOURS[4], alpha=0.45, edgecolor="none")
    if len(changes) <= _N_NAMED:
        axes.plot(np.zeros(len(changes)), changes, "o", color=INK, markersize=1.8, alpha=0.7, markeredgewidth=0)
    median = float(np.median(changes))
    axes.axhline(median, color=MEDIAN, linewidth=1.1, linestyle=(0, (3, 1.5)))
    axes.axhline(0, color=INK, linewidth=0.7)
    axes.set_xlabel(f"median {_signed(median)}", color=MEDIAN)
    axes.set_xlim(-0.9, 0.9)
    axes.tick_params(labelleft=False, left=False)
    axes.xaxis.set_major_locator(FixedLocator([]))
    axes.spines["left"].set_visible(False)


def _signed(value: float, _: Any = None) -> str:
    """+3, 0, -2.5, the last with a minus sign, which is as wide as the plus."""
    text = f"{abs(value):.3g}"
    return text if text == "0" else ("+" if value > 0 else MINUS) + text
