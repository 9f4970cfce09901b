"""Small matrices with their values written in them, one after another, and what a warp matrix is as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from tenuto.errors import UsageError
from tenuto.report.changes import MINUS
from tenuto.report.style import COLOURS, FAINT, INK, PAGE_WIDTH, SHADE, new_figure, styled

_CELL_INCHES = 0.215  # height
_HEAD_INCHES = 0.4  # title and the gap above it
_AXIS_INCHES = 0.28
_BOTTOM_INCHES = 0.08
_LEFT, _WIDTH, _STEP = 0.048, 0.44, 0.503  # of the figure's width: of two columns
_LETTERS_INCHES = 0.14  # width of "0.2" at 5.5 points
_N_COLUMNS = 2
_MAP = "PuOr"
_MANY_COLUMNS = 10  # beyond it values are written smaller


@dataclass(frozen=True)
class Matrix:
    """One matrix: values (row, column) of numbers, names of its rows (by default 1, 2, ...), entries to frame."""

    title: str
    values: NDArray[Any]
    row_names: Sequence[str] = ()
    framed: NDArray[np.bool_] | None = None
    row_axis: str = "output"
    column_axis: str = ""  # with numbers below the columns, where it is given

    @property
    def n_rows(self) -> int:
        """Rows of cells that the panel takes up."""
        return len(self.values)

    @property
    def below_inches(self) -> float:
        """Room for what is written below the cells."""
        return _AXIS_INCHES if self.column_axis else 0.0

    def draw(self, axes: Axes) -> None:
        """Cells shaded by their values, the values in them."""
        values = self.values.astype(float)
        reach = max(1.0, float(np.abs(values).max()))
        axes.imshow(values, aspect="auto", cmap=_MAP, vmin=-2.2 * reach, vmax=2.2 * reach)  # pale: the numbers count
        size = _letters(values.shape[1])
        for (row, column), value in np.ndenumerate(values):
            colour = INK if value else FAINT
            axes.text(column, row, _written(value), ha="center", va="center", fontsize=size, color=colour)
            if self.framed is not None and self.framed[row, column]:
                place = (column - 0.47, row - 0.44)
                axes.add_patch(Rectangle(place, 0.94, 0.88, fill=False, edgecolor=COLOURS[1], linewidth=1.3))
        self._name(axes, *values.shape)
        for edge in np.arange(0.5, values.shape[1] - 1):
            axes.axvline(edge, color="white", linewidth=0.8)
        for edge in np.arange(0.5, values.shape[0] - 1):
            axes.axhline(edge, color="white", linewidth=0.8)

    def _name(self, axes: Axes, n_rows: int, n_columns: int) -> None:
        columns = range(n_columns) if self.column_axis else range(0)
        axes.set_xticks(columns, [str(i + 1) for i in columns])
        axes.set_xlabel(self.column_axis, fontsize=7.5, labelpad=1)
        axes.set_yticks(range(n_rows), self.row_names or [str(i + 1) for i in range(n_rows)])
        axes.set_ylabel("" if self.row_names else self.row_axis, fontsize=7.5, labelpad=2)
        axes.tick_params(length=0, labelsize=7, pad=2)


@dataclass(frozen=True)
class Overlap:
    """Frames laid end to end, each as long as its importance (frame,), over outputs of length 1."""

    title: str
    importance: NDArray[Any]
    n_out: int
    n_rows: int = 4  # of cells that the panel takes up
    below_inches: float = 0.0

    def draw(self, axes: Axes) -> None:
        """Frames above, outputs below, and between them the pieces that they share, with their lengths."""
        ends = np.cumsum(self.importance.astype(float))
        frames = np.concatenate([[0.0], ends])
        outputs = np.arange(self.n_out + 1.0)
        pieces = np.unique(np.concatenate([frames, outputs]).round(9))
        pieces = pieces[pieces <= self.n_out]
        names = [_written(length) for length in np.diff(pieces)]
        numbers = [[str(i + 1) for i in range(len(edges) - 1)] for edges in (frames, outputs)]
        for row, (edges, written) in enumerate(((outputs, numbers[1]), (pieces, names), (frames, numbers[0]))):
            for start, end, text in zip(edges[:-1], edges[1:], written, strict=True):
                self._box(axes, row, (start, end), text)
        axes.vlines(outputs[1:-1], 0, 2, color=COLOURS[1], linewidth=1.3)
        axes.vlines(outputs[1:-1], 2, 3, color=COLOURS[1], linewidth=0.8, linestyle=":")
        axes.set(xlim=(0, self.n_out), ylim=(0, 3), xticks=[])
        axes.set_yticks([0.5, 1.5, 2.5], ["output", "W", "frame"])
        axes.tick_params(length=0, labelsize=7, pad=2)
        axes.spines[:].set_visible(False)

    def _box(self, axes: Axes, row: int, ends: tuple[float, float], text: str) -> None:
        width = ends[1] - ends[0]
        colour = "white" if row == 1 else SHADE  # what is shared is on no ground of its own
        axes.add_patch(Rectangle((ends[0], row + 0.08), width, 0.84, facecolor=colour, edgecolor=INK, linewidth=0.6))
        size = min(7.5, 5.5 * _WIDTH * PAGE_WIDTH * width / self.n_out / _LETTERS_INCHES)
        axes.text(sum(ends) / 2, row + 0.48, text, ha="center", va="center", fontsize=size)


Panel = Matrix | Overlap


def matrices(panels: Sequence[Panel]) -> Figure:
    """Two beside each other, read like text.

    Raises:
        UsageError: where there is no panel.
    """
    if not panels:
        raise UsageError("no matrix to draw: wanted at least one")
    rows = [panels[i : i + _N_COLUMNS] for i in range(0, len(panels), _N_COLUMNS)]
    heights = [max(_CELL_INCHES * panel.n_rows + panel.below_inches for panel in row) for row in rows]
    height = sum(heights) + _HEAD_INCHES * len(rows) + _BOTTOM_INCHES
    with styled():
        figure = new_figure(PAGE_WIDTH, height)
        upper = height
        for row, tall in zip(rows, heights, strict=True):
            upper -= _HEAD_INCHES
            for column, panel in enumerate(row):
                own = _CELL_INCHES * panel.n_rows
                place = (_LEFT + _STEP * column, (upper - own) / height, _WIDTH, own / height)
                axes = figure.add_axes(place)
                panel.draw(axes)
                axes.set_title(panel.title, loc="left", fontsize=8.5, pad=4)
            upper -= tall
    return figure


def _written(value: float) -> str:
    return f"{value:.3g}".replace("-", MINUS)


def _letters(n_columns: int) -> float:
    """Size of the values."""
    return 7.5 if n_columns <= _MANY_COLUMNS else 5.5
