"""How quantities move over a training: lines with their spread, panel beside panel, one legend for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tenuto.errors import UsageError
from tenuto.report.style import COLOURS, FAINT, MARKERS, PAGE_WIDTH, new_figure, plain_axes, styled

_STYLES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))  # told apart without colours too
_N_MARKERS = 8  # on a line, so that long trainings are no strings of beads


@dataclass(frozen=True)
class Trajectory:
    """A quantity over a training, each (point,): x, its mean over trainings and their standard deviation."""

    x: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """One set of axes: its title, what its y axis shows, and its lines by name."""

    title: str
    y_label: str
    lines: Mapping[str, Trajectory]
    from_zero: bool = False  # whether its y axis begins at zero


def trajectories(panels: Sequence[Panel], x_label: str = "training steps", title: str = "") -> Figure:
    """Panels in rows of up to three; a line keeps its colour, style and marker in all of them.

    Raises:
        UsageError: where there is not one line.
    """
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    if not names:
        raise UsageError("no curves to draw: wanted at least one line in one panel")
    n_columns = min(3, len(panels))
    n_rows = -(-len(panels) // n_columns)
    with styled():
        figure = new_figure(PAGE_WIDTH, 2.15 * n_rows + 0.55, layout="constrained")
        for number, panel in enumerate(panels, start=1):
            axes = plain_axes(figure.add_subplot(n_rows, n_columns, number))
            _draw(axes, panel, names)
            axes.set_xlabel(x_label)
        handles = {h.get_label(): h for axes in figure.axes for h in axes.get_legend_handles_labels()[0]}
        shown = [name for name in names if name in handles]
        figure.legend([handles[name] for name in shown], shown, loc="outside lower center", ncols=5, frameon=False)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=9, weight="bold")
    return figure


def _draw(axes: Axes, panel: Panel, names: Sequence[str]) -> None:
    for number, name in enumerate(names):
        line = panel.lines.get(name)
        if line is None:
            continue
        colour, style = COLOURS[number % len(COLOURS)], _STYLES[number % len(_STYLES)]
        every = max(1, len(line.x) // _N_MARKERS)
        axes.fill_between(
            line.x, line.mean - line.deviation, line.mean + line.deviation, color=colour, alpha=0.15, linewidth=0
        )
        axes.plot(
            line.x, line.mean, color=colour, linestyle=style, linewidth=1.2, label=name,
            marker=MARKERS[number % len(MARKERS)], markersize=3, markevery=(number % every, every),
        )  # fmt: skip
    axes.set_title(panel.title, loc="left")
    axes.set_ylabel(panel.y_label)
    if not panel.lines:
        axes.text(0.5, 0.5, "not logged", transform=axes.transAxes, ha="center", va="center", color=FAINT)
        axes.set(xticks=[], yticks=[])
        return
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if panel.from_zero:
        axes.set_ylim(0, max(axes.get_ylim()[1], 1e-3))
