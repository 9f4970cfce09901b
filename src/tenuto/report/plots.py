"""Charts of results, of plain numbers: learning curves, confusion matrix, accuracy over frames a second.

The door to all pictures: `explanation` and `comparison` of clips and `save` are found here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from tenuto.errors import UsageError
from tenuto.report.panels import ClipPicture
from tenuto.report.pictures import comparison, explanation
from tenuto.report.style import (
    COLOURS,
    COLUMN_WIDTH,
    FAINT,
    INK,
    MARKERS,
    PAGE_WIDTH,
    new_figure,
    plain_axes,
    save,
    shorten,
    styled,
)

__all__ = ["ClipPicture", "accuracy_over_fps", "comparison", "confusion", "curves", "explanation", "save"]

_N_CLASSES_WITH_NUMBERS = 20  # beyond it counts are too small to read, and colour alone tells


def curves(panels: Mapping[str, Mapping[str, tuple[ArrayLike, ArrayLike]]], x_label: str = "epoch") -> Figure:
    """Learning curves side by side: panel title -> line name -> (x, y), each (point,); NaN leaves a gap.

    Example:
        curves({"loss": {"train": (epochs, losses)}, "accuracy": {"validation": (epochs, accuracies)}})
    """
    if not panels:
        raise UsageError("no curves to draw: wanted at least one panel")
    n_columns = min(3, len(panels))
    n_rows = -(-len(panels) // n_columns)
    with styled():
        width = PAGE_WIDTH if n_columns > 1 else COLUMN_WIDTH
        figure = new_figure(width, 2.1 * n_rows, layout="constrained")
        for number, (title, lines) in enumerate(panels.items(), start=1):
            _draw_lines(plain_axes(figure.add_subplot(n_rows, n_columns, number)), title, lines, x_label)
    return figure


def confusion(counts: ArrayLike, labels: Sequence[str], title: str = "") -> Figure:
    """Confusion matrix: counts (class, class), rows the truth, columns the answer; shaded by row shares.

    A class without clips gives a white row. Counts are written in the cells up to 20 classes.

    Raises:
        UsageError: where counts are not (class, class) for these labels.
    """
    matrix = np.asarray(counts)
    if matrix.shape != (len(labels), len(labels)):
        raise UsageError(f"counts are {matrix.shape}; wanted (class, class) of {len(labels)} labels")
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    side = float(np.clip(1.3 + 0.26 * len(labels), COLUMN_WIDTH, PAGE_WIDTH))
    with styled():
        figure = new_figure(side, side * 0.92, layout="constrained")
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        if len(labels) <= _N_CLASSES_WITH_NUMBERS:
            _write_counts(axes, matrix, shares)
        _name_classes(axes, labels)
        axes.set(xlabel="answered", ylabel="true")
        axes.set_title(title, loc="left")
        bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02)
        bar.set_label("share of the true class")
    return figure


def accuracy_over_fps(
    series: Mapping[str, Sequence[tuple[float, float, float]]],
    baseline: tuple[str, float, float] | None = None,
    y_label: str = "accuracy (%)",
    title: str = "",
) -> Figure:
    """Accuracy over the frames a second that reach the classifier.

    series: method -> points (fps, mean, standard deviation), with error bars, a little apart so that bars
    do not hide each other. baseline: (name, mean, standard deviation) of every frame kept, a band across.

    Raises:
        UsageError: where there is not one point.
    """
    rates = sorted({fps for points in series.values() for fps, _, _ in points})
    if not rates:
        raise UsageError("no points to draw: wanted (fps, mean, standard deviation) of at least one method")
    with styled():
        figure = new_figure(COLUMN_WIDTH * 1.3, 2.7, layout="constrained")
        axes = plain_axes(figure.add_subplot())
        if baseline is not None:
            name, mean, deviation = baseline
            axes.axhspan(mean - deviation, mean + deviation, color=FAINT, alpha=0.18, linewidth=0)
            axes.axhline(mean, color=FAINT, linewidth=1, linestyle=(0, (4, 2)), label=name)
        for number, (name, points) in enumerate(series.items()):
            _draw_method(axes, name, sorted(points), number, 1 + 0.012 * (number - (len(series) - 1) / 2))
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator(rates))
        axes.xaxis.set_major_formatter(FixedFormatter([f"{rate:g}" for rate in rates]))
        axes.xaxis.set_minor_locator(FixedLocator([]))
        axes.set_xlim(rates[0] / 1.25, rates[-1] * 1.25)
        axes.set(xlabel="frames a second into the classifier", ylabel=y_label)
        axes.set_title(title, loc="left")
        axes.legend(frameon=False)
    return figure


def _draw_lines(axes: Axes, title: str, lines: Mapping[str, tuple[ArrayLike, ArrayLike]], x_label: str) -> None:
    for (name, (x, y)), colour in zip(lines.items(), _cycle(COLOURS, len(lines)), strict=True):
        marker = "o" if np.size(y) <= 30 else ""
        line = axes.plot(np.asarray(x), np.asarray(y), color=colour, linewidth=1.2, label=name)[0]
        line.set(marker=marker, markersize=2.5)
    axes.set_title(title, loc="left")
    axes.set_xlabel(x_label)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if len(lines) > 1:
        axes.legend(frameon=False)


def _draw_method(
    axes: Axes, name: str, points: Sequence[tuple[float, float, float]], number: int, shift: float
) -> None:
    fps, means, deviations = np.array(points, dtype=float).reshape(-1, 3).T
    axes.errorbar(
        fps * shift, means, yerr=deviations, label=name, color=COLOURS[number % len(COLOURS)], linewidth=1.2,
        marker=MARKERS[number % len(MARKERS)], markersize=4, capsize=2.5, elinewidth=0.9,
    )  # fmt: skip


def _write_counts(axes: Axes, matrix: NDArray[Any], shares: NDArray[Any]) -> None:
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            colour = "white" if shares[row, column] > 0.55 else INK
            axes.text(column, row, f"{count:g}", ha="center", va="center", fontsize=6.5, color=colour)


def _name_classes(axes: Axes, labels: Sequence[str]) -> None:
    """Every class by name up to 60; beyond, as many numbers as fit."""
    if len(labels) > 60:
        return
    size = 7 if len(labels) <= 30 else 4.5
    names = [shorten(label, 20) for label in labels]
    axes.set_xticks(range(len(labels)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(labels)), names, fontsize=size)


def _cycle(items: Sequence[str], n: int) -> list[str]:
    return [items[i % len(items)] for i in range(n)]
